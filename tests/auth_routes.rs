//! The endpoints of log-in and users.

mod changing;
mod listing;
mod own_account;
mod registering;
mod sessions;

use http::Method;
use serde_json::{Value, json};

use crate::support::app::{Answer, Person, TestApp};

async fn log_in(app: &TestApp, username: &str, password: &str) -> Answer {
    app.post("/api/auth/login").json(&json!({"username": username, "password": password})).send().await
}

/// Registers a user.
async fn register(app: &TestApp, admin: &Person, new: &Value) -> Answer {
    app.post("/api/auth/register").by(admin).json(new).send().await
}

/// Changes a user.
async fn change(app: &TestApp, admin: &Person, id: impl std::fmt::Display, changes: &Value) -> Answer {
    app.call(Method::PUT, &format!("/api/auth/users/{id}")).by(admin).json(changes).send().await
}

/// The user of a token, as the API returns it.
async fn me(app: &TestApp, person: &Person) -> Answer {
    app.get("/api/auth/me").by(person).send().await
}

/// The body of a valid registration.
fn ben() -> Value {
    json!({"email": "ben@example.com", "username": "ben", "password": "long enough"})
}

/// The same registration with other values for some fields.
fn ben_with(fields: &Value) -> Value {
    let mut new = ben();
    new.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    new
}

/// The fields that a 422 answer reports.
fn complaints(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.problem(422), "invalid_input");
    let errors = answer.json()["errors"].as_array().unwrap().clone();
    errors.iter().map(|error| error["loc"].as_array().unwrap().last().unwrap().as_str().unwrap().to_owned()).collect()
}
