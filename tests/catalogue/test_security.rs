//! What attackers try first: tokens, roles, paths, secrets in answers, odd input and odd files.

mod test_authentication_security;
mod test_authorization_security;
mod test_data_leakage_prevention;
mod test_file_upload_security;
mod test_input_validation;
mod test_path_traversal_security;

use serde_json::{Value, json};
use shared::auth::permission::Role;

use crate::support::app::{Answer, Person, TestApp};

/// The product with an administrator.
async fn app() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let admin = app.person("root", Role::Admin, None).await;
    (app, admin)
}

/// A registration with some fields replaced.
fn newcomer(fields: &Value) -> Value {
    let mut new = json!({"email": "new@example.com", "username": "newcomer", "password": "long enough"});
    new.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    new
}

/// Sends a registration.
async fn register(app: &TestApp, person: &Person, new: &Value) -> Answer {
    app.post("/api/auth/register").by(person).json(new).send().await
}
