//! The four output files of a run.

use http::Method;
use runner::execute::Executed;
use serde_json::{Value, json};
use stores::runs::MAX_ATTEMPTS;

use crate::{
    pipeline_routes::app,
    support::app::{Fault, Tape, each},
};

const KEYS: [&str; 4] = ["purchase_tape", "projected_tape", "rejection_report", "exception_summary"];

fn mixed() -> Tape {
    Tape::of_good(2).with("bad", &[("ltv_ratio", "99"), ("credit_score", "500")])
}

#[tokio::test]
async fn the_outputs_are_listed_with_their_rows() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    let outputs = app.read(&ana, &format!("/api/runs/{id}/notebook-outputs")).await;
    assert_eq!(each(&outputs, "key"), KEYS);
    assert_eq!(each(&outputs, "rows"), [2, 0, 2, 2]);
    for output in outputs.as_array().unwrap() {
        let members: Vec<&str> = output.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["key", "name", "path", "type", "size", "last_modified", "rows"]);
        let name = format!("{}.csv", output["key"].as_str().unwrap());
        assert_eq!((&output["name"], &output["type"]), (&json!(name), &"file".into()));
        assert_eq!(output["path"], format!("{id}/{name}"));
        assert_eq!(output["size"], app.text(&format!("outputs/{id}/{name}")).await.len());
        assert!(output["last_modified"].is_string());
    }
}

#[tokio::test]
async fn an_output_is_downloaded_as_it_is_stored() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    for key in KEYS {
        let answer = app.get(&format!("/api/runs/{id}/notebook-outputs/{key}/download")).by(&ana).send().await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.text(), app.text(&format!("outputs/{id}/{key}.csv")).await);
        assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
        assert_eq!(answer.header("content-disposition"), format!("attachment; filename=\"{key}.csv\""));
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn a_key_that_no_output_has_is_told_before_the_run_is_looked_up() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    for key in ["purchase_tape.csv", "Purchase_Tape", "x", "..%2Fpurchase_tape"] {
        let answer = app.get(&format!("/api/runs/{id}/notebook-outputs/{key}/download")).by(&ana).send().await;
        assert_eq!(answer.problem(400), "unknown_output", "{key}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("rejection_report"));
    }
    let nowhere = format!("/api/runs/{}/notebook-outputs/x/download", uuid::Uuid::new_v4());
    assert_eq!(app.get(&nowhere).by(&ana).send().await.problem(400), "unknown_output");
}

#[tokio::test]
async fn outputs_that_are_not_there_yet_are_not_found() {
    let (app, ana) = app().await;
    let id = app.pending(&ana, &mixed()).await;
    assert_eq!(app.read(&ana, &format!("/api/runs/{id}/notebook-outputs")).await, json!([]));
    let address = format!("/api/runs/{id}/notebook-outputs/purchase_tape/download");
    assert_eq!(app.get(&address).by(&ana).send().await.problem(404), "not_found");
    app.work().await;
    assert_eq!(app.get(&address).by(&ana).send().await.status, 200);
}

#[tokio::test]
async fn a_large_output_is_streamed_unless_a_lambda_answers() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    let large = "x".repeat(4_000_001);
    app.put(&format!("outputs/{id}/purchase_tape.csv"), large.clone()).await;
    let address = format!("/api/runs/{id}/notebook-outputs/purchase_tape/download");
    let streamed = app.get(&address).by(&ana).send().await;
    assert!(streamed.status == 200 && streamed.text() == large);
    let on_lambda = app.on_lambda();
    on_lambda.bucket_outage.record();
    let answer = on_lambda.get(&address).by(&ana).send().await;
    assert_eq!(answer.status, 307);
    // On Lambda, the product does not open a file that it does not send.
    let asked = on_lambda.bucket_outage.recorded().asked;
    assert!(!asked.is_empty() && asked.iter().all(|asked| !asked.shape.starts_with("GET")), "{asked:?}");
    let fetched = app.fetch(Method::GET, answer.header("location"), &[], "").await;
    assert!(fetched.status == 200 && fetched.text() == large);
    assert_eq!(fetched.header("content-disposition"), "attachment; filename=\"purchase_tape.csv\"");
}

#[tokio::test]
async fn what_a_run_had_stored_before_it_failed_stays_readable() {
    let (app, ana) = app().await;
    let id = app.pending(&ana, &mixed()).await;
    // Every attempt fails to write the archive, so that the run fails after everything else is done.
    app.bucket_outage.begin_for("manifest.json", Fault::Broken);
    let mut tries = Vec::new();
    for _ in 0..MAX_ATTEMPTS {
        tries.push(app.worker.execute(id.parse().unwrap()).await.ok());
    }
    app.bucket_outage.end();
    assert_eq!(tries, [None, None, Some(Executed::Failed)]);
    let run = app.read(&ana, &format!("/api/runs/{id}")).await;
    assert_eq!(
        (&run["status"], &run["last_phase"], &run["error"]["phase"]),
        (&"failed".into(), &"output".into(), &"archive".into())
    );
    let outputs = app.read(&ana, &format!("/api/runs/{id}/notebook-outputs")).await;
    assert_eq!(each(&outputs, "rows"), [2, 0, 2, 2]);
    let download = app.get(&format!("/api/runs/{id}/notebook-outputs/purchase_tape/download")).by(&ana).send().await;
    assert!(download.status == 200 && download.text().contains("L-00001"));
    let summary = app.read(&ana, &format!("/api/summary/{id}")).await;
    assert_eq!(
        (&summary["status"], &summary["total_loans"], &summary["exceptions_count"]),
        (&"failed".into(), &3.into(), &2.into())
    );
    for list in [format!("/api/loans?run_id={id}"), format!("/api/exceptions?run_id={id}"), "/api/exceptions".to_owned()] {
        let expected = if list.contains("loans") { 3 } else { 2 };
        assert_eq!(app.read(&ana, &list).await.as_array().map(Vec::len), Some(expected), "{list}");
    }
    assert_eq!(app.read(&ana, &format!("/api/runs/{id}/archive")).await["manifest"], Value::Null);
}
