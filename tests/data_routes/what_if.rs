//! `POST /api/runs/{run_id}/what-if`.

use serde_json::{Value, json};
use stores::storage::StorageBackend as _;

use crate::{
    data_routes::{app, member, mixed},
    support::app::{Person, Tape, TestApp, documented, members},
};

async fn asked(app: &TestApp, person: &Person, id: &str, question: &Value) -> Value {
    app.post(&format!("/api/runs/{id}/what-if")).by(person).json(question).send().await.expect(200)
}

#[tokio::test]
async fn a_what_if_says_which_loans_move_and_what_they_cost() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    let before = app.read(&ana, &format!("/api/summary/{id}")).await;
    let answer = asked(&app, &ana, &id, &json!({"changes": {"limits": {"ltv_ratio": {"max": 98}}}})).await;
    // Loan A fails only its LTV with a hard rule.
    assert_eq!(answer["moves"]["rejected"]["to_purchase"], json!({"count": 1, "balance": 250_000}));
    assert_eq!((&answer["before"]["to_purchase"]["count"], &answer["after"]["to_purchase"]["count"]), (&json!(2), &json!(3)));
    assert_eq!(answer["price"], json!({"before": 480_625, "after": 720_937.5}));
    let ltv = answer["by_rule"].as_array().unwrap().iter().find(|rule| rule["exception_type"] == "ltv_ratio").unwrap();
    assert_eq!((&ltv["before"], &ltv["after"], &ltv["program"]), (&json!(1), &json!(0), &Value::Null));
    assert_eq!(answer["sweep"], Value::Null);
    assert!(answer["toml"].as_str().unwrap().contains("ltv_ratio = { max = 98 }"), "{}", answer["toml"]);
    // The question has written nothing.
    assert_eq!(app.read(&ana, &format!("/api/summary/{id}")).await, before);
}

#[tokio::test]
async fn a_question_without_changes_is_the_run_as_it_was() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    let answer = asked(&app, &ana, &id, &json!({})).await;
    assert_eq!(answer["before"], answer["after"]);
    assert_eq!(answer["price"]["before"], answer["price"]["after"]);
    assert_eq!(documented("WhatIf"), members(&answer));
}

#[tokio::test]
async fn a_rule_set_of_the_inputs_and_a_sweep_are_asked_about() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    app.put("inputs/rules/strict.toml", "[limits]\nltv_ratio = { max = 70 }\n".to_owned()).await;
    let question = json!({
        "rule_set": "rules/strict.toml", "irr_target": 6.5,
        "sweep": {"parameter": "limits.ltv_ratio.max", "from": 79.5, "to": 80.5, "step": 0.5}
    });
    let answer = asked(&app, &ana, &id, &question).await;
    assert_eq!(answer["moves"]["to_purchase"]["rejected"]["count"], 2);
    let curve: Vec<[&Value; 3]> = answer["sweep"]["curve"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| [&point["value"], &point["count"], &point["wa_price"]])
        .collect();
    let expected = [[json!(79.5), json!(0), Value::Null], [json!(80), json!(2), json!(100)], [json!(80.5), json!(2), json!(100)]];
    assert_eq!(curve, expected.each_ref().map(|point| point.each_ref()));
    assert_eq!(answer["sweep"]["parameter"], "limits.ltv_ratio.max");
}

#[tokio::test]
async fn each_mistake_of_a_question_is_named_with_its_place() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    let path = format!("/api/runs/{id}/what-if");
    for (question, loc) in [
        (json!({"change": {}}), "body change"),
        (json!({"irr_target": 31}), "body irr_target"),
        (json!({"changes": {"limit": {}}}), "body changes limit"),
        (json!({"changes": {"limits": {"ltv_rato": {"max": 1}}}}), "body changes limits ltv_rato"),
        (json!({"changes": {"limits": {"ltv_ratio": {"max": "high"}}}}), "body changes limits ltv_ratio"),
        (json!({"changes": 3}), "body changes"),
        (json!({"sweep": {"parameter": "irr_target", "from": 0, "to": 1, "step": 1}}), "body sweep irr_target"),
        (json!({"sweep": {"parameter": "irr_target", "from": 2, "to": 1, "step": 1}}), "body sweep"),
        (json!({"sweep": {"parameter": "irr_target", "from": 2, "to": 3}}), "body sweep step"),
        (json!({"sweep": {"parameter": "limits.no.max", "from": 2, "to": 3, "step": 1}}), "body sweep limits no"),
    ] {
        let answer = app.post(&path).by(&ana).json(&question).send().await;
        assert_eq!(answer.problem(422), "invalid_input", "{question}");
        let errors = answer.json()["errors"].clone();
        let place = errors[0]["loc"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect::<Vec<_>>().join(" ");
        assert_eq!(place, loc, "{question}: {errors}");
        assert!(errors[0]["msg"].as_str().unwrap().ends_with(['.', '?']), "{errors}");
    }
    let needs_a_run = json!({"changes": {"fields": {"dscr": {"required": true}}}});
    assert_eq!(app.post(&path).by(&ana).json(&needs_a_run).send().await.problem(422), "needs_a_run");
    app.put("inputs/rules/units.toml", "[units]\naccept_small_percentages = true\n".to_owned()).await;
    let needs_a_run = json!({"rule_set": "rules/units.toml"});
    assert_eq!(app.post(&path).by(&ana).json(&needs_a_run).send().await.problem(422), "needs_a_run");
    let missing = json!({"rule_set": "rules/none.toml"});
    assert_eq!(app.post(&path).by(&ana).json(&missing).send().await.problem(404), "not_found");
}

#[tokio::test]
async fn only_runs_with_loans_answer_and_only_those_who_choose_rules_ask() {
    let (app, ana) = app().await;
    let wes = member(&app, "West").await;
    let question = json!({"irr_target": 7});
    let of_team = app.ended(&wes, &mixed()).await;
    let ask =
        async |person: &Person, id: &str| app.post(&format!("/api/runs/{id}/what-if")).by(person).json(&question).send().await;
    assert_eq!(ask(&wes, &of_team).await.problem(403), "forbidden");
    assert_eq!(ask(&ana, &of_team).await.expect(200)["before"]["to_purchase"]["count"], 2);
    let pending = app.pending(&ana, &mixed()).await;
    assert_eq!(ask(&ana, &pending).await.problem(409), "run_not_completed");
    app.work().await;
    let failed = app.ended(&ana, &Tape::new()).await;
    assert_eq!(ask(&ana, &failed).await.problem(409), "run_not_completed");
    let tape = app.put_tape(&ana, &mixed()).await;
    let dry = app.start(&ana, &json!({"files": [tape], "dry_run": true})).await.expect(202);
    app.work().await;
    assert_eq!(ask(&ana, dry["run_id"].as_str().unwrap()).await.problem(409), "dry_run_keeps_no_loans");
    for id in ["7", "5f0c8d1e-3a77-4b52-9c1e-2f6d8a90b3c4"] {
        assert_eq!(ask(&ana, id).await.problem(404), "not_found");
    }
}

#[tokio::test]
async fn removed_results_answer_no_question() {
    let (app, ana) = app().await;
    for removed in ["index.json", "facts.parquet", "exceptions.parquet"] {
        let id = app.ended(&ana, &mixed()).await;
        app.resources.storage.delete(&format!("results/{id}/{removed}")).await.unwrap();
        let answer = app.post(&format!("/api/runs/{id}/what-if")).by(&ana).json(&json!({})).send().await;
        assert_eq!(answer.problem(410), "results_gone", "{removed}");
    }
}
