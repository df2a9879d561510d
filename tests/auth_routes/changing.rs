//! `PUT /api/auth/users/{user_id}`.

use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::auth::permission::Role;
use uuid::Uuid;

use crate::support::app::{Fault, PASSWORD, TestApp};

use super::{ben, change, complaints, log_in, me, register};

#[tokio::test]
async fn what_is_given_changes_and_the_rest_stays() {
    let app = TestApp::new().await;
    let (root, ana) = (app.person("root", Role::Admin, None).await, app.person("ana", Role::Analyst, None).await);
    let before = me(&app, &ana).await.expect(200);
    for (field, value) in [("full_name", "Ana María"), ("email", "am@example.com"), ("username", "anamaria"), ("role", "admin")]
    {
        let mut expected = me(&app, &ana).await.expect(200);
        expected[field] = value.into();
        assert_eq!(change(&app, &root, ana.user.id, &json!({field: value})).await.expect(200), expected, "{field}");
        assert_eq!(me(&app, &ana).await.expect(200), expected, "{field}");
    }
    assert_eq!(me(&app, &ana).await.expect(200)["created_at"], before["created_at"]);
}

#[tokio::test]
async fn several_fields_change_together() {
    let app = TestApp::new().await;
    let (root, ana) = (app.person("root", Role::Admin, None).await, app.person("ana", Role::Analyst, None).await);
    let team = app.team("West").await;
    let changes = json!({"role": "sales_team", "sales_team_id": team.id, "full_name": "Ana"});
    let body = change(&app, &root, ana.user.id, &changes).await.expect(200);
    for (field, value) in changes.as_object().unwrap() {
        assert_eq!(&body[field], value);
    }
}

#[tokio::test]
async fn no_change_is_one_too() {
    let app = TestApp::new().await;
    let (root, ana) = (app.person("root", Role::Admin, None).await, app.person("ana", Role::Analyst, None).await);
    let before = me(&app, &ana).await.expect(200);
    assert_eq!(change(&app, &root, ana.user.id, &json!({})).await.expect(200), before);
    // A client may send back every changeable field that it received.
    let all = json!({
        "email": "ana@example.com", "username": "ana", "full_name": null, "role": "analyst", "sales_team_id": null, "is_active": true,
    });
    assert_eq!(change(&app, &root, ana.user.id, &all).await.expect(200), before);
    me(&app, &ana).await.expect(200);
}

#[tokio::test]
async fn null_takes_away_what_a_user_need_not_have_and_nothing_else() {
    let app = TestApp::new().await;
    let team = app.team("West").await;
    let (root, ana) = (app.person("root", Role::Admin, None).await, app.person("ana", Role::Analyst, Some(team.id)).await);
    change(&app, &root, ana.user.id, &json!({"full_name": "Ana"})).await.expect(200);
    let body = change(&app, &root, ana.user.id, &json!({"full_name": null, "sales_team_id": null})).await.expect(200);
    assert_eq!((&body["full_name"], &body["sales_team_id"]), (&Value::Null, &Value::Null));
    for field in ["email", "username", "role", "is_active", "password"] {
        assert_eq!(complaints(&change(&app, &root, ana.user.id, &json!({field: null})).await), [field]);
    }
}

#[tokio::test]
async fn a_user_who_is_not_there_is_not_found() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    for id in [&Uuid::new_v4().to_string(), "7", "root", "%2e%2e"] {
        assert_eq!(change(&app, &root, id, &json!({"full_name": "X"})).await.problem(404), "not_found", "{id}");
        // Errors in the body are reported before a missing user.
        assert_eq!(complaints(&change(&app, &root, id, &json!({"role": "owner"})).await), ["role"]);
    }
}

#[tokio::test]
async fn names_of_others_are_not_taken_over() {
    let app = TestApp::new().await;
    let (root, ana) = (app.person("root", Role::Admin, None).await, app.person("ana", Role::Analyst, None).await);
    let email = change(&app, &root, ana.user.id, &json!({"email": "ROOT@example.com"})).await;
    assert_eq!(email.problem(409), "email_taken");
    let username = change(&app, &root, ana.user.id, &json!({"username": "Root"})).await;
    assert_eq!(username.problem(409), "username_taken");
}

