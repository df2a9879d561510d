//! Run, summary, loans, exceptions and files agree.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::auth::permission::Role;

use crate::support::app::{Person, TestApp, each};

/// A populated run, its id, and everything that the API shows of it.
struct Said {
    app: TestApp,
    ana: Person,
    id: String,
    run: Value,
    summary: Value,
    loans: Vec<Value>,
    exceptions: Vec<Value>,
}

impl Said {
    async fn of_a_run() -> Self {
        let app = TestApp::new().await;
        let ana = app.person("ana", Role::Analyst, None).await;
        let id = app.populated_run(&ana).await;
        let run = app.read(&ana, &format!("/api/runs/{id}")).await;
        let summary = app.read(&ana, &format!("/api/summary/{id}")).await;
        let list =
            async |name: &str| app.read(&ana, &format!("/api/{name}?run_id={id}&limit=1000")).await.as_array().unwrap().clone();
        let (loans, exceptions) = (list("loans").await, list("exceptions").await);
        Self { app, ana, id, run, summary, loans, exceptions }
    }

    /// Number of exceptions for each value of a member.
    fn exceptions_by(&self, member: &str) -> Value {
        let mut counts = BTreeMap::new();
        for exception in &self.exceptions {
            *counts.entry(exception[member].as_str().unwrap()).or_insert(0) += 1;
        }
        json!(counts)
    }
}

#[tokio::test]
async fn test_run_totals_match_loan_facts() {
    let said = Said::of_a_run().await;
    assert_eq!((said.loans.len(), &said.run["total_loans"], &said.summary["total_loans"]), (100, &100.into(), &100.into()));
    let balance: u64 = said.loans.iter().map(|loan| loan["loan_amount"].as_u64().unwrap()).sum();
    assert_eq!((&said.run["total_balance"], &said.summary["total_balance"]), (&balance.into(), &balance.into()));
    let loans = said.app.get(&format!("/api/loans?run_id={}&limit=1", said.id)).by(&said.ana).send().await;
    assert_eq!(loans.total(), Some(100));
}

#[tokio::test]
async fn test_exceptions_count_matches_records() {
    let said = Said::of_a_run().await;
    assert_eq!(
        (said.exceptions.len(), &said.run["exceptions_count"], &said.summary["exceptions_count"]),
        (30, &30.into(), &30.into())
    );
    let export = said.app.get(&format!("/api/exceptions/export?run_id={}", said.id)).by(&said.ana).send().await;
    assert_eq!(export.text().lines().count(), 31);
}

#[tokio::test]
async fn test_disposition_counts_sum_to_total() {
    let said = Said::of_a_run().await;
    let mut sum = 0;
    for (disposition, expected) in [("to_purchase", 70), ("rejected", 20), ("projected", 10)] {
        let of_it = said.loans.iter().filter(|loan| loan["disposition"] == disposition).count();
        assert_eq!((of_it, &said.summary["dispositions"][disposition]["count"]), (expected, &expected.into()), "{disposition}");
        sum += of_it;
    }
    assert_eq!(said.run["total_loans"], sum);
    let outputs = said.app.read(&said.ana, &format!("/api/runs/{}/notebook-outputs", said.id)).await;
    // One row for each bought or projected loan, and one row for each exception of the rejected loans.
    assert_eq!(each(&outputs, "rows"), [70, 10, 30, 2]);
}

#[tokio::test]
async fn test_summary_aggregation_correct() {
    let said = Said::of_a_run().await;
    let checks = &said.summary["eligibility_checks"];
    let counts = ["total_loans", "eligible", "rejected", "projected"].map(|name| &checks[name]);
    assert_eq!(counts, [&json!(100), &json!(80), &json!(20), &json!(10)]);
    let projected = &said.summary["dispositions"]["projected"];
    assert_eq!(
        (&projected["wac"], &projected["wa_price"], &projected["balance"]),
        (&json!(3), &json!(87.375), &2_500_000.into())
    );
    for strat in said.summary["strats"].as_array().unwrap() {
        let buckets = strat["buckets"].as_array().unwrap();
        let sum = |member: &str| buckets.iter().map(|bucket| bucket[member].as_u64().unwrap()).sum::<u64>();
        // Rejected loans have no price.
        let expected =
            if strat["by"] == "final_price" { (80, json!(20_000_000)) } else { (100, said.run["total_balance"].clone()) };
        assert_eq!((sum("count"), json!(sum("balance"))), expected, "{}", strat["by"]);
    }
}

#[tokio::test]
async fn test_exceptions_by_type_counts_correct() {
    let said = Said::of_a_run().await;
    assert_eq!(said.exceptions_by("exception_type"), json!({"credit_score": 20, "missing_appraisal": 10}));
    assert_eq!(said.summary["eligibility_checks"]["exceptions_by_type"], said.exceptions_by("exception_type"));
    assert_eq!(said.summary["eligibility_checks"]["exceptions_by_category"], said.exceptions_by("exception_category"));
}

#[tokio::test]
async fn test_exceptions_by_severity_counts_correct() {
    let said = Said::of_a_run().await;
    assert_eq!(said.exceptions_by("severity"), json!({"hard": 20, "soft": 10}));
    assert_eq!(said.summary["eligibility_checks"]["exceptions_by_severity"], said.exceptions_by("severity"));
}
