//! `PUT /api/auth/me`.

use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::auth::permission::Role;

use crate::support::app::{Answer, Fault, PASSWORD, Person, TestApp};

use super::{change, complaints, log_in, me};

const NEW: &str = "staple correct";

async fn change_me(app: &TestApp, person: &Person, changes: &Value) -> Answer {
    app.call(Method::PUT, "/api/auth/me").by(person).json(changes).send().await
}

async fn app() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    (app, ana)
}

#[tokio::test]
async fn a_user_of_any_role_changes_the_full_name_and_keeps_the_token() {
    let app = TestApp::new().await;
    let team = app.team("West").await;
    for (name, role, team) in [("root", Role::Admin, None), ("ana", Role::Analyst, None), ("wes", Role::SalesTeam, Some(team.id))]
    {
        let person = app.person(name, role, team).await;
        let mut expected = me(&app, &person).await.expect(200);
        for full_name in [json!("Ana María"), Value::Null] {
            expected["full_name"] = full_name.clone();
            let changed = change_me(&app, &person, &json!({"current_password": PASSWORD, "full_name": full_name})).await;
            assert_eq!(changed.expect(200), expected, "{name}");
            assert_eq!(me(&app, &person).await.expect(200), expected, "{name}");
        }
    }
}

#[tokio::test]
async fn a_new_password_ends_every_earlier_token_for_good() {
    let (app, ana) = app().await;
    let second = log_in(&app, "ana", PASSWORD).await.expect(200)["access_token"].as_str().unwrap().to_owned();
    let second = Person { token: second, ..ana.clone() };
    change_me(&app, &ana, &json!({"current_password": PASSWORD, "password": NEW})).await.expect(200);
    for earlier in [&ana, &second] {
        assert_eq!(me(&app, earlier).await.problem(401), "unauthenticated");
    }
    log_in(&app, "ana", PASSWORD).await.problem(401);
    let token = log_in(&app, "ana", NEW).await.expect(200)["access_token"].as_str().unwrap().to_owned();
    let third = Person { token, ..ana.clone() };
    me(&app, &third).await.expect(200);
    change_me(&app, &third, &json!({"current_password": NEW, "password": PASSWORD})).await.expect(200);
    me(&app, &ana).await.problem(401);
}

#[tokio::test]
async fn a_wrong_password_changes_nothing_and_counts_like_a_failed_log_in() {
    let (app, ana) = app().await;
    let before = me(&app, &ana).await.expect(200);
    let wrong = json!({"current_password": "wrong horse", "password": NEW, "full_name": "Mallory"});
    for at in 0..10 {
        assert_eq!(change_me(&app, &ana, &wrong).await.problem(403), "wrong_password", "{at}");
    }
    let blocked = change_me(&app, &ana, &wrong).await;
    assert_eq!((blocked.problem(429).as_str(), blocked.header("retry-after")), ("too_many_tries", "900"));
    // The right password is blocked as well, here and at the log-in.
    change_me(&app, &ana, &json!({"current_password": PASSWORD, "password": NEW})).await.problem(429);
    log_in(&app, "ana", PASSWORD).await.problem(429);
    assert_eq!(me(&app, &ana).await.expect(200), before);
    app.clock.advance(SignedDuration::from_mins(16));
    log_in(&app, "ana", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn failed_log_ins_block_the_change_of_a_password() {
    let (app, ana) = app().await;
    for _ in 0..11 {
        log_in(&app, "ANA", "wrong horse").await;
    }
    change_me(&app, &ana, &json!({"current_password": PASSWORD, "full_name": "Ana"})).await.problem(429);
}

#[tokio::test]
async fn what_is_missing_unknown_or_wrong_is_named() {
    let (app, ana) = app().await;
    for (changes, named) in [
        (json!({"current_password": PASSWORD}), vec!["password"]),
        (json!({"current_password": PASSWORD, "role": "admin"}), vec!["password", "role"]),
        (json!({"password": "short"}), vec!["current_password", "password"]),
        (json!({"current_password": PASSWORD, "password": null}), vec!["password"]),
        (json!({"current_password": PASSWORD, "full_name": ""}), vec!["full_name"]),
        (json!({"current_password": PASSWORD, "full_name": "Ana", "email": "x@example.com"}), vec!["email"]),
    ] {
        assert_eq!(complaints(&change_me(&app, &ana, &changes).await), named, "{changes}");
    }
    me(&app, &ana).await.expect(200);
    app.call(Method::PUT, "/api/auth/me")
        .json(&json!({"current_password": PASSWORD, "full_name": "Ana"}))
        .send()
        .await
        .problem(401);
}

#[tokio::test]
async fn a_change_that_comes_between_is_kept() {
    let (app, ana) = app().await;
    let root = app.person("root", Role::Admin, None).await;
    change(&app, &root, ana.user.id, &json!({"email": "am@example.com"})).await.expect(200);
    let changed = change_me(&app, &ana, &json!({"current_password": PASSWORD, "full_name": "Ana"})).await.expect(200);
    assert_eq!((&changed["email"], &changed["full_name"]), (&json!("am@example.com"), &json!("Ana")));
    app.table_outage.begin(Fault::Unreachable);
    change_me(&app, &ana, &json!({"current_password": PASSWORD, "full_name": "Bea"})).await.problem(503);
    app.table_outage.end();
    assert_eq!(me(&app, &ana).await.expect(200), changed);
}
