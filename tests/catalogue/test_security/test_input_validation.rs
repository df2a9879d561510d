//! Input that is meant to break something.

use serde_json::json;

use super::{app, newcomer, register};
use crate::support::app::PASSWORD;

#[tokio::test]
async fn test_register_sql_injection_in_username() {
    let (app, admin) = app().await;
    for name in ["'; DROP TABLE users; --", "admin'--", "\" OR \"\"=\"", "root' OR '1'='1", "a); DELETE FROM x"] {
        let answer = register(&app, &admin, &newcomer(&json!({"username": name}))).await;
        assert_eq!(answer.problem(422), "invalid_input", "{name}");
        assert_eq!(answer.json()["errors"][0]["loc"], json!(["body", "username"]));
        app.post("/api/auth/login").json(&json!({"username": name, "password": PASSWORD})).send().await.problem(401);
    }
    assert_eq!(app.get("/api/auth/users").by(&admin).send().await.expect(200).as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn test_register_xss_in_full_name() {
    let (app, admin) = app().await;
    let name = "<script>alert(\"x\")</script>";
    let answer = register(&app, &admin, &newcomer(&json!({"full_name": name}))).await;
    // The product stores it as it is, like any other name, and returns it as JSON that no browser takes for a page.
    assert_eq!(answer.expect(201)["full_name"], name);
    assert_eq!((answer.header("content-type"), answer.header("x-content-type-options")), ("application/json", "nosniff"));
}

#[tokio::test]
async fn test_extremely_long_username_rejected() {
    let (app, admin) = app().await;
    for length in [51, 1000, 1_000_000] {
        let answer = register(&app, &admin, &newcomer(&json!({"username": "a".repeat(length)}))).await;
        assert_eq!(answer.problem(422), "invalid_input");
        assert!(answer.text().len() < 1000, "the name is not repeated");
    }
}

#[tokio::test]
async fn test_extremely_long_password_handled() {
    let (app, admin) = app().await;
    let long = "a".repeat(1_000_000);
    let answer = register(&app, &admin, &newcomer(&json!({"password": long}))).await;
    assert_eq!(answer.problem(422), "invalid_input");
    app.post("/api/auth/login").json(&json!({"username": "root", "password": long})).send().await.problem(401);
    let longer = json!({"username": "root", "password": "a".repeat(1024 * 1024)});
    assert_eq!(app.post("/api/auth/login").json(&longer).send().await.problem(413), "too_large");
}

#[tokio::test]
async fn test_unicode_username_handling() {
    let (app, admin) = app().await;
    // The second name looks like `root`, and the third name is `root` in wide letters.
    for name in ["用户名", "rооt", "ｒｏｏｔ", "Zoë_1", "ana\u{200b}", "\u{202e}toor"] {
        let answer = register(&app, &admin, &newcomer(&json!({"username": name}))).await;
        assert_eq!(answer.problem(422), "invalid_input", "{name}");
        app.post("/api/auth/login").json(&json!({"username": name, "password": PASSWORD})).send().await.problem(401);
    }
}

#[tokio::test]
async fn test_empty_body_returns_422() {
    let (app, admin) = app().await;
    let user = format!("/api/auth/users/{}", admin.user.id);
    for (method, path) in [
        (http::Method::POST, "/api/auth/login"),
        (http::Method::POST, "/api/auth/register"),
        (http::Method::POST, "/api/sales-teams"),
        (http::Method::PUT, &user),
    ] {
        let answer = app.call(method, path).by(&admin).body("application/json", "").send().await;
        assert_eq!(answer.problem(422), "invalid_input", "{path}");
    }
    app.post("/api/auth/login").form("").send().await.problem(422);
    app.post("/api/auth/login").json(&json!({})).send().await.problem(422);
}

#[tokio::test]
async fn test_wrong_content_type_handled() {
    let (app, admin) = app().await;
    let body = newcomer(&json!({})).to_string();
    for kind in
        ["text/plain", "text/html", "application/xml", "application/octet-stream", "application/x-www-form-urlencoded", "json"]
    {
        let answer = app.post("/api/auth/register").by(&admin).body(kind, body.clone()).send().await;
        assert_eq!(answer.problem(415), "unsupported_media_type", "{kind}");
    }
    assert_eq!(app.get("/api/auth/users").by(&admin).send().await.expect(200).as_array().unwrap().len(), 1);
    let with_charset = app.post("/api/auth/register").by(&admin).body("Application/JSON; charset=utf-8", body).send().await;
    with_charset.expect(201);
}
