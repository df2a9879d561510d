//! Data that no answer may show.

use serde_json::json;
use shared::auth::permission::Role;
use uuid::Uuid;

use super::{app, newcomer, register};
use crate::support::app::{Answer, Fault, INSIDE, PASSWORD};

fn assert_without_hash(answer: &Answer, status: u16, hash: &str) {
    answer.expect(status);
    let text = answer.text();
    for word in ["argon2", "password", "hash", "tokens_valid_from", "revision", hash] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

#[tokio::test]
async fn test_no_password_hash_in_login_response() {
    let (app, admin) = app().await;
    let answer = app.post("/api/auth/login").json(&json!({"username": "root", "password": PASSWORD})).send().await;
    assert_without_hash(&answer, 200, &admin.user.password_hash);
}

#[tokio::test]
async fn test_no_password_hash_in_me_response() {
    let (app, admin) = app().await;
    assert_without_hash(&app.get("/api/auth/me").by(&admin).send().await, 200, &admin.user.password_hash);
}

#[tokio::test]
async fn test_no_password_hash_in_user_list() {
    let (app, admin) = app().await;
    app.person("ana", Role::Analyst, None).await;
    assert_without_hash(&app.get("/api/auth/users").by(&admin).send().await, 200, &admin.user.password_hash);
}

#[tokio::test]
async fn test_no_password_hash_in_register_response() {
    let (app, admin) = app().await;
    let answer = register(&app, &admin, &newcomer(&json!({}))).await;
    assert_without_hash(&answer, 201, "long enough");
}

#[tokio::test]
async fn test_no_internal_ids_in_error_messages() {
    let (app, admin) = app().await;
    let paths = [
        format!("/api/runs/{}", Uuid::new_v4()),
        format!("/api/summary/{}", Uuid::new_v4()),
        "/api/files/download/nothing.csv".to_owned(),
        "/api/files/download/../x.csv".to_owned(),
        "/api/files/list?area=teams".to_owned(),
        "/api/auth/users?limit=0".to_owned(),
        "/api/nothing".to_owned(),
    ];
    let mut answers = Vec::new();
    for path in &paths {
        answers.push(app.get(path).by(&admin).send().await);
    }
    answers.push(register(&app, &admin, &newcomer(&json!({"username": "root"}))).await);
    let absent = newcomer(&json!({"role": "sales_team", "sales_team_id": Uuid::new_v4()}));
    answers.push(register(&app, &admin, &absent).await);
    app.table_outage.begin(Fault::Broken);
    app.bucket_outage.begin(Fault::Unreachable);
    for path in &paths[..3] {
        answers.push(app.get(path).by(&admin).send().await);
    }
    let admin_id = admin.user.id.to_string();
    let table = app.resources.table.name.as_str();
    for answer in answers {
        let (status, text) = (answer.status.as_u16(), answer.text());
        answer.problem(status);
        for word in
            [INSIDE, &admin_id, table, "inputs/", "teams/", "Exception", "dynamodb", "s3", ".rs", "panicked", "ConditionalCheck"]
        {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }
}

#[tokio::test]
async fn test_login_error_doesnt_reveal_user_existence() {
    let (app, _) = app().await;
    let log_in = |name: &'static str, password: &'static str| {
        app.post("/api/auth/login")
            .header(http::HeaderName::from_static("x-request-id"), "same")
            .json(&json!({"username": name, "password": password}))
            .send()
    };
    let (wrong_password, wrong_name) = (log_in("root", "wrong horse").await, log_in("nobody", PASSWORD).await);
    assert_eq!(wrong_password.problem(401), "unauthenticated");
    assert_eq!(wrong_password.bytes, wrong_name.bytes);
    let headers = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        headers.remove("server-timing");
        headers
    };
    assert_eq!(headers(&wrong_password), headers(&wrong_name));
}
