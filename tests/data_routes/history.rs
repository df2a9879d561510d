//! `GET /api/loan-history`, and the run parameter `check_history`.

use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::auth::permission::Role;
use stores::{
    keys,
    storage::StorageBackend as _,
    table::{ItemUpdate, json_of, text},
};

use crate::support::app::{Person, Tape, TestApp, documented, each, members};

async fn app() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    (app, ana)
}

async fn history(app: &TestApp, person: &Person, number: &str) -> Value {
    app.read(person, &format!("/api/loan-history?seller_loan_number={number}")).await
}

/// Executes a run that is compared with earlier runs, and returns what they say.
async fn seen_before(app: &TestApp, person: &Person, tape: &Tape) -> Value {
    let path = app.put_tape(person, tape).await;
    let run = app.start(person, &json!({"files": [path], "check_history": true})).await.expect(202);
    app.clock.advance(SignedDuration::from_millis(1));
    app.work().await;
    let id = run["run_id"].as_str().unwrap();
    let run = app.read(person, &format!("/api/runs/{id}")).await;
    assert_eq!(run["status"], "completed", "{run}");
    let summary = app.read(person, &format!("/api/summary/{id}")).await;
    assert_eq!(summary["seen_before"], run["seen_before"]);
    run["seen_before"].clone()
}

fn seen(loans: u64, bought: u64, rejected: u64, same_tape: u64, looked_at: u64, not_looked_at: u64) -> Value {
    json!({
        "loans": loans, "bought_before": bought, "rejected_before": rejected, "same_tape_runs": same_tape,
        "runs_looked_at": looked_at, "runs_not_looked_at": not_looked_at
    })
}

#[tokio::test]
async fn a_loan_is_found_in_every_run_that_has_it_with_what_became_of_it() {
    let (app, ana) = app().await;
    let first = app.ended(&ana, &Tape::new().good("L-0").with("L-1", &[("credit_score", "500"), ("appraisal_value", "")])).await;
    app.ended(&ana, &Tape::of_good(3)).await;
    app.ended(&ana, &Tape::new()).await;
    let second = app.ended(&ana, &Tape::new().good("L-1").good("L-1")).await;
    let found = history(&app, &ana, "L-1").await;
    assert_eq!(each(&found["loans"], "run_id"), [&second, &second, &first]);
    assert_eq!(each(&found["loans"], "row"), [&json!(0), &json!(1), &json!(1)]);
    assert_eq!(each(&found["loans"], "disposition"), ["to_purchase", "rejected", "rejected"]);
    let exceptions = [json!([]), json!(["duplicate_loan"]), json!(["credit_score", "missing_appraisal"])];
    assert_eq!(each(&found["loans"], "exceptions"), exceptions.iter().collect::<Vec<_>>());
    let run = app.read(&ana, &format!("/api/runs/{first}")).await;
    assert_eq!(found["looked_at"], json!({"runs": 3, "back_to": run["created_at"]}));
    assert_eq!(found["not_looked_at"], json!([]));
    let of_first = &found["loans"][2];
    assert_eq!((&of_first["tape"], &of_first["created_at"]), (&run["tapes"][0]["path"], &run["created_at"]));
    let loan = &app.read(&ana, &format!("/api/loans?run_id={first}")).await[1];
    assert_eq!((&of_first["loan_amount"], &of_first["final_price"]), (&loan["loan_amount"], &loan["final_price"]));
    assert_eq!((documented("LoanHistory"), documented("PastLoan")), (members(&found), members(of_first)));
}

#[tokio::test]
async fn numbers_are_compared_to_the_letter_and_a_missing_number_is_none() {
    let (app, ana) = app().await;
    app.ended(&ana, &Tape::new().good("l-1").good("").good("UNKNOWN").good("L%2F2")).await;
    for (number, loans) in [("l-1", 1), ("L-1", 0), ("l-", 0), ("UNKNOWN", 0), ("L%252F2", 1)] {
        assert_eq!(history(&app, &ana, number).await["loans"].as_array().map(Vec::len), Some(loans), "{number}");
    }
    for (query, name) in [("", "seller_loan_number"), ("?seller_loan_number=", "seller_loan_number"), ("?number=1", "number")] {
        let answer = app.get(&format!("/api/loan-history{query}")).by(&ana).send().await;
        assert_eq!(answer.problem(422), "invalid_input");
        assert!(each(&answer.json()["errors"], "loc").contains(&&json!(["query", name])), "{}", answer.text());
    }
}

