//! `GET /api/runs/{run_id}/reasons` and `GET /api/runs/{run_id}/report`.

use serde_json::{Value, json};
use stores::storage::StorageBackend as _;

use crate::{
    data_routes::{app, member, mixed},
    support::app::{Tape, documented, members},
};

#[tokio::test]
async fn the_reasons_of_a_run_have_balances() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    let reasons = app.read(&ana, &format!("/api/runs/{id}/reasons")).await;
    assert_eq!(members(&reasons), documented("Reasons"));
    let rows = reasons["reasons"].as_array().unwrap();
    let row = |name: &str| rows.iter().find(|row| row["exception_type"] == name).unwrap_or_else(|| panic!("{name}: {rows:?}"));
    let ltv = row("ltv_ratio");
    assert_eq!((&ltv["program"], &ltv["severity"], &ltv["category"]), (&Value::Null, &"hard".into(), &"credit".into()));
    assert_eq!((&ltv["loans"], &ltv["balance"]), (&1.into(), &250_000.into()));
    assert_eq!(ltv["only_reason"], json!({"loans": 1, "balance": 250_000}));
    assert_eq!(ltv["by_distance"].as_array().unwrap().len(), 6);
    assert_eq!(row("missing_appraisal")["only_reason"]["loans"], 0);
    assert_eq!((&reasons["held"], &reasons["pairs"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn a_dry_run_has_reasons_samples_and_a_report() {
    let (app, ana) = app().await;
    let tape = app.put_tape(&ana, &mixed()).await;
    let id = app.start(&ana, &json!({"files": [tape], "dry_run": true})).await.expect(202)["run_id"].as_str().unwrap().to_owned();
    app.work().await;
    let rows = app.read(&ana, &format!("/api/runs/{id}/reasons")).await["reasons"].as_array().unwrap().len();
    assert_eq!(rows, 4);
    assert_eq!(app.read(&ana, &format!("/api/summary/{id}")).await["samples"].as_array().unwrap().len(), 4);
    assert!(app.get(&format!("/api/runs/{id}/report")).by(&ana).send().await.text().contains("Dry run of"));
}

#[tokio::test]
async fn a_run_that_has_not_completed_has_no_reasons() {
    let (app, ana) = app().await;
    let id = app.pending(&ana, &mixed()).await;
    for what in ["reasons", "report"] {
        assert_eq!(app.get(&format!("/api/runs/{id}/{what}")).by(&ana).send().await.problem(409), "run_not_completed");
    }
    let failed = app.ended(&ana, &Tape::new()).await;
    for what in ["reasons", "report"] {
        assert_eq!(app.get(&format!("/api/runs/{failed}/{what}")).by(&ana).send().await.problem(409), "run_not_completed");
    }
}

#[tokio::test]
async fn removed_results_take_their_reasons_along() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    app.resources.storage.delete(&format!("results/{id}/findings.json")).await.unwrap();
    let again = app.started_anew(|_| {});
    for what in ["reasons", "report"] {
        assert_eq!(again.get(&format!("/api/runs/{id}/{what}")).by(&ana).send().await.problem(410), "results_gone");
    }
    assert_eq!(again.read(&ana, &format!("/api/summary/{id}")).await["samples"], Value::Null);
}

#[tokio::test]
async fn other_teams_see_neither_reasons_nor_report() {
    let (app, _) = app().await;
    let (wes, eve) = (member(&app, "West").await, member(&app, "East").await);
    let id = app.ended(&wes, &mixed()).await;
    for what in ["reasons", "report"] {
        let path = format!("/api/runs/{id}/{what}");
        assert_eq!(app.get(&path).by(&wes).send().await.status, 200);
        assert_eq!(app.get(&path).by(&eve).send().await.problem(404), "not_found");
    }
}

#[tokio::test]
async fn the_report_is_one_page_without_script() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    let answer = app.get(&format!("/api/runs/{id}/report")).by(&ana).send().await;
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    let policy = answer.header("content-security-policy").to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && policy.ends_with("; sandbox"), "{policy}");
    let html = answer.text();
    assert!(html.contains(&format!("content=\"{}\"", policy.replace('\'', "&#39;"))));
    assert!(html.contains("Buy 2 of 5 loans for $480,625.00; hold 0, reject 3."), "{html}");
    for foreign in ["<script", "http://", "https://", "url(", " style=", "onload"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
}
