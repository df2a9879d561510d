//! Requests that a role does not allow.

use http::Method;
use serde_json::{Value, json};
use shared::auth::permission::Role;

use super::{app, newcomer, register};
use crate::{
    files_routes::completed_run,
    support::app::{Answer, Person, TestApp},
};

async fn change(app: &TestApp, person: &Person, of: &Person, changes: &Value) -> Answer {
    app.call(Method::PUT, &format!("/api/auth/users/{}", of.user.id)).by(person).json(changes).send().await
}

#[tokio::test]
async fn test_analyst_cannot_register_users() {
    let (app, admin) = app().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    assert_eq!(register(&app, &ana, &newcomer(&json!({}))).await.problem(403), "forbidden");
    // The rejected registration leaves nothing behind.
    register(&app, &admin, &newcomer(&json!({}))).await.expect(201);
}

#[tokio::test]
async fn test_analyst_cannot_update_users() {
    let (app, admin) = app().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    for whom in [&admin, &ana] {
        assert_eq!(change(&app, &ana, whom, &json!({"full_name": "X"})).await.problem(403), "forbidden");
        assert_eq!(app.get("/api/auth/me").by(whom).send().await.expect(200)["full_name"], Value::Null);
    }
}

#[tokio::test]
async fn test_analyst_cannot_list_users() {
    let (app, _) = app().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let answer = app.get("/api/auth/users").by(&ana).send().await;
    assert_eq!(answer.problem(403), "forbidden");
    assert!(!answer.text().contains("root"), "{}", answer.text());
}

#[tokio::test]
async fn test_sales_team_cannot_see_other_team_data() {
    let (app, admin) = app().await;
    let (west, east) = (app.team("West").await, app.team("East").await);
    let sam = app.person("sam", Role::SalesTeam, Some(west.id)).await;
    let other = completed_run(&app, Some(east.id)).await;
    let nothing = uuid::Uuid::new_v4();
    for path in [
        "/api/runs/{}",
        "/api/runs/{}/notebook-outputs",
        "/api/runs/{}/notebook-outputs/purchase_tape/download",
        "/api/runs/{}/archive",
        "/api/runs/{}/archive/download",
        "/api/runs/{}/archive/download?path=manifest.json",
        "/api/summary/{}",
        "/api/loans?run_id={}",
        "/api/files/download/{}/purchase_tape.csv?area=outputs",
        "/api/files/url/{}/purchase_tape.csv?area=outputs",
    ] {
        let answer = |id: uuid::Uuid| app.get(&path.replace("{}", &id.to_string())).by(&sam).send();
        let (of_others, of_nobody) = (answer(other).await, answer(nothing).await);
        assert_eq!(of_others.problem(404), "not_found", "{path}");
        // A run of another team gets the same answer as a run that does not exist.
        assert_eq!(of_others.json()["detail"], of_nobody.json()["detail"], "{path}");
        assert!(app.get(&path.replace("{}", &other.to_string())).by(&admin).send().await.status.is_success(), "{path}");
    }
    for list in ["/api/runs", "/api/exceptions", "/api/files/list?area=outputs&recursive=true"] {
        let answer = app.get(list).by(&sam).send().await;
        answer.expect(200);
        assert!(!answer.text().contains(&other.to_string()), "{list}");
    }
    let teams = app.get("/api/sales-teams").by(&sam).send().await.expect(200);
    assert_eq!(teams, json!([{"id": west.id, "name": "West"}]));
}

#[tokio::test]
async fn test_admin_cannot_self_demote() {
    let (app, admin) = app().await;
    let answer = change(&app, &admin, &admin, &json!({"role": "analyst"})).await;
    assert_eq!(answer.problem(400), "own_role");
    assert!(answer.json()["detail"].as_str().unwrap().contains("demote"));
    app.get("/api/auth/users").by(&admin).send().await.expect(200);
}

#[tokio::test]
async fn test_admin_cannot_self_deactivate() {
    let (app, admin) = app().await;
    let answer = change(&app, &admin, &admin, &json!({"is_active": false})).await;
    assert_eq!(answer.problem(400), "own_account");
    assert!(answer.json()["detail"].as_str().unwrap().contains("deactivate"));
    app.get("/api/auth/me").by(&admin).send().await.expect(200);
}

#[tokio::test]
async fn test_role_escalation_prevented() {
    let (app, _) = app().await;
    let team = app.team("West").await;
    for (name, role, team) in [("ana", Role::Analyst, None), ("sam", Role::SalesTeam, Some(team.id))] {
        let person = app.person(name, role, team).await;
        assert_eq!(change(&app, &person, &person, &json!({"role": "admin"})).await.problem(403), "forbidden");
        assert_eq!(app.get("/api/auth/me").by(&person).send().await.expect(200)["role"], role.as_str());
        // A log-in takes no role, and returns the stored one.
        let mut claim = json!({"username": name, "password": crate::support::app::PASSWORD, "role": "admin"});
        assert_eq!(app.post("/api/auth/login").json(&claim).send().await.problem(422), "invalid_input");
        claim.as_object_mut().unwrap().remove("role");
        let answer = app.post("/api/auth/login").json(&claim).send().await;
        assert_eq!(answer.expect(200)["user"]["role"], role.as_str());
    }
}
