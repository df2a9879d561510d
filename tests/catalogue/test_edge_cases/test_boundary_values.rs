//! The last value that passes, and the first that does not, from a tape to the API.

use serde_json::{Value, json};
use shared::auth::permission::Role;

use crate::support::app::{Person, Tape, TestApp, each};

async fn app() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    (app, ana)
}

/// Runs a loan with one cell changed, and asserts that it is bought, or rejected for one reason with this excess over the limit.
async fn judged(column: &str, cell: &str, failed: Option<(&str, Value)>) {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::new().with("L", &[(column, cell)])).await;
    let loans = app.read(&ana, &format!("/api/loans?run_id={id}")).await;
    assert_eq!(loans[0]["disposition"], if failed.is_some() { "rejected" } else { "to_purchase" }, "{column} {cell}");
    let exceptions = app.read(&ana, &format!("/api/exceptions?run_id={id}")).await;
    let expected: Vec<(&str, Value)> = failed.into_iter().collect();
    let found: Vec<(&str, Value)> =
        exceptions.as_array().unwrap().iter().map(|e| (e["exception_type"].as_str().unwrap(), e["excess"].clone())).collect();
    assert_eq!(found, expected, "{column} {cell}");
}

#[tokio::test]
async fn test_pagination_skip_zero() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::of_good(3).with("F", &[("credit_score", "500")])).await;
    for address in ["/api/runs?".to_owned(), "/api/exceptions?".to_owned(), format!("/api/loans?run_id={id}&")] {
        let page = app.get(&format!("{address}skip=0")).by(&ana).send().await;
        assert_eq!(page.expect(200), app.read(&ana, &address).await, "{address}");
        assert!(!page.header("link").contains("prev"), "{address}");
    }
}

#[tokio::test]
async fn test_pagination_skip_beyond_results() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::of_good(3).with("F", &[("credit_score", "500")])).await;
    for address in ["/api/runs?".to_owned(), "/api/exceptions?".to_owned(), format!("/api/loans?run_id={id}&")] {
        for skip in ["4", "1000000", "9223372036854775807"] {
            let page = app.get(&format!("{address}skip={skip}")).by(&ana).send().await;
            assert_eq!((page.expect(200), page.next()), (json!([]), None), "{address} {skip}");
        }
        let page = app.get(&format!("{address}skip=9223372036854775808")).by(&ana).send().await;
        assert_eq!(page.problem(422), "invalid_input", "{address}");
    }
}

#[tokio::test]
async fn test_pagination_limit_one() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::of_good(3)).await;
    let page = app.get(&format!("/api/loans?run_id={id}&limit=1")).by(&ana).send().await;
    assert_eq!(each(&page.expect(200), "seller_loan_number"), ["L-00000"]);
    assert!(page.next().unwrap().ends_with("skip=1&limit=1"));
}

#[tokio::test]
async fn test_pagination_limit_max() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::of_good(1_001)).await;
    let page = app.get(&format!("/api/loans?run_id={id}&limit=1000")).by(&ana).send().await;
    assert_eq!((page.expect(200).as_array().unwrap().len(), page.total()), (1_000, Some(1_001)));
    for address in ["/api/runs?".to_owned(), "/api/exceptions?".to_owned(), format!("/api/loans?run_id={id}&")] {
        app.get(&format!("{address}limit=1000")).by(&ana).send().await.expect(200);
        assert_eq!(app.get(&format!("{address}limit=1001")).by(&ana).send().await.problem(422), "invalid_input");
    }
}

#[tokio::test]
async fn test_loan_amount_at_minimum() {
    judged("loan_amount", "50000", None).await;
    judged("loan_amount", "50000.00", None).await;
}

#[tokio::test]
async fn test_loan_amount_below_minimum() {
    judged("loan_amount", "49999", Some(("loan_amount_range", json!(1)))).await;
    judged("loan_amount", "49999.99", Some(("loan_amount_range", json!(0.01)))).await;
}

#[tokio::test]
async fn test_loan_amount_at_maximum() {
    judged("loan_amount", "5000000", None).await;
}

#[tokio::test]
async fn test_loan_amount_above_maximum() {
    judged("loan_amount", "5000001", Some(("loan_amount_range", json!(1)))).await;
    judged("loan_amount", "5000000.01", Some(("loan_amount_range", json!(0.01)))).await;
}

#[tokio::test]
async fn test_ltv_at_maximum() {
    judged("ltv_ratio", "97.0", None).await;
}

#[tokio::test]
async fn test_ltv_above_maximum() {
    judged("ltv_ratio", "97.01", Some(("ltv_ratio", json!(0.01)))).await;
}

#[tokio::test]
async fn test_credit_score_at_minimum() {
    judged("credit_score", "620", None).await;
}

#[tokio::test]
async fn test_credit_score_below_minimum() {
    judged("credit_score", "619", Some(("credit_score", json!(1)))).await;
}
