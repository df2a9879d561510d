//! Records that the stores reject.

use serde_json::json;
use shared::auth::permission::Role;
use stores::{
    runs::Created,
    start_run::{self, RunOrder},
    storage::StorageBackend as _,
};
use uuid::Uuid;

use crate::support::app::{Answer, Person, Tape, TestApp};

async fn app() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    (app, root)
}

async fn register(app: &TestApp, root: &Person, username: &str, email: &str) -> Answer {
    let user = json!({"username": username, "email": email, "password": "correct horse"});
    app.post("/api/auth/register").by(root).json(&user).send().await
}

#[tokio::test]
async fn test_unique_email_constraint() {
    let (app, root) = app().await;
    register(&app, &root, "ana", "ana@example.com").await.expect(201);
    for (username, email) in [("bob", "ana@example.com"), ("bob", "ANA@Example.com")] {
        let refused = register(&app, &root, username, email).await;
        refused.problem(409);
        assert!(refused.json()["detail"].as_str().unwrap().contains("email"), "{}", refused.text());
    }
    // A rejected registration does not take its username.
    register(&app, &root, "bob", "bob@example.com").await.expect(201);
}

#[tokio::test]
async fn test_unique_username_constraint() {
    let (app, root) = app().await;
    register(&app, &root, "ana", "ana@example.com").await.expect(201);
    for username in ["ana", "ANA", "aNa"] {
        let refused = register(&app, &root, username, "other@example.com").await;
        refused.problem(409);
        assert!(refused.json()["detail"].as_str().unwrap().contains("username"), "{}", refused.text());
    }
    // A rejected registration does not take its email address, either.
    register(&app, &root, "bob", "other@example.com").await.expect(201);
}

#[tokio::test]
async fn test_unique_run_id_constraint() {
    let (app, root) = app().await;
    let id = app.ended(&root, &Tape::of_good(2)).await;
    let before = app.read(&root, &format!("/api/runs/{id}")).await;
    app.put("inputs/other/tape.csv", Tape::of_good(1).text().to_owned()).await;
    let tapes = app.tapes_of("inputs/other").await;
    let request = start_run::request(id.parse().unwrap(), RunOrder::default(), tapes, app.resources.clock.now());
    let created = app.worker.runs.create(&request.run(), &request, None).await.unwrap();
    assert_eq!(created, Created::Exists);
    assert_eq!(app.read(&root, &format!("/api/runs/{id}")).await, before);
    assert!(app.work().await.is_empty());
}

#[tokio::test]
async fn test_foreign_key_sales_team() {
    let (app, root) = app().await;
    let nobodys = Uuid::new_v4();
    let path = app.put_tape(&root, &Tape::of_good(1)).await;
    let run = app.start(&root, &json!({"files": [path], "sales_team_id": nobodys})).await;
    assert_eq!(run.problem(404), "not_found");
    let user = json!({
        "username": "ana", "email": "ana@example.com", "password": "correct horse", "role": "sales_team",
        "sales_team_id": nobodys,
    });
    assert_eq!(app.post("/api/auth/register").by(&root).json(&user).send().await.problem(404), "not_found");
    assert_eq!(app.read(&root, "/api/runs").await, json!([]));
    assert_eq!(app.read(&root, "/api/auth/users").await.as_array().unwrap().len(), 1);
}

/// Keys of stored results whose run does not exist.
async fn orphans(app: &TestApp, name: &str) -> Vec<String> {
    let mut orphans = Vec::new();
    for entry in app.resources.storage.list("results", true).await.unwrap() {
        if let Some(run) = entry.key.strip_prefix("results/").and_then(|key| key.strip_suffix(name)) {
            let run: Uuid = run.trim_end_matches('/').parse().unwrap();
            if app.worker.runs.get(run).await.unwrap().is_none() {
                orphans.push(entry.key);
            }
        }
    }
    orphans
}

#[tokio::test]
async fn test_foreign_key_exceptions_to_run() {
    let app = TestApp::new().await;
    let runs = app.many_runs().await;
    assert_eq!(orphans(&app, "exceptions.parquet").await, [""; 0]);
    for exception in app.read(&runs.analyst, "/api/exceptions").await.as_array().unwrap() {
        let run = app.read(&runs.analyst, &format!("/api/runs/{}", exception["run_id"].as_str().unwrap())).await;
        assert!(run["exceptions_count"].as_u64().unwrap() > 0);
    }
    let nowhere = format!("/api/exceptions?run_id={}", Uuid::new_v4());
    assert_eq!(app.get(&nowhere).by(&runs.analyst).send().await.problem(404), "not_found");
}

#[tokio::test]
async fn test_foreign_key_loan_facts_to_run() {
    let app = TestApp::new().await;
    let runs = app.many_runs().await;
    assert_eq!(orphans(&app, "facts.parquet").await, [""; 0]);
    // A run that failed on its tape leaves no loan facts behind.
    for (id, loans) in [(&runs.ids[0], 2), (&runs.ids[5], 0), (&runs.ids[9], 0)] {
        let list = app.read(&runs.analyst, &format!("/api/loans?run_id={id}")).await;
        assert_eq!(list.as_array().unwrap().len(), loans, "{id}");
    }
    let nowhere = format!("/api/loans?run_id={}", Uuid::new_v4());
    assert_eq!(app.get(&nowhere).by(&runs.analyst).send().await.problem(404), "not_found");
}
