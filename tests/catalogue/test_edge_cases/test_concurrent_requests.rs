//! Requests at the same time.

use futures_util::future::join_all;
use serde_json::Value;
use shared::auth::permission::Role;

use crate::support::app::{Tape, TestApp};

#[tokio::test]
async fn test_multiple_simultaneous_run_listings() {
    let app = TestApp::new().await;
    let runs = app.many_runs().await;
    let before = app.read(&runs.analyst, "/api/runs?limit=1000").await.as_array().unwrap().clone();
    // New runs start meanwhile: each list has all earlier runs and some of the new runs, newest first.
    let path = app.put_tape(&runs.analyst, &Tape::of_good(1)).await;
    let wanted = serde_json::json!({"files": [path]});
    let starts = join_all((0..5).map(|_| app.start(&runs.analyst, &wanted)));
    let lists = join_all((0..15).map(|_| app.get("/api/runs?limit=1000").by(&runs.analyst).send()));
    let (started, listed) = tokio::join!(starts, lists);
    let started: Vec<Value> = started.iter().map(|answer| answer.expect(202)).collect();
    for answer in listed {
        let list = answer.expect(200);
        let (new, old) = list.as_array().unwrap().split_at(list.as_array().unwrap().len() - before.len());
        assert_eq!(old, before);
        assert!(new.iter().all(|run| started.iter().any(|started| started["run_id"] == run["run_id"])));
    }
    assert_eq!(app.read(&runs.analyst, "/api/runs?limit=1000").await.as_array().unwrap().len(), before.len() + 5);
}

#[tokio::test]
async fn test_simultaneous_file_uploads() {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let tape = |at: usize| Tape::of_good(at + 1).text().to_owned();
    let uploads =
        (0..8).map(|at| app.post("/api/files/upload?path=2026.02").by(&ana).file(&format!("{at}.csv"), tape(at)).send());
    for (at, answer) in join_all(uploads).await.into_iter().enumerate() {
        assert_eq!(answer.expect(200)["size"], tape(at).len());
    }
    let list = app.read(&ana, "/api/files/list?path=2026.02").await;
    assert_eq!(list["count"], 8);
    for at in 0..8 {
        assert_eq!(app.text(&format!("inputs/2026.02/{at}.csv")).await, tape(at));
    }
}
