//! `GET` and `POST /api/sales-teams`, and `GET /api/config`.

use serde_json::{Value, json};
use shared::{auth::permission::Role, rules::rule_set::RuleSet};
use uuid::Uuid;

use crate::{
    data_routes::{app, member},
    support::app::{Answer, Fault, Person, TestApp, documented, each, members},
};

async fn create(app: &TestApp, person: &Person, body: &Value) -> Answer {
    app.post("/api/sales-teams").by(person).json(body).send().await
}

#[tokio::test]
async fn teams_are_listed_by_name() {
    let (app, ana) = app().await;
    for name in ["West", "east", "North"] {
        app.team(name).await;
    }
    let teams = app.read(&ana, "/api/sales-teams").await;
    assert_eq!(each(&teams, "name"), ["east", "North", "West"]);
    assert_eq!(members(&teams[0]), documented("SalesTeam"));
    let page = app.get("/api/sales-teams?skip=1&limit=1").by(&ana).send().await;
    assert_eq!(each(&page.expect(200), "name"), ["North"]);
    let next = page.next().unwrap();
    assert!(next.starts_with("/api/sales-teams?skip=2&limit=1&after="), "{next}");
    app.team("A new one").await;
    assert_eq!(each(&app.read(&ana, &next).await, "name"), ["West"]);
    assert_eq!(app.get("/api/sales-teams?limit=0").by(&ana).send().await.problem(422), "invalid_input");
}

#[tokio::test]
async fn a_member_sees_their_own_team_alone() {
    let (app, _) = app().await;
    let wes = member(&app, "West").await;
    app.team("East").await;
    let own = json!([{"id": wes.user.sales_team_id, "name": "West"}]);
    assert_eq!(app.read(&wes, "/api/sales-teams").await, own);
    assert_eq!(app.read(&wes, "/api/sales-teams?skip=1").await, json!([]));
}

#[tokio::test]
async fn an_administrator_makes_a_team() {
    let (app, ana) = app().await;
    let root = app.person("root", Role::Admin, None).await;
    let team = create(&app, &root, &json!({"name": " West Côte "})).await.expect(201);
    assert_eq!(team["name"], "West Côte");
    team["id"].as_str().unwrap().parse::<Uuid>().unwrap();
    assert_eq!(app.read(&ana, "/api/sales-teams").await, json!([team]));
    assert_eq!(create(&app, &ana, &json!({"name": "East"})).await.problem(403), "forbidden");
    let wes = app.person("wes", Role::SalesTeam, team["id"].as_str().unwrap().parse().ok()).await;
    assert_eq!(create(&app, &wes, &json!({"name": "East"})).await.problem(403), "forbidden");
}

#[tokio::test]
async fn a_name_is_taken_in_any_case() {
    let (app, _) = app().await;
    let root = app.person("root", Role::Admin, None).await;
    create(&app, &root, &json!({"name": "West"})).await.expect(201);
    for name in ["West", "wEST", " west "] {
        assert_eq!(create(&app, &root, &json!({"name": name})).await.problem(409), "name_taken", "{name}");
    }
    assert_eq!(app.read(&root, "/api/sales-teams").await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_that_is_none_is_refused() {
    let (app, _) = app().await;
    let root = app.person("root", Role::Admin, None).await;
    for body in [
        json!({}),
        json!({"name": ""}),
        json!({"name": "  "}),
        json!({"name": 7}),
        json!({"name": null}),
        json!({"name": "a\nb"}),
        json!({"name": "x".repeat(201)}),
        json!({"name": "West", "id": "x"}),
        json!([]),
    ] {
        assert_eq!(create(&app, &root, &body).await.problem(422), "invalid_input", "{body}");
    }
    let text = app.post("/api/sales-teams").by(&root).body("text/plain", "West").send().await;
    assert_eq!(text.problem(415), "unsupported_media_type");
    assert_eq!(app.read(&root, "/api/sales-teams").await, json!([]));
}

#[tokio::test]
async fn a_team_is_not_half_made_when_the_store_fails() {
    let (app, _) = app().await;
    let root = app.person("root", Role::Admin, None).await;
    app.table_outage.begin(Fault::Broken);
    assert_eq!(create(&app, &root, &json!({"name": "West"})).await.problem(503), "unavailable");
    app.table_outage.end();
    create(&app, &root, &json!({"name": "West"})).await.expect(201);
}

#[tokio::test]
async fn the_configuration_tells_clients_what_they_need() {
    let (app, ana) = app().await;
    let wes = member(&app, "West").await;
    let config = app.read(&ana, "/api/config").await;
    assert_eq!(app.read(&wes, "/api/config").await, config);
    assert_eq!((&config["environment"], &config["storage_type"]), (&"test".into(), &"s3".into()));
    assert_eq!((&config["default_irr_target"], &config["version"]), (&json!(8.05), &env!("CARGO_PKG_VERSION").into()));
    assert_eq!(config["max_upload_bytes"], app.resources.max_upload_bytes);
    assert_eq!(config["areas"], json!(["inputs", "outputs", "output_share"]));
    let extensions = json!([".csv", ".xlsx", ".xls", ".json", ".txt", ".pdf", ".zip", ".toml", ".tsv", ".xlsm", ".xlsb", ".ods"]);
    assert_eq!(config["allowed_extensions"], extensions);
    let id = RuleSet::built_in().id();
    let rules = &config["rule_set"];
    assert_eq!((&rules["name"], &rules["version"], &rules["hash"]), (&json!(id.name), &json!(id.version), &json!(id.hash)));
    assert_eq!(rules["rules"].as_array().unwrap().len(), 10);
    let ltv = json!({
        "name": "ltv_ratio", "kind": "built_in", "exception_type": "ltv_ratio", "field": "ltv_ratio", "limit": "> 0 and <= 97.0", "severity": "hard",
        "exception_category": "credit", "rejection_criteria": "notebook.ltv_exceeds_maximum",
    });
    assert_eq!(rules["rules"][1], ltv);
    assert_eq!(documented("ConfigObject"), members(&config));
}

#[tokio::test]
async fn the_configuration_has_nothing_that_is_not_the_clients() {
    let (app, ana) = app().await;
    let text = app.get("/api/config").by(&ana).send().await.text();
    let resources = &app.resources;
    for secret in [&*resources.table.name, &*resources.storage.bucket, crate::support::app::SECRET, "password", "127.0.0.1"] {
        assert!(!text.contains(&format!("\"{secret}")), "{secret}: {text}");
    }
}
