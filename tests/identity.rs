//! Attacks on the identity of users, and on what they may see: tokens, log-ins, presigned URLs, headers, cells, logs.

mod addresses;
mod headers;
mod log_in;
mod logs;
mod spreadsheets;
mod tokens;

use shared::auth::permission::Role;

use crate::support::app::{Person, TestApp};

/// The application with an administrator.
async fn app() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    (app, root)
}
