//! A run from pending to its end.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use shared::auth::permission::Role;

use crate::support::app::{Person, Tape, TestApp};

async fn app() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    (app, ana)
}

fn moment(run: &Value, member: &str) -> Timestamp {
    run[member].as_str().unwrap_or_else(|| panic!("{member}: {run}")).parse().unwrap()
}

#[tokio::test]
async fn test_run_status_transitions() {
    let (app, ana) = app().await;
    let id = app.pending(&ana, &Tape::of_good(1)).await;
    let status = async || app.read(&ana, &format!("/api/runs/{id}")).await["status"].as_str().unwrap().to_owned();
    assert_eq!(status().await, "pending");
    app.claim(id.parse().unwrap()).await;
    assert_eq!(status().await, "running");
    // No other worker takes the run as long as its worker may be alive.
    assert!(app.work().await.is_empty());
    app.clock.advance(SignedDuration::from_mins(2));
    app.work().await;
    assert_eq!(status().await, "completed");
    // A completed run does not change any more.
    app.clock.advance(SignedDuration::from_mins(2));
    assert!(app.work().await.is_empty());
    assert_eq!(status().await, "completed");
}

#[tokio::test]
async fn test_failed_run_has_completed_at() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::new()).await;
    let run = app.read(&ana, &format!("/api/runs/{id}")).await;
    assert_eq!(run["status"], "failed");
    assert!(moment(&run, "completed_at") >= moment(&run, "started_at"));
    assert!(!run["error"]["message"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn test_completed_run_has_all_timestamps() {
    let (app, ana) = app().await;
    let id = app.pending(&ana, &Tape::of_good(1)).await;
    let pending = app.read(&ana, &format!("/api/runs/{id}")).await;
    assert_eq!((&pending["started_at"], &pending["completed_at"]), (&Value::Null, &Value::Null));
    app.clock.advance(SignedDuration::from_secs(5));
    app.work().await;
    let run = app.read(&ana, &format!("/api/runs/{id}")).await;
    assert_eq!(run["created_at"], pending["created_at"]);
    let [created, started, completed] = ["created_at", "started_at", "completed_at"].map(|member| moment(&run, member));
    assert!(created < started && started <= completed, "{run}");
}

#[tokio::test]
async fn test_run_phases_progress_correctly() {
    let (app, ana) = app().await;
    let id = app.pending(&ana, &Tape::of_good(1)).await;
    let last_phase = async || app.read(&ana, &format!("/api/runs/{id}")).await["last_phase"].clone();
    assert_eq!(last_phase().await, Value::Null);
    app.claim(id.parse().unwrap()).await;
    assert_eq!(last_phase().await, Value::Null);
    app.clock.advance(SignedDuration::from_mins(2));
    app.work().await;
    assert_eq!(last_phase().await, "archive");
    // A run of a tape that cannot be read does not even complete its first phase.
    let failed = app.ended(&ana, &Tape::new()).await;
    let run = app.read(&ana, &format!("/api/runs/{failed}")).await;
    assert_eq!((&run["last_phase"], &run["error"]["phase"]), (&Value::Null, &"ingest".into()));
}
