//! Pages of exceptions.

use serde_json::{Value, json};
use shared::auth::permission::Role;

use crate::support::app::{Person, Tape, TestApp, each};

/// An analyst and two runs of 80 loans, each of which fails its score and has no appraisal.
async fn crowd() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    for run in ["a", "b"] {
        let bad = [("credit_score", "500"), ("appraisal_value", "")];
        let tape = (0..80).fold(Tape::new(), |tape, at| tape.with(&format!("{run}-{at:03}"), &bad));
        app.ended(&ana, &tape).await;
    }
    (app, ana)
}

fn numbers(exceptions: &Value) -> Vec<&str> {
    each(exceptions, "seller_loan_number").into_iter().map(|number| number.as_str().unwrap()).collect()
}

#[tokio::test]
async fn test_default_pagination() {
    let (app, ana) = crowd().await;
    let page = app.get("/api/exceptions").by(&ana).send().await;
    let exceptions = page.expect(200);
    let expected: Vec<String> = (0..100).map(|at| format!("b-{:03}", at / 2)).collect();
    assert_eq!(numbers(&exceptions), expected);
    assert!(page.header("link").contains("skip=100&limit=100&after="), "{}", page.header("link"));
}

#[tokio::test]
async fn test_combined_filters_and_pagination() {
    let (app, ana) = crowd().await;
    let query = "severity=hard&exception_category=credit&exception_type=credit_score";
    let page = app.get(&format!("/api/exceptions?{query}&skip=78&limit=4")).by(&ana).send().await;
    assert_eq!(numbers(&page.expect(200)), ["b-078", "b-079", "a-000", "a-001"]);
    let next = app.read(&ana, &page.next().unwrap()).await;
    assert_eq!(numbers(&next), ["a-002", "a-003", "a-004", "a-005"]);
    assert!(each(&next, "severity").iter().all(|severity| **severity == "hard"));
}

#[tokio::test]
async fn test_consistent_across_pages() {
    let (app, ana) = crowd().await;
    let whole = app.read(&ana, "/api/exceptions?limit=1000").await;
    assert_eq!(whole.as_array().unwrap().len(), 320);
    let mut by_skip = Vec::new();
    for skip in [0, 160] {
        let page = app.read(&ana, &format!("/api/exceptions?skip={skip}&limit=160")).await;
        by_skip.extend(page.as_array().unwrap().clone());
    }
    assert_eq!(json!(by_skip), whole);
    let (mut next, mut by_link) = (Some("/api/exceptions?limit=37".to_owned()), Vec::new());
    while let Some(address) = next {
        let page = app.get(&address).by(&ana).send().await;
        by_link.extend(page.expect(200).as_array().unwrap().clone());
        next = page.next();
    }
    assert_eq!(json!(by_link), whole);
}
