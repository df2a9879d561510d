//! `GET /api/summary/{run_id}`.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    data_routes::{app, member, mixed},
    support::app::{Tape, documented, members},
};

#[tokio::test]
async fn a_summary_counts_what_the_run_found() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    let summary = app.read(&ana, &format!("/api/summary/{id}")).await;
    assert_eq!((&summary["run_id"], &summary["status"]), (&json!(id), &"completed".into()));
    assert_eq!((&summary["total_loans"], &summary["exceptions_count"]), (&5.into(), &4.into()));
    assert_eq!(summary["total_balance"], 1_250_000);
    let checks = &summary["eligibility_checks"];
    assert_eq!((&checks["eligible"], &checks["rejected"], &checks["projected"]), (&2.into(), &3.into(), &0.into()));
    let by_type = json!({"credit_score": 1, "ltv_ratio": 1, "missing_appraisal": 1, "missing_field": 1});
    assert_eq!(checks["exceptions_by_type"], by_type);
    assert_eq!(checks["exceptions_by_severity"], json!({"hard": 3, "soft": 1}));
    assert_eq!(checks["exceptions_by_category"], json!({"credit": 2, "data_quality": 2}));
    let bought = &summary["dispositions"]["to_purchase"];
    assert_eq!((&bought["count"], &bought["balance"], &bought["wac"]), (&2.into(), &500_000.into(), &json!(6.5)));
    // At an IRR target of 8.05 %, a rate of 6.5 % gives a price of 96.125.
    assert_eq!(bought["dollars_to_pay"], 480_625);
    assert_eq!((&summary["dispositions"]["rejected"]["dollars_to_pay"]), &Value::Null);
    let fields: Vec<&Value> = summary["strats"].as_array().unwrap().iter().map(|strat| &strat["by"]).collect();
    let expected = [
        "ltv_ratio",
        "credit_score",
        "note_rate",
        "loan_amount",
        "property_type",
        "occupancy_status",
        "loan_purpose",
        "final_price",
    ];
    assert_eq!(fields, expected);
    let samples = summary["samples"].as_array().unwrap();
    let types: Vec<&str> = samples.iter().map(|sample| sample["exception_type"].as_str().unwrap()).collect();
    assert_eq!(types, ["credit_score", "ltv_ratio", "missing_appraisal", "missing_field"]);
    let first = &samples[0]["exceptions"][0];
    assert!(first["row"].is_u64() && first["message"].as_str().unwrap().contains("Credit score"), "{first}");
}

#[tokio::test]
async fn a_run_that_has_not_ended_has_found_nothing_yet() {
    let (app, ana) = app().await;
    let id = app.pending(&ana, &mixed()).await;
    let address = format!("/api/summary/{id}");
    let before = app.read(&ana, &address).await;
    assert_eq!((&before["status"], &before["total_loans"]), (&"pending".into(), &0.into()));
    assert_eq!(before["eligibility_checks"]["exceptions_by_type"], json!({}));
    app.work().await;
    let after = app.read(&ana, &address).await;
    assert_eq!((&after["status"], &after["total_loans"]), (&"completed".into(), &5.into()));
    assert_eq!(members(&before), members(&after));
}

#[tokio::test]
async fn a_failed_run_has_a_summary_too() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::new()).await;
    let summary = app.read(&ana, &format!("/api/summary/{id}")).await;
    assert_eq!((&summary["status"], &summary["total_loans"]), (&"failed".into(), &0.into()));
}

#[tokio::test]
async fn a_summary_is_the_run_owners_alone() {
    let (app, ana) = app().await;
    let (wes, eve) = (member(&app, "West").await, member(&app, "East").await);
    let id = app.ended(&wes, &mixed()).await;
    let address = format!("/api/summary/{id}");
    // Users with access read the summary first, so that the application may hold it in memory.
    let summary = app.read(&ana, &address).await;
    assert_eq!(app.read(&wes, &address).await, summary);
    assert_eq!(app.get(&address).by(&eve).send().await.problem(404), "not_found");
    for id in [Uuid::new_v4().to_string(), "x".to_owned(), "1e3".to_owned()] {
        assert_eq!(app.get(&format!("/api/summary/{id}")).by(&ana).send().await.problem(404), "not_found");
    }
}

#[tokio::test]
async fn the_document_shows_summaries_as_they_are() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    let summary = app.read(&ana, &format!("/api/summary/{id}")).await;
    let mut named = documented("Summary");
    // Only a rule set with programs has them.
    assert!(named.remove("programs"));
    assert_eq!(named, members(&summary));
    assert_eq!(documented("EligibilityChecks"), members(&summary["eligibility_checks"]));
    assert_eq!(documented("DispositionSummary"), members(&summary["dispositions"]["rejected"]));
    assert_eq!(documented("Strat"), members(&summary["strats"][0]));
    assert_eq!(documented("Bucket"), members(&summary["strats"][0]["buckets"][0]));
}
