//! Tokens that are not valid.

use http::header;
use jiff::SignedDuration;
use serde_json::json;
use shared::auth::{permission::Role, secret::Secret, token::Tokens, user::User};
use uuid::Uuid;

use crate::support::app::{Answer, TestApp};

use super::app;

async fn with_header(app: &TestApp, value: &str) -> Answer {
    app.get("/api/auth/me").header(header::AUTHORIZATION, value).send().await
}

fn assert_shut_out(answer: &Answer) {
    assert_eq!(answer.problem(401), "unauthenticated");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn test_expired_token_rejected() {
    let (app, admin) = app().await;
    app.clock.advance(SignedDuration::from_secs(app.resources.tokens.lifetime_seconds()));
    assert_shut_out(&app.get("/api/auth/me").by(&admin).send().await);
    assert_shut_out(&app.get("/api/auth/users").by(&admin).send().await);
}

#[tokio::test]
async fn test_malformed_token_rejected() {
    let (app, admin) = app().await;
    let cut = &admin.token[..admin.token.len() - 1];
    let parts: Vec<&str> = admin.token.split('.').collect();
    let unsigned = format!("{}.{}.", parts[0], parts[1]);
    for token in ["x", "a.b.c", "..", cut, parts[1], &unsigned, &format!("{}.", admin.token), &"x".repeat(10_000)] {
        assert_shut_out(&with_header(&app, &format!("Bearer {token}")).await);
    }
}

#[tokio::test]
async fn test_token_with_invalid_signature() {
    let (app, admin) = app().await;
    let foreign = Tokens::new(&Secret::new("fedcba9876543210fedcba9876543210"), 480);
    let forged = foreign.issue(&admin.user, app.resources.clock.now()).unwrap();
    assert_shut_out(&with_header(&app, &format!("Bearer {forged}")).await);
    // The valid signature of one token does not fit another token.
    let other = app.person("other", Role::Analyst, None).await;
    let (own, others): (Vec<&str>, Vec<&str>) = (admin.token.split('.').collect(), other.token.split('.').collect());
    assert_shut_out(&with_header(&app, &format!("Bearer {}.{}.{}", own[0], own[1], others[2])).await);
}

#[tokio::test]
async fn test_token_for_deleted_user_rejected() {
    let (app, admin) = app().await;
    let gone = User { id: Uuid::new_v4(), ..admin.user };
    let token = app.resources.tokens.issue(&gone, app.resources.clock.now()).unwrap();
    assert_shut_out(&with_header(&app, &format!("Bearer {token}")).await);
}

#[tokio::test]
async fn test_token_for_deactivated_user_rejected() {
    let (app, admin) = app().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let path = format!("/api/auth/users/{}", ana.user.id);
    app.call(http::Method::PUT, &path).by(&admin).json(&json!({"is_active": false})).send().await.expect(200);
    assert_shut_out(&app.get("/api/auth/me").by(&ana).send().await);
    // Not even a token that was issued for an inactive user gets in.
    let stored = app.resources.users().get(ana.user.id).await.unwrap().unwrap();
    let token = app.resources.tokens.issue(&stored, app.resources.clock.now()).unwrap();
    assert_shut_out(&with_header(&app, &format!("Bearer {token}")).await);
}

#[tokio::test]
async fn test_empty_authorization_header() {
    let (app, _) = app().await;
    for value in ["", " ", "Bearer", "Bearer ", "Bearer    "] {
        assert_shut_out(&with_header(&app, value).await);
    }
}

#[tokio::test]
async fn test_bearer_prefix_required() {
    let (app, admin) = app().await;
    for scheme in ["", "Basic ", "Token ", "JWT ", "Bearer:", "Bearer"] {
        assert_shut_out(&with_header(&app, &format!("{scheme}{}", admin.token)).await);
    }
    with_header(&app, &format!("Bearer {}", admin.token)).await.expect(200);
}
