//! `GET /api/runs/{run_id}/purchase-advice`.

use serde_json::json;
use stores::storage::StorageBackend as _;

use crate::{
    data_routes::{app, member, mixed},
    support::app::{Answer, Person, Tape, TestApp},
};

async fn advice(app: &TestApp, person: &Person, run: &str) -> Answer {
    app.get(&format!("/api/runs/{run}/purchase-advice")).by(person).send().await
}

#[tokio::test]
async fn an_advice_adds_up_to_the_dollars_to_pay_of_the_summary() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    let answer = advice(&app, &ana, &id).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/csv; charset=utf-8"));
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"purchase_advice.csv\"");
    let expected = "seller_loan_number,loan_amount,final_price,purchase_amount\n\
                    G-1,250000,96.1250,240312.50\n\
                    G-2,250000,96.1250,240312.50\n\
                    TOTAL,500000,,480625.00\n";
    assert_eq!(answer.text(), expected);
    let summary = app.read(&ana, &format!("/api/summary/{id}")).await;
    assert_eq!(summary["dispositions"]["to_purchase"]["dollars_to_pay"], 480_625);
}

#[tokio::test]
async fn many_loans_are_read_in_batches() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::of_good(8_200).with("no", &[("ltv_ratio", "99")])).await;
    let text = advice(&app, &ana, &id).await.text();
    assert_eq!(text.lines().count(), 8_202);
    assert_eq!(text.lines().last(), Some("TOTAL,2050000000,,1970562500.00"));
    assert!(!text.contains("\nno,"));
}

#[tokio::test]
async fn an_advice_is_of_a_completed_run_whose_loans_are_kept() {
    let (app, ana) = app().await;
    let pending = app.pending(&ana, &Tape::of_good(1)).await;
    assert_eq!(advice(&app, &ana, &pending).await.problem(409), "run_not_completed");
    let failed = app.ended(&ana, &Tape::new()).await;
    assert_eq!(advice(&app, &ana, &failed).await.problem(409), "run_not_completed");
    app.put("inputs/t.csv", Tape::of_good(1).text().to_owned()).await;
    let dry = app.start(&ana, &json!({"files": ["t.csv"], "dry_run": true})).await.expect(202);
    app.work().await;
    assert_eq!(advice(&app, &ana, dry["run_id"].as_str().unwrap()).await.problem(409), "dry_run_keeps_no_loans");
    app.resources.storage.delete(&format!("results/{pending}/facts.parquet")).await.unwrap();
    assert_eq!(advice(&app, &ana, &pending).await.problem(410), "results_gone");
}

#[tokio::test]
async fn an_advice_is_the_run_owners_alone() {
    let (app, ana) = app().await;
    let (wes, eve) = (member(&app, "West").await, member(&app, "East").await);
    let id = app.ended(&wes, &mixed()).await;
    assert_eq!(advice(&app, &eve, &id).await.problem(404), "not_found");
    for person in [&wes, &ana] {
        assert_eq!(advice(&app, person, &id).await.status, 200);
    }
}
