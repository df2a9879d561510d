//! `POST /api/auth/register`.

use serde_json::json;
use shared::auth::permission::Role;
use stores::users::UserFilter;
use uuid::Uuid;

use crate::support::app::{Fault, TestApp};

use super::{ben, ben_with, complaints, log_in, register};

async fn count(app: &TestApp) -> usize {
    app.resources.users().list(UserFilter::default(), None, 0, 1000).await.unwrap().0.len()
}

#[tokio::test]
async fn a_registered_user_is_an_analyst_unless_said_otherwise() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    let answer = register(&app, &root, &ben()).await;
    let body = answer.expect(201);
    let expected = json!({
        "id": body["id"], "email": "ben@example.com", "username": "ben", "full_name": null, "role": "analyst",
        "sales_team_id": null, "is_active": true, "created_at": body["created_at"],
    });
    assert_eq!(body, expected);
    assert!(body["id"].as_str().unwrap().parse::<Uuid>().is_ok());
}

#[tokio::test]
async fn a_registered_user_can_log_in() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    let user = register(&app, &root, &ben()).await.expect(201);
    assert_eq!(log_in(&app, "Ben", "long enough").await.expect(200)["user"], user);
}

#[tokio::test]
async fn a_user_has_the_role_the_team_and_the_name_that_are_given() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    let team = app.team("West").await;
    let new = ben_with(&json!({"role": "sales_team", "sales_team_id": team.id, "full_name": "Ben Ångström"}));
    let body = register(&app, &root, &new).await.expect(201);
    assert_eq!((&body["role"], &body["full_name"]), (&json!("sales_team"), &json!("Ben Ångström")));
    assert_eq!(body["sales_team_id"], team.id.to_string());
}

#[tokio::test]
async fn an_address_belongs_to_one_user_in_any_case() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    register(&app, &root, &ben()).await.expect(201);
    let twin = register(&app, &root, &ben_with(&json!({"username": "other", "email": "BEN@Example.com"}))).await;
    assert_eq!(twin.problem(409), "email_taken");
    assert!(twin.json()["detail"].as_str().unwrap().contains("email"), "{}", twin.text());
}

#[tokio::test]
async fn a_username_belongs_to_one_user_in_any_case() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    register(&app, &root, &ben()).await.expect(201);
    let twin = register(&app, &root, &ben_with(&json!({"username": "BEN", "email": "other@example.com"}))).await;
    assert_eq!(twin.problem(409), "username_taken");
    assert!(twin.json()["detail"].as_str().unwrap().contains("username"), "{}", twin.text());
}

#[tokio::test]
async fn a_refused_registration_leaves_names_free() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    register(&app, &root, &ben_with(&json!({"email": "root@example.com"}))).await.problem(409);
    register(&app, &root, &ben()).await.expect(201);
}

#[tokio::test]
async fn of_two_registrations_of_one_name_at_once_one_succeeds() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    let (new, other) = (ben(), ben_with(&json!({"email": "other@example.com"})));
    let (one, two) = tokio::join!(register(&app, &root, &new), register(&app, &root, &other));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    assert_eq!(count(&app).await, 2);
}

#[tokio::test]
async fn a_team_that_is_not_there_is_not_found() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    let answer = register(&app, &root, &ben_with(&json!({"role": "sales_team", "sales_team_id": Uuid::new_v4()}))).await;
    assert_eq!(answer.problem(404), "not_found");
    assert_eq!(count(&app).await, 1);
}

#[tokio::test]
async fn a_member_of_a_sales_team_needs_a_team() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    assert_eq!(complaints(&register(&app, &root, &ben_with(&json!({"role": "sales_team"}))).await), ["sales_team_id"]);
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    let bad = json!({"email": "ben", "username": "b", "password": "short", "full_name": " ", "role": "sales_team"});
    let named = complaints(&register(&app, &root, &bad).await);
    assert_eq!(named, ["email", "username", "password", "full_name", "sales_team_id"]);
    assert_eq!(count(&app).await, 1);
}

#[tokio::test]
async fn a_field_that_is_missing_is_named() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    for field in ["email", "username", "password"] {
        let mut new = ben();
        new.as_object_mut().unwrap().remove(field);
        assert_eq!(complaints(&register(&app, &root, &new).await), [field]);
    }
}

#[tokio::test]
async fn a_field_that_nobody_knows_is_named() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    for field in ["is_admin", "id", "password_hash", "created_at"] {
        assert_eq!(complaints(&register(&app, &root, &ben_with(&json!({field: "x"}))).await), [field]);
    }
}

#[tokio::test]
async fn a_value_of_the_wrong_kind_is_named() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    for (field, value) in [
        ("email", json!(1)),
        ("username", json!(null)),
        ("password", json!(["long enough"])),
        ("role", json!("owner")),
        ("role", json!(null)),
        ("sales_team_id", json!("west")),
        ("full_name", json!({})),
    ] {
        assert_eq!(complaints(&register(&app, &root, &ben_with(&json!({field: value}))).await), [field]);
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_before_anything_is_looked_up() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    let bad = json!({"username": "root", "password": "short", "role": "sales_team", "sales_team_id": Uuid::new_v4()});
    assert_eq!(complaints(&register(&app, &root, &ben_with(&bad)).await), ["password"]);
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_not_taken() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    let post = || app.post("/api/auth/register").by(&root);
    for body in ["", "{", "[]", "null", "\"ben\"", "{} {}", "\u{feff}{}"] {
        assert_eq!(post().body("application/json", body).send().await.problem(422), "invalid_input", "{body}");
    }
    assert_eq!(post().form("email=ben@example.com").send().await.problem(415), "unsupported_media_type");
    assert_eq!(post().send().await.problem(415), "unsupported_media_type");
}

#[tokio::test]
async fn lengths_count_characters_up_to_the_bound() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    let longest = json!({"username": "u".repeat(50), "password": "ü".repeat(128), "full_name": "ü".repeat(200)});
    register(&app, &root, &ben_with(&longest)).await.expect(201);
    log_in(&app, &"u".repeat(50), &"ü".repeat(128)).await.expect(200);
    let longer = json!({"username": "u".repeat(51), "password": "ü".repeat(129), "full_name": "ü".repeat(201)});
    let named = complaints(&register(&app, &root, &ben_with(&longer)).await);
    assert_eq!(named, ["username", "password", "full_name"]);
}

#[tokio::test]
async fn only_administrators_register() {
    let app = TestApp::new().await;
    let team = app.team("West").await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let sam = app.person("sam", Role::SalesTeam, Some(team.id)).await;
    for person in [&ana, &sam] {
        // A user without the permission gets 403 whether or not the body is valid.
        assert_eq!(register(&app, person, &json!({})).await.problem(403), "forbidden");
        assert_eq!(register(&app, person, &ben()).await.problem(403), "forbidden");
    }
    assert_eq!(count(&app).await, 2);
}

#[tokio::test]
async fn a_table_that_fails_leaves_no_half_of_a_user() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    for fault in [Fault::Unreachable, Fault::Broken] {
        app.table_outage.begin(fault);
        let answer = register(&app, &root, &ben()).await;
        assert_eq!((answer.problem(503).as_str(), answer.header("retry-after")), ("unavailable", "2"));
    }
    app.table_outage.end();
    assert_eq!(count(&app).await, 1);
    register(&app, &root, &ben()).await.expect(201);
}
