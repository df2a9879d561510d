//! `GET /api/compare`.

use runner::execute::Executed;
use serde_json::{Value, json};
use stores::storage::StorageBackend as _;
use uuid::Uuid;

use crate::{
    data_routes::{app, member, mixed},
    support::app::{Answer, Person, Tape, TestApp},
};

async fn ask(app: &TestApp, person: &Person, query: &str) -> Answer {
    app.get(&format!("/api/compare?{query}")).by(person).send().await
}

/// The comparison, after the worker has made it.
async fn compared(app: &TestApp, person: &Person, query: &str) -> Value {
    assert_eq!(ask(app, person, query).await.expect(202), json!({"status": "preparing"}));
    for job in app.worker.jobs.waiting(app.resources.clock.now(), 10).await.unwrap() {
        assert_eq!(app.worker.make(job).await.unwrap(), Executed::Completed);
    }
    ask(app, person, query).await.expect(200)
}

/// A month later: A has been mended, G-2 is gone, and G-3 is new.
fn later() -> Tape {
    Tape::new()
        .good("G-1")
        .with("A", &[("ltv_ratio", "95"), ("appraisal_value", "")])
        .with("B", &[("credit_score", "500")])
        .with("", &[("credit_score", "")])
        .good("G-3")
}

#[tokio::test]
async fn a_comparison_says_what_moved_and_reconciles_with_both_summaries() {
    let (app, ana) = app().await;
    let (base, with) = (app.ended(&ana, &mixed()).await, app.ended(&ana, &later()).await);
    let answer = compared(&app, &ana, &format!("base={base}&with={with}")).await;
    assert_eq!(answer["moves"]["rejected"]["to_purchase"], json!({"count": 1, "base_balance": 250_000, "with_balance": 250_000}));
    assert_eq!((&answer["added"]["to_purchase"]["count"], &answer["removed"]["to_purchase"]["count"]), (&json!(1), &json!(1)));
    assert_eq!(answer["changed_fields"], json!([{"field": "ltv_ratio", "loans": 1}]));
    assert_eq!(answer["price"], json!({"higher": 0, "lower": 0, "unchanged": 2, "gained": 1, "lost": 0}));
    assert_eq!(
        answer["loans"][0],
        json!({
            "seller_loan_number": "A", "base_row": 1, "with_row": 1, "disposition": ["rejected", "to_purchase"],
            "final_price": [null, 96.125], "fields": {"ltv_ratio": [97.8, 95]}, "reasons": {"gone": ["ltv_ratio"], "new": []}
        })
    );
    // A moved; G-2 and G-3, and the loan without a number twice.
    assert_eq!((&answer["loans_count"], answer["loans"].as_array().map(Vec::len)), (&json!(5), Some(5)));
    for (side, run) in [("base", &base), ("with", &with)] {
        let summary = app.read(&ana, &format!("/api/summary/{run}")).await;
        for disposition in ["to_purchase", "projected", "rejected"] {
            let (total, expected) = (&answer["totals"][side][disposition], &summary["dispositions"][disposition]);
            assert_eq!((&total["count"], &total["balance"]), (&expected["count"], &expected["balance"]));
        }
    }
    let page = compared(&app, &ana, &format!("base={base}&with={with}&from=none&skip=1&limit=1")).await;
    assert_eq!((&page["loans_count"], page["loans"].as_array().map(Vec::len)), (&json!(2), Some(1)));
    let itself = compared(&app, &ana, &format!("base={base}&with={base}")).await;
    assert_eq!((&itself["loans"], &itself["settings"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn every_wrong_parameter_is_named() {
    let (app, ana) = app().await;
    let run = app.ended(&ana, &mixed()).await;
    let named = async |query: &str| {
        let problem = ask(&app, &ana, query).await.expect(422);
        let errors = problem["errors"].as_array().unwrap();
        errors.iter().map(|error| error["loc"][1].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(named("").await, ["base", "with"]);
    let both = format!("base={run}&with={run}");
    assert_eq!(named(&format!("{both}&from=bought&to=x&tolerance=note_rate")).await, ["from", "to", "tolerance"]);
    assert_eq!(named(&format!("{both}&changed=rate&tolerance=property_type:1")).await, ["tolerance", "changed"]);
    assert_eq!(named(&format!("{both}&unknown=1")).await, ["unknown"]);
}

#[tokio::test]
async fn a_comparison_is_of_completed_runs_whose_loans_are_kept() {
    let (app, ana) = app().await;
    let kept = app.ended(&ana, &mixed()).await;
    let failed = app.ended(&ana, &Tape::new()).await;
    app.put("inputs/t.csv", Tape::of_good(1).text().to_owned()).await;
    let dry = app.start(&ana, &json!({"files": ["t.csv"], "dry_run": true})).await.expect(202);
    app.work().await;
    let dry = dry["run_id"].as_str().unwrap().to_owned();
    let gone = app.ended(&ana, &mixed()).await;
    app.resources.storage.delete(&format!("results/{gone}/index.json")).await.unwrap();
    for (run, status, code) in
        [(&failed, 409, "run_not_completed"), (&dry, 409, "dry_run_keeps_no_loans"), (&gone, 410, "results_gone")]
    {
        for query in [format!("base={run}&with={kept}"), format!("base={kept}&with={run}")] {
            assert_eq!(ask(&app, &ana, &query).await.problem(status), code, "{query}");
        }
    }
}

#[tokio::test]
async fn a_comparison_is_for_those_who_see_both_runs() {
    let (app, ana) = app().await;
    let (wes, eve) = (member(&app, "West").await, member(&app, "East").await);
    let (west, east) = (app.ended(&wes, &mixed()).await, app.ended(&eve, &later()).await);
    // An analyst has the answer made first, so that it is kept.
    compared(&app, &ana, &format!("base={west}&with={east}")).await;
    for person in [&wes, &eve] {
        for query in [format!("base={west}&with={east}"), format!("base={east}&with={west}")] {
            assert_eq!(ask(&app, person, &query).await.problem(404), "not_found");
        }
    }
    assert_eq!(ask(&app, &wes, &format!("base={west}&with={}", Uuid::new_v4())).await.problem(404), "not_found");
    assert_eq!(ask(&app, &wes, &format!("base={west}&with={west}")).await.status, 202);
}
