//! `GET /api/auth/users`.

use serde_json::Value;
use shared::auth::permission::Role;
use uuid::Uuid;

use crate::support::app::{Answer, Person, TestApp};

use super::{complaints, me};

async fn list(app: &TestApp, person: &Person, query: &str) -> Answer {
    app.get(&format!("/api/auth/users{query}")).by(person).send().await
}

/// The usernames of an answer.
fn names(answer: &Answer) -> Vec<String> {
    let users = answer.expect(200).as_array().unwrap().clone();
    users.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn users_are_listed_in_the_order_of_their_creation() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    for name in ["zoe", "ana", "max"] {
        app.person(name, Role::Analyst, None).await;
    }
    assert_eq!(names(&list(&app, &root, "").await), ["root", "zoe", "ana", "max"]);
}

#[tokio::test]
async fn a_listed_user_is_the_one_who_they_see_themself() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    assert_eq!(list(&app, &root, "").await.expect(200), Value::Array(vec![me(&app, &root).await.expect(200)]));
}

#[tokio::test]
async fn users_are_listed_by_role() {
    let app = TestApp::new().await;
    let team = app.team("West").await;
    let root = app.person("root", Role::Admin, None).await;
    app.person("ana", Role::Analyst, None).await;
    app.person("sam", Role::SalesTeam, Some(team.id)).await;
    app.person("max", Role::Analyst, None).await;
    for (role, expected) in [("admin", &["root"][..]), ("analyst", &["ana", "max"]), ("sales_team", &["sam"])] {
        assert_eq!(names(&list(&app, &root, &format!("?role={role}")).await), expected);
    }
}

#[tokio::test]
async fn users_are_listed_by_team() {
    let app = TestApp::new().await;
    let (west, east) = (app.team("West").await, app.team("East").await);
    let root = app.person("root", Role::Admin, None).await;
    app.person("sam", Role::SalesTeam, Some(west.id)).await;
    app.person("eve", Role::SalesTeam, Some(east.id)).await;
    app.person("ana", Role::Analyst, Some(west.id)).await;
    assert_eq!(names(&list(&app, &root, &format!("?sales_team_id={}", west.id)).await), ["sam", "ana"]);
    assert_eq!(names(&list(&app, &root, &format!("?sales_team_id={}&role=analyst", west.id)).await), ["ana"]);
    assert_eq!(names(&list(&app, &root, &format!("?sales_team_id={}", Uuid::new_v4())).await), [""; 0]);
}

#[tokio::test]
async fn the_links_lead_through_all_users_once() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    let mut all = vec!["root".to_owned()];
    for at in 0..6 {
        all.push(format!("user_{at}"));
        app.person(&all[at + 1], Role::Analyst, None).await;
    }
    let (mut found, mut next) = (Vec::new(), Some("/api/auth/users?limit=3".to_owned()));
    while let Some(path) = next {
        let answer = app.get(&path).by(&root).send().await;
        found.extend(names(&answer));
        next = answer.next();
    }
    assert_eq!(found, all);
}

#[tokio::test]
async fn a_user_who_comes_between_two_pages_moves_nobody() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    app.person("ana", Role::Analyst, None).await;
    let first = list(&app, &root, "?limit=1").await;
    let next = first.next().unwrap();
    app.person("max", Role::Analyst, None).await;
    assert_eq!(names(&app.get(&next).by(&root).send().await), ["ana"]);
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    for (query, name) in [
        ("?role=owner", "role"),
        ("?role=Admin", "role"),
        ("?sales_team_id=west", "sales_team_id"),
        ("?limit=0", "limit"),
        ("?limit=1001", "limit"),
        ("?limit=x", "limit"),
        ("?skip=-1", "skip"),
        ("?skip=1.5", "skip"),
        ("?after=nonsense", "after"),
        ("?role=admin&role=analyst", "role"),
    ] {
        assert_eq!(complaints(&list(&app, &root, query).await), [name], "{query}");
    }
}

#[tokio::test]
async fn every_empty_parameter_is_named() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    let named = complaints(&list(&app, &root, "?role=&sales_team_id=&skip=&limit=&after").await);
    assert_eq!(named, ["skip", "limit", "after", "role", "sales_team_id"]);
}

#[tokio::test]
async fn only_administrators_list_users() {
    let app = TestApp::new().await;
    let team = app.team("West").await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let sam = app.person("sam", Role::SalesTeam, Some(team.id)).await;
    for person in [&ana, &sam] {
        for query in ["", "?role=owner"] {
            assert_eq!(list(&app, person, query).await.problem(403), "forbidden");
        }
    }
}
