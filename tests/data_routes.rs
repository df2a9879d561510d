//! The endpoints of results: summaries, exceptions and their export, loans, teams, and the configuration of the engine.

mod compare;
mod exceptions;
mod exports;
mod history;
mod lists;
mod loan_exports;
mod loans;
mod purchase_advice;
mod reasons;
mod settings;
mod summaries;
mod what_if;

use serde_json::Value;
use shared::auth::permission::Role;
use stores::storage::StorageBackend as _;

use crate::support::app::{Person, Tape, TestApp};

/// The application with an analyst.
async fn app() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    (app, ana)
}

/// Creates a team with this name and a member of it.
async fn member(app: &TestApp, team: &str) -> Person {
    let id = app.team(team).await.id;
    app.person(&format!("of_{team}"), Role::SalesTeam, Some(id)).await
}

/// Two loans to purchase, and four exceptions of the other loans: A fails its LTV and has no appraisal, B fails its score, and C
/// has no number and no score.
fn mixed() -> Tape {
    Tape::new()
        .good("G-1")
        .with("A", &[("ltv_ratio", "97.8"), ("appraisal_value", "")])
        .with("B", &[("credit_score", "500")])
        .with("", &[("credit_score", "")])
        .good("G-2")
}

#[tokio::test]
async fn results_that_were_removed_are_missing_and_the_summary_is_not() {
    let (app, ana) = app().await;
    // Remove one file at a time: the index of the pages, the loans, the exceptions.
    for removed in ["index.json", "facts.parquet", "exceptions.parquet"] {
        let id = app.ended(&ana, &mixed()).await;
        app.resources.storage.delete(&format!("results/{id}/{removed}")).await.unwrap();
        let loans = [format!("/api/loans?run_id={id}")];
        let exceptions = [format!("/api/exceptions?run_id={id}"), format!("/api/exceptions/export?run_id={id}&format=csv")];
        let gone: Vec<&String> = match removed {
            "facts.parquet" => loans.iter().collect(),
            "exceptions.parquet" => exceptions.iter().collect(),
            _ => loans.iter().chain(&exceptions).collect(),
        };
        for path in gone {
            let answer = app.get(path).by(&ana).send().await;
            assert_eq!(answer.problem(404), "not_found", "{removed}: {path}");
            assert!(answer.text().contains("Start a run of the same tape"), "{}", answer.text());
        }
        app.read(&ana, &format!("/api/summary/{id}")).await;
    }
}

/// All items of a list in pages, read by following the links.
async fn followed(app: &TestApp, person: &Person, first: &str) -> Vec<Value> {
    let (mut next, mut found) = (Some(first.to_owned()), Vec::new());
    while let Some(address) = next {
        let page = app.get(&address).by(person).send().await;
        let items = page.expect(200);
        assert!(!items.as_array().unwrap().is_empty() || found.is_empty(), "an empty page at {address}");
        found.extend(items.as_array().unwrap().iter().cloned());
        next = page.next();
    }
    found
}
