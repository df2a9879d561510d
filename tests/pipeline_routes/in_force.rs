//! `GET /api/runs/{run_id}/rule-set`.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use shared::{hex::hex, rules::rule_set::RuleSet};
use stores::{
    keys,
    storage::StorageBackend as _,
    table::{ItemUpdate, json_of, text},
};

use super::rule_sets::{AGENCY, LLPA, LTV};
use crate::{
    pipeline_routes::{app, team},
    support::app::{Answer, Person, Tape, TestApp, documented, each, members},
};

async fn rule_set(app: &TestApp, person: &Person, run: &Value) -> Answer {
    app.get(&format!("/api/runs/{}/rule-set", run["run_id"].as_str().unwrap())).by(person).send().await
}

#[tokio::test]
async fn a_run_shows_the_built_in_rules_to_everyone_who_sees_it() {
    let (app, ana) = app().await;
    let (_, wes) = team(&app, "West").await;
    let run = app.start(&wes, &json!({"files": [app.put_tape(&wes, &Tape::of_good(1)).await]})).await.expect(202);
    let shown = rule_set(&app, &wes, &run).await.expect(200);
    assert_eq!(rule_set(&app, &ana, &run).await.expect(200), shown);
    for member in ["name", "version", "hash"] {
        assert_eq!(shown[member], run["rule_set"][member]);
    }
    assert_eq!(shown["rules"], app.read(&wes, "/api/config").await["rule_set"]["rules"]);
    let toml = RuleSet::from_toml(shown["toml"].as_str().unwrap()).unwrap();
    assert_eq!((toml.id().hash.as_str(), &shown["files"]), (shown["hash"].as_str().unwrap(), &json!([])));
    assert_eq!(documented("RunRuleSet"), members(&shown));
}

#[tokio::test]
async fn a_run_shows_what_was_in_force_and_dry_and_failed_runs_do_as_well() {
    let (app, ana) = app().await;
    for (name, text) in [("agency.toml", AGENCY), ("ltv.csv", LTV), ("llpa.csv", LLPA)] {
        app.put(&format!("inputs/guides/{name}"), text.to_owned()).await;
    }
    for (tape, dry_run) in [(Tape::of_good(1), false), (Tape::of_good(1), true), (Tape::new(), false)] {
        let files = [app.put_tape(&ana, &tape).await];
        let wanted = json!({"files": files, "rule_set": "guides/agency.toml", "dry_run": dry_run});
        let run = app.start(&ana, &wanted).await.expect(202);
        let pending = rule_set(&app, &ana, &run).await.expect(200);
        app.put("inputs/guides/agency.toml", "name = \"other\"\n").await;
        app.work().await;
        let shown = rule_set(&app, &ana, &run).await.expect(200);
        assert_eq!(shown, pending);
        for member in ["name", "version", "hash"] {
            assert_eq!(shown[member], run["rule_set"][member]);
        }
        let file = |name: &str, text: &str| json!({"name": name, "size": text.len(), "sha256": hex(&Sha256::digest(text))});
        assert_eq!((&shown["toml"], &shown["files"]), (&json!(AGENCY), &json!([file("llpa.csv", LLPA), file("ltv.csv", LTV)])));
        let kinds = each(&shown["rules"], "kind");
        assert!(kinds.contains(&&json!("grid")) && kinds.contains(&&json!("built_in")), "{kinds:?}");
        app.put("inputs/guides/agency.toml", AGENCY).await;
    }
}

#[tokio::test]
async fn a_team_sees_no_rule_set_but_the_built_in_one() {
    let (app, ana) = app().await;
    let (west, wes) = team(&app, "West").await;
    app.put("inputs/strict.toml", "name = \"strict\"\n").await;
    let files = [app.put_tape(&ana, &Tape::of_good(1)).await];
    let run = app.start(&ana, &json!({"files": files, "rule_set": "strict.toml", "sales_team_id": west.id})).await.expect(202);
    assert_eq!(rule_set(&app, &wes, &run).await.problem(403), "forbidden");
    rule_set(&app, &ana, &run).await.expect(200);
    let (_, eve) = team(&app, "East").await;
    assert_eq!(rule_set(&app, &eve, &run).await.problem(404), "not_found");
}

#[tokio::test]
async fn a_rule_set_that_is_not_there_is_said_to_be_gone_or_never_kept() {
    let (app, ana) = app().await;
    let files = [app.put_tape(&ana, &Tape::of_good(1)).await];
    let run = app.start(&ana, &json!({"files": files})).await.expect(202);
    let id = run["run_id"].as_str().unwrap();
    app.resources.storage.delete(&format!("results/{id}/rule_set.json")).await.unwrap();
    assert_eq!(rule_set(&app, &ana, &run).await.problem(410), "results_gone");
    let key = keys::run_request(id.parse().unwrap());
    let doc = json_of(&app.resources.table.get(&key).await.unwrap().unwrap()).unwrap();
    let mut older: Value = serde_json::from_str(&doc).unwrap();
    older.as_object_mut().unwrap().remove("shown_rules");
    let older = ItemUpdate::new("SET doc = :doc").with(":doc", text(older.to_string()));
    app.resources.table.update(&key, older, None).await.unwrap();
    assert_eq!(rule_set(&app, &ana, &run).await.problem(404), "rule_set_not_kept");
}
