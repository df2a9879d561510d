//! A store fails while the worker executes a run.

use jiff::SignedDuration;
use runner::execute::Executed;
use serde_json::Value;
use shared::auth::permission::Role;
use stores::{
    runs::{LEASE, MAX_ATTEMPTS},
    storage::StorageBackend as _,
};
use uuid::Uuid;

use crate::support::app::{Fault, Outage, Person, Tape, TestApp};

fn tape() -> Tape {
    Tape::of_good(20).with("bad", &[("ltv_ratio", "99")]).with("", &[])
}

async fn app() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    (app, root)
}

async fn status(app: &TestApp, run: &str) -> Value {
    let run = app.worker.runs.get(run.parse().unwrap()).await.unwrap().unwrap();
    serde_json::to_value(run).unwrap()["status"].clone()
}

/// Name and text of each output of a run.
async fn outputs(app: &TestApp, run: &str) -> Vec<(String, String)> {
    let folder = format!("outputs/{run}");
    let mut outputs = Vec::new();
    for entry in app.resources.storage.list(&folder, true).await.unwrap() {
        outputs.push((entry.key[folder.len() + 1..].to_owned(), app.text(&entry.key).await));
    }
    outputs
}

/// Executes runs of one tape, each to its end, while a store fails after no request, after one, after two, and so on. Returns the
/// number of requests after which the failure no longer hits the run.
async fn resumed_from_every_point(app: &TestApp, root: &Person, outage: &Outage) -> usize {
    let undisturbed = app.ended(root, &tape()).await;
    let expected = outputs(app, &undisturbed).await;
    assert_eq!(expected.len(), 4);
    let mut spared = 0;
    loop {
        let run = app.pending(root, &tape()).await;
        let id: Uuid = run.parse().unwrap();
        outage.begin_after(spared, Fault::ENDING[spared % Fault::ENDING.len()]);
        let executed = app.worker.execute(id).await;
        if outage.end() == 0 {
            assert_eq!(executed.unwrap(), Executed::Completed);
            return spared;
        }
        assert_ne!(status(app, &run).await, "failed", "after {spared}: {executed:?}");
        if status(app, &run).await != "completed" {
            // The worker could not release its lease, so wait until the lease runs out.
            app.clock.advance(LEASE + SignedDuration::from_millis(1));
            assert_eq!(app.worker.execute(id).await.unwrap(), Executed::Completed, "after {spared}");
        }
        assert_eq!(outputs(app, &run).await, expected, "after {spared}");
        let facts = app.read(root, &format!("/api/loans?run_id={run}")).await;
        assert_eq!(facts.as_array().unwrap().len(), 22, "after {spared}");
        spared += 1;
    }
}

#[tokio::test]
async fn a_run_survives_a_bucket_that_fails_at_any_point() {
    let (app, root) = app().await;
    let asked = resumed_from_every_point(&app, &root, &app.bucket_outage).await;
    assert!(asked > 10, "{asked}");
}

#[tokio::test]
async fn a_run_survives_a_table_that_fails_at_any_point() {
    let (app, root) = app().await;
    let asked = resumed_from_every_point(&app, &root, &app.table_outage).await;
    assert!(asked > 3, "{asked}");
}

#[tokio::test]
async fn a_run_is_given_up_when_the_bucket_does_not_come_back() {
    let (app, root) = app().await;
    let run = app.pending(&root, &tape()).await;
    let id: Uuid = run.parse().unwrap();
    app.bucket_outage.begin(Fault::Broken);
    for _ in 1..MAX_ATTEMPTS {
        assert!(app.worker.execute(id).await.is_err());
    }
    assert_eq!(app.worker.execute(id).await.unwrap(), Executed::Failed);
    app.bucket_outage.end();
    let run = app.read(&root, &format!("/api/runs/{run}")).await;
    assert_eq!(run["status"], "failed");
    assert!(run["completed_at"].is_string() && run["last_phase"].is_null(), "{run}");
    // The run blames neither its tape nor its worker.
    assert_eq!((&run["error"]["code"], &run["error"]["phase"]), (&"storage_failed".into(), &"ingest".into()));
    assert!(run["error"].get("source_file").is_none(), "{run}");
}

#[tokio::test]
async fn what_a_run_stored_before_the_bucket_failed_for_good_stays_readable() {
    let (app, root) = app().await;
    let run = app.pending(&root, &tape()).await;
    let id: Uuid = run.parse().unwrap();
    for attempt in 1..=MAX_ATTEMPTS {
        app.bucket_outage.begin_for("manifest.json", Fault::Broken);
        let executed = app.worker.execute(id).await;
        assert_eq!(executed.ok(), (attempt == MAX_ATTEMPTS).then_some(Executed::Failed));
    }
    app.bucket_outage.end();
    let shown = app.read(&root, &format!("/api/runs/{run}")).await;
    assert_eq!((&shown["status"], &shown["last_phase"]), (&"failed".into(), &"output".into()));
    assert_eq!((&shown["error"]["code"], &shown["error"]["phase"]), (&"storage_failed".into(), &"archive".into()));
    assert_eq!(app.read(&root, &format!("/api/loans?run_id={run}")).await.as_array().unwrap().len(), 22);
    assert_eq!(outputs(&app, &run).await.len(), 4);
}