#[tokio::test]
async fn ones_own_name_may_change_its_case() {
    let app = TestApp::new().await;
    let (root, ana) = (app.person("root", Role::Admin, None).await, app.person("ana", Role::Analyst, None).await);
    let body = change(&app, &root, ana.user.id, &json!({"username": "ANA", "email": "ANA@example.com"})).await.expect(200);
    assert_eq!((&body["username"], &body["email"]), (&json!("ANA"), &json!("ANA@example.com")));
    log_in(&app, "ana", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_name_that_was_given_up_is_free() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    let user = register(&app, &root, &ben()).await.expect(201);
    let id = user["id"].as_str().unwrap();
    change(&app, &root, id, &json!({"username": "benjamin", "email": "benjamin@example.com"})).await.expect(200);
    log_in(&app, "ben", "long enough").await.problem(401);
    log_in(&app, "benjamin", "long enough").await.expect(200);
    register(&app, &root, &ben()).await.expect(201);
}

#[tokio::test]
async fn an_administrator_cannot_demote_themself() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    for role in ["analyst", "sales_team"] {
        let answer = change(&app, &root, root.user.id, &json!({"role": role})).await;
        assert_eq!(answer.problem(400), "own_role");
        assert!(answer.json()["detail"].as_str().unwrap().contains("demote"));
    }
    assert_eq!(me(&app, &root).await.expect(200)["role"], "admin");
}

#[tokio::test]
async fn an_administrator_cannot_deactivate_themself() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    let id = root.user.id.to_string().to_uppercase();
    let answer = change(&app, &root, id, &json!({"is_active": false})).await;
    assert_eq!(answer.problem(400), "own_account");
    assert!(answer.json()["detail"].as_str().unwrap().contains("deactivate"));
    me(&app, &root).await.expect(200);
}

#[tokio::test]
async fn an_administrator_may_change_the_rest_of_themself() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    let changes = json!({"full_name": "Root", "role": "admin", "is_active": true});
    assert_eq!(change(&app, &root, root.user.id, &changes).await.expect(200)["full_name"], "Root");
}

#[tokio::test]
async fn a_new_password_takes_the_place_of_the_old_one() {
    let app = TestApp::new().await;
    let (root, ana) = (app.person("root", Role::Admin, None).await, app.person("ana", Role::Analyst, None).await);
    change(&app, &root, ana.user.id, &json!({"password": "battery staple"})).await.expect(200);
    log_in(&app, "ana", PASSWORD).await.problem(401);
    log_in(&app, "ana", "battery staple").await.expect(200);
}

#[tokio::test]
async fn a_new_password_ends_earlier_tokens_and_no_later_ones() {
    let app = TestApp::new().await;
    let (root, ana) = (app.person("root", Role::Admin, None).await, app.person("ana", Role::Analyst, None).await);
    let mut earlier = vec![ana.clone()];
    // Everything happens within one second, because a token records its time in whole seconds.
    for password in ["battery staple", "another one"] {
        change(&app, &root, ana.user.id, &json!({"password": password})).await.expect(200);
        for person in &earlier {
            assert_eq!(me(&app, person).await.problem(401), "unauthenticated");
        }
        let token = log_in(&app, "ana", password).await.expect(200)["access_token"].as_str().unwrap().to_owned();
        let later = crate::support::app::Person { token, ..ana.clone() };
        me(&app, &later).await.expect(200);
        earlier.push(later);
    }
}

