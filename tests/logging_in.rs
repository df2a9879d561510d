//! Logging in, and the identity of the user afterwards.

use http::header;
use jiff::SignedDuration;
use serde_json::json;
use shared::auth::{permission::Role, user::User};

use crate::support::app::{Answer, PASSWORD, TestApp};

async fn log_in(app: &TestApp, username: &str, password: &str) -> Answer {
    app.post("/api/auth/login").json(&json!({"username": username, "password": password})).send().await
}

#[tokio::test]
async fn a_user_logs_in_by_form_or_json_and_is_known_by_the_token() {
    let app = TestApp::new().await;
    let ana = app.person("Ana", Role::Analyst, None).await;
    let form = app.post("/api/auth/login").form("grant_type=password&username=aNA&password=correct+horse").send().await;
    for answer in [log_in(&app, "ana", PASSWORD).await, form] {
        let body = answer.expect(200);
        assert_eq!((&body["token_type"], &body["expires_in"]), (&"bearer".into(), &28_800.into()));
        assert_eq!(body["user"]["id"], ana.user.id.to_string());
        let token = format!("Bearer {}", body["access_token"].as_str().unwrap());
        let me = app.get("/api/auth/me").header(header::AUTHORIZATION, &token).send().await;
        assert_eq!(me.expect(200), body["user"]);
        assert_eq!(me.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_are_answered_alike() {
    let app = TestApp::new().await;
    app.person("ana", Role::Analyst, None).await;
    for (username, password) in [("ana", "wrong horse"), ("nobody", PASSWORD), ("", PASSWORD), ("a'; --", "x")] {
        let answer = log_in(&app, username, password).await;
        assert_eq!(answer.problem(401), "unauthenticated");
        assert_eq!(answer.json()["detail"], "Incorrect username or password");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn a_disabled_account_is_told_so_with_the_right_password_alone() {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let disabled = User { is_active: false, ..ana.user.clone() };
    app.resources.users().replace(&ana.user, &disabled).await.unwrap();
    assert!(log_in(&app, "ana", PASSWORD).await.expect(401)["detail"].as_str().unwrap().contains("disabled"));
    assert_eq!(log_in(&app, "ana", "wrong horse").await.expect(401)["detail"], "Incorrect username or password");
    assert_eq!(app.get("/api/auth/me").by(&ana).send().await.problem(401), "unauthenticated");
}

#[tokio::test]
async fn the_eleventh_failure_blocks_the_name_for_a_while() {
    let app = TestApp::new().await;
    app.person("ana", Role::Analyst, None).await;
    for _ in 0..10 {
        log_in(&app, "ana", "wrong horse").await.problem(401);
    }
    log_in(&app, "ANA", PASSWORD).await.expect(200);
    let blocked = log_in(&app, "ana", "wrong horse").await;
    assert_eq!(blocked.problem(429), "too_many_tries");
    assert_eq!(blocked.header("retry-after"), "900");
    log_in(&app, "Ana", PASSWORD).await.problem(429);
    app.clock.advance(SignedDuration::from_mins(15));
    log_in(&app, "ana", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn what_is_sent_to_log_in_is_checked() {
    let app = TestApp::new().await;
    let login = || app.post("/api/auth/login");
    assert_eq!(login().send().await.problem(415), "unsupported_media_type");
    assert_eq!(login().body("text/plain", "x").send().await.problem(415), "unsupported_media_type");
    assert_eq!(login().body("application/json", "{").send().await.problem(422), "invalid_input");
    let missing = login().json(&json!({"username": "ana"})).send().await;
    assert_eq!(missing.problem(422), "invalid_input");
    assert_eq!(missing.json()["errors"][0]["loc"], json!(["body", "password"]));
    let large = json!({"username": "ana", "password": "x".repeat(1024 * 1024)});
    assert_eq!(login().json(&large).send().await.problem(413), "too_large");
    let wrong_method = app.get("/api/auth/login").send().await;
    assert_eq!((wrong_method.problem(405).as_str(), wrong_method.header("allow")), ("method_not_allowed", "POST"));
    assert_eq!(app.post("/api/auth/me").send().await.problem(405), "method_not_allowed");
    assert_eq!(app.get("/api/auth/nothing").send().await.problem(404), "not_found");
}

#[tokio::test]
async fn every_answer_has_its_headers() {
    let app = TestApp::new().await;
    for (sent, kept) in [("trace-1", true), ("a b", false), (&*"x".repeat(200), false)] {
        let answer = app.get("/api/auth/me").header(header::HeaderName::from_static("x-request-id"), sent).send().await;
        answer.problem(401);
        assert_eq!(answer.header("x-request-id") == sent, kept, "{sent}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert!(answer.header("server-timing").starts_with("app;dur="));
    }
}
