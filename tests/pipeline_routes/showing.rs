//! `GET /api/runs` and `GET /api/runs/{run_id}`.

use serde_json::{Value, json};
use shared::engine::Progress;
use stores::storage::StorageBackend as _;
use uuid::Uuid;

use crate::{
    pipeline_routes::{app, team},
    support::app::{Person, Tape, TestApp, documented, each, members},
};

/// Ids of the runs that a query lists.
async fn ids(app: &TestApp, person: &Person, query: &str) -> Vec<String> {
    let runs = app.read(person, &format!("/api/runs{query}")).await;
    each(&runs, "run_id").into_iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// A run as lists show it: without its column mapping and its notices.
fn listed(run: &Value) -> Value {
    let mut listed = run.clone();
    listed["column_mapping"] = Value::Null;
    listed["notices"] = Value::Null;
    listed
}

#[tokio::test]
async fn a_run_shows_how_its_tapes_were_read_and_a_list_leaves_it_to_the_run() {
    let (app, ana) = app().await;
    let pending = app.pending(&ana, &Tape::of_good(1)).await;
    assert_eq!(app.read(&ana, &format!("/api/runs/{pending}")).await["column_mapping"], json!([]));
    app.work().await;
    let run = app.read(&ana, &format!("/api/runs/{pending}")).await;
    assert_eq!(run["column_mapping"][0]["columns"].as_array().map(Vec::len), Some(11));
    assert_eq!(app.read(&ana, "/api/runs").await, json!([listed(&run)]));
    // Results expire some time after their run has ended; the run itself stays.
    app.resources.storage.delete(&format!("results/{pending}/column_mapping.json")).await.unwrap();
    assert_eq!(app.read(&ana, &format!("/api/runs/{pending}")).await, listed(&run));
}

fn reversed<const N: usize>(ids: [&String; N]) -> Vec<String> {
    ids.into_iter().rev().cloned().collect()
}

#[tokio::test]
async fn runs_are_listed_by_status() {
    let (app, ana) = app().await;
    let good = app.ended(&ana, &Tape::of_good(1)).await;
    let failed = app.ended(&ana, &Tape::new()).await;
    let pending = app.pending(&ana, &Tape::of_good(1)).await;
    assert_eq!(ids(&app, &ana, "").await, reversed([&good, &failed, &pending]));
    for (status, expected) in
        [("completed", vec![good]), ("failed", vec![failed]), ("pending", vec![pending]), ("running", vec![])]
    {
        assert_eq!(ids(&app, &ana, &format!("?status={status}")).await, expected, "{status}");
    }
}

#[tokio::test]
async fn runs_are_listed_by_day_of_the_week() {
    let (app, ana) = app().await;
    let monday = app.pending(&ana, &Tape::of_good(1)).await;
    app.clock.advance(jiff::SignedDuration::from_hours(24));
    let token = app.resources.tokens.issue(&ana.user, app.resources.clock.now()).unwrap();
    let ana = Person { token, ..ana };
    let tuesday = app.pending(&ana, &Tape::of_good(1)).await;
    assert_eq!(ids(&app, &ana, "?run_weekday=0").await, [monday.as_str()]);
    assert_eq!(ids(&app, &ana, "?run_weekday=1&status=pending").await, [tuesday]);
    assert_eq!(ids(&app, &ana, "?run_weekday=6").await, [""; 0]);
    app.work().await;
    assert_eq!(ids(&app, &ana, "?run_weekday=0&status=completed").await, [monday]);
}

#[tokio::test]
async fn runs_are_listed_by_team() {
    let (app, ana) = app().await;
    let ((west, wes), (east, eve)) = (team(&app, "West").await, team(&app, "East").await);
    let (of_west, of_east) = (app.ended(&wes, &Tape::of_good(1)).await, app.pending(&eve, &Tape::of_good(1)).await);
    let of_nobody = app.pending(&ana, &Tape::of_good(1)).await;
    let of = |team: Uuid, more: &str| format!("?sales_team_id={team}{more}");
    assert_eq!(ids(&app, &ana, "").await, reversed([&of_west, &of_east, &of_nobody]));
    assert_eq!(ids(&app, &ana, &of(west.id, "")).await, [of_west.as_str()]);
    assert_eq!(ids(&app, &ana, &of(east.id, "&status=completed")).await, [""; 0]);
    assert_eq!(ids(&app, &ana, &of(Uuid::new_v4(), "")).await, [""; 0]);
    assert_eq!(ids(&app, &wes, "").await, [of_west.as_str()]);
    assert_eq!(ids(&app, &wes, &of(west.id, "&run_weekday=0")).await, [of_west]);
    assert_eq!(ids(&app, &wes, &of(east.id, "")).await, [""; 0]);
}

#[tokio::test]
async fn filters_out_of_range_are_named() {
    let (app, ana) = app().await;
    for (query, name) in [
        ("run_weekday=7", "run_weekday"),
        ("run_weekday=-1", "run_weekday"),
        ("run_weekday=Monday", "run_weekday"),
        ("status=done", "status"),
        ("status=Completed", "status"),
        ("sales_team_id=West", "sales_team_id"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("skip=-1", "skip"),
        ("after=x", "after"),
    ] {
        let answer = app.get(&format!("/api/runs?{query}")).by(&ana).send().await;
        assert_eq!(answer.problem(422), "invalid_input", "{query}");
        assert_eq!(answer.json()["errors"][0]["loc"], json!(["query", name]), "{query}");
    }
}

#[tokio::test]
async fn following_the_links_shows_each_run_once_whatever_comes_meanwhile() {
    let (app, ana) = app().await;
    let mut expected = Vec::new();
    for _ in 0..7 {
        expected.insert(0, app.pending(&ana, &Tape::of_good(1)).await);
    }
    let (mut next, mut found) = (Some("/api/runs?limit=3&status=pending".to_owned()), Vec::new());
    while let Some(address) = next {
        let page = app.get(&address).by(&ana).send().await;
        found.extend(each(&page.expect(200), "run_id").into_iter().map(|id| id.as_str().unwrap().to_owned()));
        next = page.next();
        assert!(next.as_ref().is_none_or(|next| next.contains("after=") && next.contains("status=pending")), "{next:?}");
        app.pending(&ana, &Tape::of_good(1)).await;
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_run_of_another_team_is_as_if_it_were_not_there() {
    let (app, ana) = app().await;
    let ((_, wes), (_, eve)) = (team(&app, "West").await, team(&app, "East").await);
    let (of_west, of_nobody) = (app.ended(&wes, &Tape::of_good(1)).await, app.ended(&ana, &Tape::of_good(1)).await);
    app.read(&wes, &format!("/api/runs/{of_west}")).await;
    app.read(&ana, &format!("/api/runs/{of_west}")).await;
    let strip = |mut problem: Value| {
        problem.as_object_mut().unwrap().remove("request_id");
        problem
    };
    for place in ["", "/notebook-outputs", "/notebook-outputs/purchase_tape/download", "/archive", "/archive/download"] {
        let mut problems = Vec::new();
        for id in [&of_west, &of_nobody, &Uuid::new_v4().to_string()] {
            let answer = app.get(&format!("/api/runs/{id}{place}")).by(&eve).send().await;
            assert_eq!(answer.problem(404), "not_found", "{place}");
            problems.push(strip(answer.json()));
        }
        assert!(problems.iter().all(|problem| *problem == problems[0]), "{problems:?}");
    }
}

#[tokio::test]
async fn an_id_that_is_none_is_the_id_of_nothing() {
    let (app, ana) = app().await;
    for id in ["7", "completed-run-001", "00000000-0000-0000-0000-00000000000", "%00", "..%2f..", "'; --", "\u{1F3E0}"] {
        let id = percent_encoding(id);
        for place in ["", "/notebook-outputs", "/archive", "/archive/download?path=manifest.json"] {
            let answer = app.get(&format!("/api/runs/{id}{place}")).by(&ana).send().await;
            assert_eq!(answer.problem(404), "not_found", "{id}{place}");
        }
    }
}

/// Percent-encodes all bytes except ASCII letters, digits, `.`, `-` and `%`, so that existing percent-encodings stay.
fn percent_encoding(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() || b"%.-".contains(&b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

#[tokio::test]
async fn a_failed_run_says_what_to_mend() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::new()).await;
    let run = app.read(&ana, &format!("/api/runs/{id}")).await;
    assert_eq!(
        (&run["status"], &run["error"]["code"], &run["error"]["phase"]),
        (&"failed".into(), &"no_data_rows".into(), &"ingest".into())
    );
    assert!(run["completed_at"].is_string() && run["error"]["message"].is_string(), "{run}");
    assert_eq!(run["last_phase"], Value::Null);
}

#[tokio::test]
async fn a_run_shows_how_far_it_is_while_it_works() {
    let (app, ana) = app().await;
    let id: Uuid = app.pending(&ana, &Tape::of_good(1)).await.parse().unwrap();
    let now = app.resources.clock.now();
    let lease = app.claim(id).await;
    let progress = Progress { loans: 5, bytes: 70, total_bytes: 100 };
    assert!(app.worker.runs.report(&lease, Some(progress), now).await.unwrap());
    let shown = app.read(&ana, &format!("/api/runs/{id}")).await;
    assert_eq!(
        (&shown["status"], &shown["progress"]),
        (&"running".into(), &json!({"loans": 5, "bytes": 70, "total_bytes": 100}))
    );
    assert_eq!(app.read(&ana, "/api/runs?status=running").await, json!([listed(&shown)]));
}

#[tokio::test]
async fn the_document_shows_runs_as_they_are() {
    let (app, ana) = app().await;
    let good = app.ended(&ana, &Tape::of_good(1)).await;
    let failed = app.ended(&ana, &Tape::new()).await;
    let run = app.read(&ana, &format!("/api/runs/{good}")).await;
    assert_eq!(documented("Run"), members(&run));
    assert_eq!(documented("Progress"), members(&run["progress"]));
    assert_eq!(documented("RuleSetName"), members(&run["rule_set"]));
    // The following objects leave out members that do not apply.
    let mapping = &run["column_mapping"][0];
    assert!(documented("TapeMapping").is_superset(&members(mapping)), "{mapping}");
    assert!(documented("TapeColumn").is_superset(&members(&mapping["columns"][0])), "{mapping}");
    let error = &app.read(&ana, &format!("/api/runs/{failed}")).await["error"];
    assert!(documented("RunError").is_superset(&members(error)), "{error}");
}