#[tokio::test]
async fn a_deactivated_user_is_shut_out_and_their_tokens_stay_void() {
    let app = TestApp::new().await;
    let (root, ana) = (app.person("root", Role::Admin, None).await, app.person("ana", Role::Analyst, None).await);
    assert_eq!(change(&app, &root, ana.user.id, &json!({"is_active": false})).await.expect(200)["is_active"], false);
    me(&app, &ana).await.problem(401);
    assert!(log_in(&app, "ana", PASSWORD).await.expect(401)["detail"].as_str().unwrap().contains("disabled"));
    app.clock.advance(SignedDuration::from_secs(60));
    change(&app, &root, ana.user.id, &json!({"is_active": true})).await.expect(200);
    me(&app, &ana).await.problem(401);
    log_in(&app, "ana", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn other_changes_end_no_tokens() {
    let app = TestApp::new().await;
    let (root, ana) = (app.person("root", Role::Admin, None).await, app.person("ana", Role::Analyst, None).await);
    let changes = json!({"username": "anamaria", "email": "am@example.com", "role": "admin", "is_active": true});
    change(&app, &root, ana.user.id, &changes).await.expect(200);
    me(&app, &ana).await.expect(200);
}

#[tokio::test]
async fn a_member_of_a_sales_team_keeps_a_team() {
    let app = TestApp::new().await;
    let team = app.team("West").await;
    let (root, ana) = (app.person("root", Role::Admin, None).await, app.person("ana", Role::Analyst, None).await);
    let sam = app.person("sam", Role::SalesTeam, Some(team.id)).await;
    assert_eq!(complaints(&change(&app, &root, sam.user.id, &json!({"sales_team_id": null})).await), ["sales_team_id"]);
    assert_eq!(complaints(&change(&app, &root, ana.user.id, &json!({"role": "sales_team"})).await), ["sales_team_id"]);
    // A user may leave the team and the sales team role in one change.
    change(&app, &root, sam.user.id, &json!({"sales_team_id": null, "role": "analyst"})).await.expect(200);
}

#[tokio::test]
async fn a_team_that_is_not_there_is_not_given_to_anybody() {
    let app = TestApp::new().await;
    let (root, ana) = (app.person("root", Role::Admin, None).await, app.person("ana", Role::Analyst, None).await);
    assert_eq!(change(&app, &root, ana.user.id, &json!({"sales_team_id": Uuid::new_v4()})).await.problem(404), "not_found");
    assert_eq!(me(&app, &ana).await.expect(200)["sales_team_id"], Value::Null);
}

#[tokio::test]
async fn every_bad_value_is_named_and_changes_nothing() {
    let app = TestApp::new().await;
    let (root, ana) = (app.person("root", Role::Admin, None).await, app.person("ana", Role::Analyst, None).await);
    let before = me(&app, &ana).await.expect(200);
    let bad = json!({"email": "x", "username": "a b", "password": "short", "full_name": ""});
    let named = complaints(&change(&app, &root, ana.user.id, &bad).await);
    assert_eq!(named, ["email", "username", "password", "full_name"]);
    for unknown in ["id", "created_at", "password_hash", "tokens_valid_from"] {
        assert_eq!(complaints(&change(&app, &root, ana.user.id, &json!({unknown: 1, "full_name": "X"})).await), [unknown]);
    }
    assert_eq!(me(&app, &ana).await.expect(200), before);
}

#[tokio::test]
async fn changes_at_once_are_all_made() {
    let app = TestApp::new().await;
    let (root, ana) = (app.person("root", Role::Admin, None).await, app.person("ana", Role::Analyst, None).await);
    let (name, email, role) =
        (json!({"full_name": "Ana"}), json!({"email": "new@example.com"}), json!({"role": "admin", "username": "new_ana"}));
    let id = ana.user.id;
    let answers = tokio::join!(change(&app, &root, id, &name), change(&app, &root, id, &email), change(&app, &root, id, &role));
    for answer in [answers.0, answers.1, answers.2] {
        answer.expect(200);
    }
    let after = me(&app, &ana).await.expect(200);
    let changed = [&after["full_name"], &after["email"], &after["role"], &after["username"]];
    assert_eq!(changed, ["Ana", "new@example.com", "admin", "new_ana"]);
}

#[tokio::test]
async fn only_administrators_change_users() {
    let app = TestApp::new().await;
    let team = app.team("West").await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let sam = app.person("sam", Role::SalesTeam, Some(team.id)).await;
    for person in [&ana, &sam] {
        for id in [person.user.id, Uuid::new_v4()] {
            assert_eq!(change(&app, person, id, &json!({"full_name": "X"})).await.problem(403), "forbidden");
        }
    }
    let nobody = app.call(Method::PUT, &format!("/api/auth/users/{}", ana.user.id)).json(&json!({"full_name": "X"})).send().await;
    assert_eq!(nobody.problem(401), "unauthenticated");
}

#[tokio::test]
async fn a_table_that_fails_changes_nothing() {
    let app = TestApp::new().await;
    let (root, ana) = (app.person("root", Role::Admin, None).await, app.person("ana", Role::Analyst, None).await);
    app.table_outage.begin(Fault::Broken);
    let answer = change(&app, &root, ana.user.id, &json!({"username": "other"})).await;
    assert_eq!((answer.problem(503).as_str(), answer.header("retry-after")), ("unavailable", "2"));
    app.table_outage.end();
    assert_eq!(me(&app, &ana).await.expect(200)["username"], "ana");
}