#[tokio::test]
async fn no_team_sees_a_loan_of_another_team_in_lists_or_counts() {
    let (app, ana) = app().await;
    let (west, east) = (app.team("West").await, app.team("East").await);
    let wes = app.person("wes", Role::SalesTeam, Some(west.id)).await;
    let eve = app.person("eve", Role::SalesTeam, Some(east.id)).await;
    let tape = Tape::new().good("L-1");
    let of_west = app.ended(&wes, &tape.clone().good("W")).await;
    let of_east = app.ended(&eve, &tape.clone().good("E")).await;
    let of_none = app.ended(&ana, &tape.clone().good("N")).await;
    assert_eq!(each(&history(&app, &wes, "L-1").await["loans"], "run_id"), [&of_west]);
    assert_eq!(each(&history(&app, &eve, "L-1").await["loans"], "run_id"), [&of_east]);
    assert_eq!(each(&history(&app, &ana, "L-1").await["loans"], "run_id"), [&of_none, &of_east, &of_west]);
    assert_eq!(history(&app, &wes, "E").await["looked_at"]["runs"], 1);
    assert_eq!(seen_before(&app, &wes, &tape.clone().good("E").good("W")).await, seen(2, 2, 0, 0, 1, 0));
    assert_eq!(seen_before(&app, &ana, &tape.clone().good("E").good("W")).await["loans"], 3);
    // The members of a team see its runs, so a run that an analyst starts for a team counts the team's loans alone.
    let path = app.put_tape(&ana, &tape.good("E")).await;
    let wanted = json!({"files": [path], "check_history": true, "sales_team_id": east.id});
    let run = app.start(&ana, &wanted).await.expect(202);
    app.work().await;
    let run = app.read(&eve, &format!("/api/runs/{}", run["run_id"].as_str().unwrap())).await;
    assert_eq!(run["seen_before"]["runs_looked_at"], 0, "the only earlier run of the team is of the same content: {run}");
    assert_eq!(run["seen_before"]["same_tape_runs"], 1);
}

#[tokio::test]
async fn a_run_counts_what_earlier_runs_did_with_its_loans() {
    let (app, ana) = app().await;
    let low = [("credit_score", "500")];
    app.ended(&ana, &Tape::new().good("B").with("R", &low).with("X", &low)).await;
    app.ended(&ana, &Tape::new().good("X").good("Y")).await;
    let tape = Tape::new().good("B").good("R").good("X").good("NEW").good("");
    assert_eq!(seen_before(&app, &ana, &tape).await, seen(3, 2, 2, 0, 2, 0));
    // The same content again: its first run counts apart.
    assert_eq!(seen_before(&app, &ana, &tape).await, seen(3, 2, 2, 1, 2, 0));
    let plain = app.ended(&ana, &tape).await;
    assert_eq!(app.read(&ana, &format!("/api/runs/{plain}")).await["seen_before"], Value::Null);
    assert_eq!(app.read(&ana, &format!("/api/summary/{plain}")).await["seen_before"], Value::Null);
    let answer = app.start(&ana, &json!({"check_history": true, "dry_run": true})).await;
    assert_eq!(
        (answer.problem(422).as_str(), &answer.json()["errors"][0]["loc"]),
        ("invalid_input", &json!(["body", "check_history"]))
    );
    assert_eq!(documented("SeenBefore"), members(&seen(0, 0, 0, 0, 0, 0)));
}

#[tokio::test]
async fn runs_of_more_than_ninety_days_ago_are_not_compared() {
    let (app, ana) = app().await;
    app.ended(&ana, &Tape::of_good(1)).await;
    app.clock.advance(SignedDuration::from_hours(24 * 90));
    let token = app.resources.tokens.issue(&ana.user, app.resources.clock.now()).unwrap();
    let ana = Person { token, ..ana };
    assert_eq!(seen_before(&app, &ana, &Tape::of_good(2)).await, seen(0, 0, 0, 0, 0, 0));
    assert_eq!(history(&app, &ana, "L-00000").await["looked_at"]["runs"], 2);
}

#[tokio::test]
async fn runs_without_an_index_are_named_and_counted() {
    let (app, ana) = app().await;
    let (removed, older) = (app.ended(&ana, &Tape::of_good(1)).await, app.ended(&ana, &Tape::of_good(2)).await);
    app.resources.storage.delete(&format!("results/{removed}/loan_numbers.index")).await.unwrap();
    let key = keys::run_results(older.parse().unwrap());
    let doc = json_of(&app.resources.table.get(&key).await.unwrap().unwrap()).unwrap();
    let (before, rest) = doc.split_once(r#","history":"#).unwrap();
    let rest = &rest[rest.find('}').unwrap() + 1..];
    let rest = &rest[rest.find('}').unwrap() + 1..];
    let change = ItemUpdate::new("SET doc = :doc").with(":doc", text(format!("{before}{rest}")));
    app.resources.table.update(&key, change, None).await.unwrap();
    let found = history(&app, &ana, "L-00000").await;
    assert_eq!((&found["loans"], &found["not_looked_at"]), (&json!([]), &json!([older, removed])));
    assert_eq!(found["looked_at"], json!({"runs": 0, "back_to": null}));
    assert_eq!(seen_before(&app, &ana, &Tape::of_good(3)).await, seen(0, 0, 0, 0, 0, 2));
}

#[tokio::test]
async fn at_most_fifty_loans_are_listed_the_newest_first() {
    let (app, ana) = app().await;
    let tape = (0..40).fold(Tape::new(), |tape, _| tape.good("7"));
    let (first, second) = (app.ended(&ana, &tape).await, app.ended(&ana, &tape.good("8")).await);
    let found = history(&app, &ana, "7").await;
    let runs = each(&found["loans"], "run_id");
    assert_eq!((runs.len(), runs[39], runs[40]), (50, &json!(second), &json!(first)));
    assert_eq!(found["looked_at"]["runs"], 2);
}
