//! Logging in, and the validity of tokens.

use http::header;
use jiff::SignedDuration;
use serde_json::json;
use shared::auth::permission::Role;
use uuid::Uuid;

use crate::support::app::{Fault, INSIDE, PASSWORD, TestApp};

use super::{change, log_in, me};

#[tokio::test]
async fn a_log_in_tells_who_it_is_and_for_how_long() {
    let app = TestApp::new().await;
    let team = app.team("West").await;
    let ana = app.person("ana", Role::SalesTeam, Some(team.id)).await;
    let body = log_in(&app, "ana", PASSWORD).await.expect(200);
    let names: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["access_token", "token_type", "expires_in", "user"]);
    let expected = json!({
        "id": ana.user.id, "email": "ana@example.com", "username": "ana", "full_name": null, "role": "sales_team",
        "sales_team_id": team.id, "is_active": true, "created_at": "2026-02-02T10:00:00.000Z",
    });
    assert_eq!(body["user"], expected);
}

#[tokio::test]
async fn a_form_with_what_oauth_clients_add_logs_in() {
    let app = TestApp::new().await;
    app.person("ana", Role::Analyst, None).await;
    let form = "grant_type=password&username=ana&password=correct%20horse&scope=&client_id=x&client_secret=";
    app.post("/api/auth/login").form(form).send().await.expect(200);
}

#[tokio::test]
async fn a_username_counts_without_regard_to_case() {
    let app = TestApp::new().await;
    app.person("Ana_Maria", Role::Analyst, None).await;
    for name in ["ana_maria", "ANA_MARIA", "Ana_Maria"] {
        assert_eq!(log_in(&app, name, PASSWORD).await.expect(200)["user"]["username"], "Ana_Maria");
    }
}

#[tokio::test]
async fn a_password_counts_to_the_letter() {
    let app = TestApp::new().await;
    app.person("ana", Role::Analyst, None).await;
    for wrong in ["Correct horse", "correct horse ", " correct horse", "correct  horse", ""] {
        log_in(&app, "ana", wrong).await.problem(401);
    }
}

#[tokio::test]
async fn an_address_that_fails_a_hundred_times_is_blocked_for_every_name() {
    let app = TestApp::new().await;
    app.person("ana", Role::Analyst, None).await;
    let failures = app.resources.failures();
    for _ in 0..101 {
        failures.add(stores::throttle::Whose::Address("unknown"), app.resources.clock.now()).await.unwrap();
    }
    let blocked = log_in(&app, "ana", PASSWORD).await;
    assert_eq!((blocked.problem(429).as_str(), blocked.header("retry-after")), ("too_many_tries", "900"));
}

#[tokio::test]
async fn failures_of_one_name_block_no_other() {
    let app = TestApp::new().await;
    app.person("ana", Role::Analyst, None).await;
    for _ in 0..11 {
        log_in(&app, "nobody", "wrong horse").await;
    }
    log_in(&app, "nobody", "wrong horse").await.problem(429);
    log_in(&app, "ana", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_token_ends_after_eight_hours() {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    app.clock.advance(SignedDuration::from_secs(8 * 60 * 60 - 1));
    me(&app, &ana).await.expect(200);
    app.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(me(&app, &ana).await.problem(401), "unauthenticated");
}

#[tokio::test]
async fn the_role_is_the_stored_one_and_not_the_one_of_the_token() {
    let app = TestApp::new().await;
    let (root, ana) = (app.person("root", Role::Admin, None).await, app.person("ana", Role::Admin, None).await);
    app.get("/api/auth/users").by(&ana).send().await.expect(200);
    change(&app, &root, ana.user.id, &json!({"role": "analyst"})).await.expect(200);
    assert_eq!(app.get("/api/auth/users").by(&ana).send().await.problem(403), "forbidden");
    assert_eq!(me(&app, &ana).await.expect(200)["role"], "analyst");
}

#[tokio::test]
async fn two_authorization_headers_are_none() {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let other = format!("Bearer {}", ana.token);
    let answer = app.get("/api/auth/me").by(&ana).header(header::AUTHORIZATION, &other).send().await;
    assert_eq!(answer.problem(401), "unauthenticated");
}

#[tokio::test]
async fn every_bad_token_is_answered_alike() {
    let app = TestApp::new().await;
    let (root, ana) = (app.person("root", Role::Admin, None).await, app.person("ana", Role::Analyst, None).await);
    change(&app, &root, ana.user.id, &json!({"is_active": false})).await.expect(200);
    let nobody = shared::auth::user::User { id: Uuid::new_v4(), ..ana.user.clone() };
    let unknown = app.resources.tokens.issue(&nobody, app.resources.clock.now()).unwrap();
    let mut answers = vec![me(&app, &ana).await, app.get("/api/auth/me").send().await];
    for token in ["nonsense", &unknown] {
        answers.push(app.get("/api/auth/me").header(header::AUTHORIZATION, &format!("Bearer {token}")).send().await);
    }
    for answer in &answers {
        assert_eq!(answer.problem(401), "unauthenticated");
        assert_eq!(answer.json()["detail"], answers[0].json()["detail"]);
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn without_the_table_nobody_logs_in_and_the_answer_says_when_to_try_again() {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    app.table_outage.begin(Fault::Unreachable);
    for answer in [log_in(&app, "ana", PASSWORD).await, me(&app, &ana).await] {
        assert_eq!((answer.problem(503).as_str(), answer.header("retry-after")), ("unavailable", "2"));
        assert!(!answer.text().contains(INSIDE), "{}", answer.text());
    }
    app.table_outage.end();
    log_in(&app, "ana", PASSWORD).await.expect(200);
}
