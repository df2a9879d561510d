//! `GET /api/runs/{run_id}/seller-return`.

use runner::execute::Executed;
use serde_json::json;
use shared::auth::permission::Role;
use stores::storage::StorageBackend as _;

use super::parts;
use crate::support::app::{Answer, Person, Tape, TestApp};

async fn ask(app: &TestApp, person: &Person, run: &str) -> Answer {
    app.get(&format!("/api/runs/{run}/seller-return")).by(person).send().await
}

async fn make(app: &TestApp) -> Vec<Executed> {
    let mut made = Vec::new();
    for job in app.worker.jobs.waiting(app.resources.clock.now(), 10).await.unwrap() {
        made.push(app.worker.make(job).await.unwrap());
    }
    made
}

fn tape() -> Tape {
    Tape::of_good(2).with("bad", &[("ltv_ratio", "99")]).with("poor", &[("credit_score", "500")])
}

#[tokio::test]
async fn a_return_is_made_by_the_worker_and_is_that_of_the_command_line() {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let run = app.ended(&ana, &tape()).await;
    assert_eq!(ask(&app, &ana, &run).await.expect(202), json!({"status": "preparing"}));
    // The tape is read from the archive, so that it may be gone.
    app.resources.storage.delete_below("inputs").await.unwrap();
    assert_eq!(make(&app).await, [Executed::Completed]);
    let answer = ask(&app, &ana, &run).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"seller_return.xlsx\"");
    let sheet = &parts(&answer.bytes)["xl/worksheets/sheet2.xml"];
    assert!(sheet.contains("<t>bad</t>") && sheet.contains("<t>poor</t>") && !sheet.contains("L-00000"), "{sheet}");
}

#[tokio::test]
async fn a_return_is_of_a_completed_run_whose_loans_are_kept() {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let run = app.pending(&ana, &tape()).await;
    assert_eq!(ask(&app, &ana, &run).await.problem(409), "run_not_completed");
    app.put("inputs/t.csv", tape().text().to_owned()).await;
    let dry = app.start(&ana, &json!({"files": ["t.csv"], "dry_run": true})).await.expect(202);
    app.work().await;
    assert_eq!(ask(&app, &ana, dry["run_id"].as_str().unwrap()).await.problem(409), "dry_run_keeps_no_loans");
    app.resources.storage.delete(&format!("results/{run}/index.json")).await.unwrap();
    assert_eq!(ask(&app, &ana, &run).await.problem(410), "results_gone");
}

#[tokio::test]
async fn a_tape_that_is_gone_is_told_once() {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let run = app.ended(&ana, &tape()).await;
    assert_eq!(ask(&app, &ana, &run).await.status, 202);
    for folder in ["inputs", "archive"] {
        app.resources.storage.delete_below(folder).await.unwrap();
    }
    assert_eq!(make(&app).await, [Executed::Failed]);
    assert_eq!(ask(&app, &ana, &run).await.problem(410), "results_gone");
    assert_eq!(ask(&app, &ana, &run).await.status, 202);
}

#[tokio::test]
async fn a_return_is_the_run_owners_alone() {
    let app = TestApp::new().await;
    let (west, east) = (app.team("West").await, app.team("East").await);
    let wes = app.person("wes", Role::SalesTeam, Some(west.id)).await;
    let eva = app.person("eva", Role::SalesTeam, Some(east.id)).await;
    let run = app.ended(&wes, &tape()).await;
    assert_eq!(ask(&app, &eva, &run).await.problem(404), "not_found");
    assert_eq!(ask(&app, &wes, &run).await.status, 202);
    make(&app).await;
    assert_eq!(ask(&app, &wes, &run).await.status, 200);
    assert_eq!(ask(&app, &eva, &run).await.problem(404), "not_found");
}
