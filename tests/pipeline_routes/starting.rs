//! `POST /api/pipeline/run`.

use http::header::HeaderName;
use serde_json::{Value, json};
use shared::rules::rule_set::RuleSet;
use uuid::Uuid;

use crate::{
    pipeline_routes::{app, runs, team},
    support::app::{Fault, INSIDE, Tape, TestApp, each},
};

const PREFER: HeaderName = HeaderName::from_static("prefer");

#[tokio::test]
async fn a_run_is_pending_and_has_its_place_at_once() {
    let (app, ana) = app().await;
    let path = app.put_tape(&ana, &Tape::of_good(1)).await;
    let answer = app.start(&ana, &json!({"files": [path]})).await;
    let run = answer.expect(202);
    let id = run["run_id"].as_str().unwrap();
    assert_eq!((&run["id"], &run["status"], &run["created_by"]), (&run["run_id"], &"pending".into(), &json!(ana.user.id)));
    assert_eq!((&run["irr_target"], &run["pdate"]), (&json!(8.05), &"2026-02-02".into()));
    assert_eq!((&run["run_weekday"], &run["run_weekday_name"]), (&0.into(), &"Monday".into()));
    assert_eq!(run["output_dir"], format!("outputs/{id}"));
    assert_eq!(answer.header("location"), format!("/api/runs/{id}"));
    assert_eq!(app.read(&ana, answer.header("location")).await, run);
}

#[tokio::test]
async fn without_a_body_all_tapes_of_the_root_form_one_run() {
    let (app, ana) = app().await;
    for (key, number) in [("b.csv", "B"), ("a.csv", "A"), ("folder/c.csv", "C")] {
        app.put(&format!("inputs/{key}"), Tape::new().good(number).text().to_owned()).await;
    }
    let run = app.post("/api/pipeline/run").by(&ana).send().await.expect(202);
    app.work().await;
    let loans = app.read(&ana, &format!("/api/loans?run_id={}", run["run_id"].as_str().unwrap())).await;
    assert_eq!(each(&loans, "seller_loan_number"), ["A", "B"]);
    assert_eq!(each(&loans, "source_file"), ["a.csv", "b.csv"]);
}

#[tokio::test]
async fn a_folder_is_run_without_the_folders_in_it() {
    let (app, ana) = app().await;
    for key in ["root.csv", "2026.02/a.csv", "2026.02/more/b.csv"] {
        app.put(&format!("inputs/{key}"), Tape::of_good(1).text().to_owned()).await;
    }
    let run = app.start(&ana, &json!({"folder": "2026.02/", "files": null})).await.expect(202);
    app.work().await;
    let run = app.read(&ana, &format!("/api/runs/{}", run["run_id"].as_str().unwrap())).await;
    assert_eq!(each(&run["column_mapping"], "source_file"), ["a.csv"]);
}

#[tokio::test]
async fn files_are_run_in_the_order_of_their_names() {
    let (app, ana) = app().await;
    for key in ["x/tape.csv", "y/tape.csv"] {
        app.put(&format!("inputs/{key}"), Tape::new().good(key).text().to_owned()).await;
    }
    let run = app.start(&ana, &json!({"files": ["y/tape.csv", "x/tape.csv"]})).await.expect(202);
    app.work().await;
    let loans = app.read(&ana, &format!("/api/loans?run_id={}", run["run_id"].as_str().unwrap())).await;
    assert_eq!(each(&loans, "seller_loan_number"), ["x/tape.csv", "y/tape.csv"]);
}

#[tokio::test]
async fn who_would_rather_wait_gets_the_run_when_it_has_ended() {
    let (app, ana) = app().await;
    let path = app.put_tape(&ana, &Tape::of_good(3)).await;
    let request = app.post("/api/pipeline/run").by(&ana).header(PREFER, "wait=20").json(&json!({"files": [path]}));
    let work = async {
        // The run appears while the request waits.
        while app.work().await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let (answer, ()) = tokio::join!(request.send(), work);
    let run = answer.expect(200);
    assert_eq!((&run["status"], &run["total_loans"]), (&"completed".into(), &3.into()));
    assert_eq!(answer.header("preference-applied"), "wait=20");
    assert_eq!(answer.header("location"), format!("/api/runs/{}", run["run_id"].as_str().unwrap()));
}

#[tokio::test]
async fn a_wait_that_is_over_gives_the_run_as_it_is() {
    let (app, ana) = app().await;
    let path = app.put_tape(&ana, &Tape::of_good(1)).await;
    let request = app.post("/api/pipeline/run").by(&ana).header(PREFER, "wait=0").json(&json!({"files": [path]}));
    assert_eq!(request.send().await.expect(202)["status"], "pending");
}

#[tokio::test]
async fn where_there_is_no_tape_there_is_no_run() {
    let (app, ana) = app().await;
    app.put("inputs/notes.txt", "x").await;
    for wanted in [json!({}), json!({"folder": "nothing"}), json!({"files": ["absent.csv"]}), json!({"folder": "notes.txt"})] {
        let answer = app.start(&ana, &wanted).await;
        assert_eq!(answer.problem(404), "not_found", "{wanted}");
    }
    assert_eq!(runs(&app, &ana).await, 0);
}

#[tokio::test]
async fn paths_lead_nowhere_else() {
    let (app, ana) = app().await;
    app.put("outputs/x.csv", Tape::of_good(1).text().to_owned()).await;
    for path in ["../outputs", "/etc", "a/../../outputs", "C:\\x", "~", "a\u{0}b"] {
        assert_eq!(app.start(&ana, &json!({"folder": path})).await.problem(400), "bad_path", "{path}");
        let files = json!({"files": [format!("{path}/x.csv")]});
        assert_eq!(app.start(&ana, &files).await.problem(400), "bad_path", "{path}");
    }
    app.put("inputs/tape.csv", Tape::of_good(1).text().to_owned()).await;
    let answer = app.start(&ana, &json!({"rule_set": "../outputs/rules.toml"})).await;
    assert_eq!(answer.problem(400), "bad_path");
    assert_eq!(runs(&app, &ana).await, 0);
}

#[tokio::test]
async fn terms_that_cannot_be_are_named() {
    let (app, ana) = app().await;
    let path = app.put_tape(&ana, &Tape::of_good(1)).await;
    for (name, value) in [
        ("pdate", json!("2026-02-30")),
        ("pdate", json!("20260201")),
        ("pdate", json!(20260201)),
        ("irr_target", json!(0)),
        ("irr_target", json!(-1)),
        ("irr_target", json!(30.01)),
        ("irr_target", json!("8.05")),
        ("irr_target", json!([8])),
        ("folder", json!(7)),
        ("files", json!([])),
        ("files", json!("tape.csv")),
        ("files", json!(["notes.pdf"])),
        ("files", json!([path, path])),
        ("sales_team_id", json!("West")),
        ("dry_run", json!("yes")),
        ("more", json!(1)),
    ] {
        let mut wanted = json!({"files": [path]});
        wanted[name] = value;
        let answer = app.start(&ana, &wanted).await;
        assert_eq!(answer.problem(422), "invalid_input", "{wanted}");
        assert_eq!(answer.json()["errors"][0]["loc"].as_array().unwrap()[..2], [json!("body"), json!(name)], "{wanted}");
    }
    let both = app.start(&ana, &json!({"pdate": "soon", "irr_target": 31})).await;
    both.problem(422);
    assert_eq!(each(&both.json()["errors"], "loc"), [&json!(["body", "pdate"]), &json!(["body", "irr_target"])]);
    app.start(&ana, &json!({"files": [path], "folder": "x"})).await.problem(422);
    assert_eq!(runs(&app, &ana).await, 0);
}

#[tokio::test]
async fn bodies_that_are_no_json_are_refused() {
    let (app, ana) = app().await;
    let call = || app.post("/api/pipeline/run").by(&ana);
    assert_eq!(call().body("text/plain", "{}").send().await.problem(415), "unsupported_media_type");
    for text in ["", "{", "[]", "null", "7"] {
        assert_eq!(call().body("application/json", text).send().await.problem(422), "invalid_input", "{text}");
    }
    let large = format!("{{\"folder\": \"{}\"}}", "x".repeat(1024 * 1024));
    assert_eq!(call().body("application/json", large).send().await.problem(413), "too_large");
}

#[tokio::test]
async fn a_target_is_kept_to_its_last_digit() {
    let (app, ana) = app().await;
    let path = app.put_tape(&ana, &Tape::of_good(1)).await;
    let body = format!(r#"{{"files": ["{path}"], "irr_target": 8.123456789012345678901, "pdate": "2024-02-29"}}"#);
    let answer = app.post("/api/pipeline/run").by(&ana).body("application/json", body).send().await;
    assert_eq!(answer.expect(202)["pdate"], "2024-02-29");
    assert!(answer.text().contains(r#""irr_target":8.123456789012345678901,"#), "{}", answer.text());
}

const STRICT: &str = "name = \"strict\"\nversion = \"7\"\n[limits]\nltv_ratio = { max = 60.0 }\n";

#[tokio::test]
async fn a_rule_set_of_ones_own_decides() {
    let (app, ana) = app().await;
    app.put("inputs/rules/strict.toml", STRICT).await;
    let path = app.put_tape(&ana, &Tape::of_good(2)).await;
    let run = app.start(&ana, &json!({"files": [path], "rule_set": "rules/strict.toml"})).await.expect(202);
    let id = RuleSet::from_toml(STRICT).unwrap().id();
    assert_eq!(run["rule_set"], json!({"name": "strict", "version": "7", "hash": id.hash}));
    // A rule set without a name gets the name of its file.
    app.put("inputs/rules/June 2026.toml", "[limits]\nltv_ratio = { max = 6e1 }\n").await;
    let unnamed = app.start(&ana, &json!({"files": [path], "rule_set": "rules/June 2026.toml"})).await.expect(202);
    assert_eq!(unnamed["rule_set"], json!({"name": "June 2026", "version": "unversioned", "hash": id.hash}));
    // Later changes of the file do not affect the run.
    app.put("inputs/rules/strict.toml", "broken").await;
    app.work().await;
    let summary = app.read(&ana, &format!("/api/summary/{}", run["run_id"].as_str().unwrap())).await;
    assert_eq!(summary["eligibility_checks"]["exceptions_by_type"], json!({"ltv_ratio": 2}));
}

#[tokio::test]
async fn a_rule_set_that_cannot_be_used_names_its_line() {
    let (app, ana) = app().await;
    app.put("inputs/tape.csv", Tape::of_good(1).text().to_owned()).await;
    let absent = app.start(&ana, &json!({"rule_set": "absent.toml"})).await;
    assert_eq!(absent.problem(404), "not_found");
    for (text, part) in [
        (b"name = \"x\"\n[limits]\nunknown = { max = 1 }\n".to_vec(), "line 3"),
        (b"name = \"x\"\n[rules]\nltv_ratio = 1\n".to_vec(), "line 3"),
        (b"[limits]\ndti_ratio = { max = 0.43 }\n".to_vec(), "line 2: `max` of dti_ratio: 0.43 means 0.43 %: write 43"),
        (b"\xff\xfe".to_vec(), "UTF-8"),
        (vec![b' '; 64 * 1024 + 1], "at most 65536"),
    ] {
        app.put("inputs/bad.toml", text).await;
        let answer = app.start(&ana, &json!({"rule_set": "bad.toml"})).await;
        assert_eq!(answer.problem(422), "invalid_input");
        let error = &answer.json()["errors"][0];
        assert_eq!(error["loc"], json!(["body", "rule_set"]));
        assert!(error["msg"].as_str().unwrap().contains(part), "{error}");
    }
    assert_eq!(runs(&app, &ana).await, 0);
}

#[tokio::test]
async fn a_member_of_a_team_chooses_neither_rules_nor_team() {
    let (app, _) = app().await;
    let (west, wes) = team(&app, "West").await;
    app.put(&format!("inputs/teams/{}/strict.toml", west.id), STRICT).await;
    let path = app.put_tape(&wes, &Tape::of_good(1)).await;
    for wanted in [json!({"rule_set": "strict.toml"}), json!({"sales_team_id": west.id}), json!({"rule_set": "absent.toml"})] {
        assert_eq!(app.start(&wes, &wanted).await.problem(403), "forbidden", "{wanted}");
    }
    app.start(&wes, &json!({"files": [path], "rule_set": null, "sales_team_id": null})).await.expect(202);
    assert_eq!(runs(&app, &wes).await, 1);
}

#[tokio::test]
async fn a_members_run_is_their_teams_and_reads_their_teams_folder() {
    let (app, _) = app().await;
    let (west, wes) = team(&app, "West").await;
    app.put("inputs/tape.csv", Tape::of_good(5).text().to_owned()).await;
    assert_eq!(app.start(&wes, &json!({})).await.problem(404), "not_found");
    app.start(&wes, &json!({"files": ["tape.csv"]})).await.problem(404);
    app.start(&wes, &json!({"folder": "../.."})).await.problem(400);
    app.put_tape(&wes, &Tape::of_good(1)).await;
    let run = app.start(&wes, &json!({})).await.expect(202);
    assert_eq!(run["sales_team_id"], json!(west.id));
    app.work().await;
    assert_eq!(app.read(&wes, &format!("/api/runs/{}", run["run_id"].as_str().unwrap())).await["total_loans"], 1);
}

#[tokio::test]
async fn an_analyst_starts_a_run_for_a_team_that_exists() {
    let (app, ana) = app().await;
    let (west, wes) = team(&app, "West").await;
    let path = app.put_tape(&ana, &Tape::of_good(1)).await;
    let unknown = app.start(&ana, &json!({"files": [path], "sales_team_id": Uuid::new_v4()})).await;
    assert_eq!(unknown.problem(404), "not_found");
    assert_eq!(runs(&app, &ana).await, 0);
    let run = app.start(&ana, &json!({"files": [path], "sales_team_id": west.id})).await.expect(202);
    assert_eq!(app.read(&wes, &format!("/api/runs/{}", run["run_id"].as_str().unwrap())).await, run);
}

#[tokio::test]
async fn a_dry_run_keeps_its_summary_alone() {
    let (app, ana) = app().await;
    let path = app.put_tape(&ana, &Tape::of_good(1).with("bad", &[("ltv_ratio", "99")])).await;
    let run = app.start(&ana, &json!({"files": [path], "dry_run": true})).await.expect(202);
    app.work().await;
    let id = run["run_id"].as_str().unwrap();
    let run = app.read(&ana, &format!("/api/runs/{id}")).await;
    assert_eq!((&run["status"], &run["output_dir"], &run["exceptions_count"]), (&"completed".into(), &Value::Null, &1.into()));
    assert_eq!(app.read(&ana, &format!("/api/summary/{id}")).await["total_loans"], 2);
    assert_eq!(app.read(&ana, &format!("/api/loans?run_id={id}")).await, json!([]));
    assert_eq!(app.read(&ana, &format!("/api/exceptions?run_id={id}")).await, json!([]));
    assert_eq!(app.read(&ana, &format!("/api/runs/{id}/notebook-outputs")).await, json!([]));
    let archive = app.read(&ana, &format!("/api/runs/{id}/archive")).await;
    assert_eq!(archive, json!({"input": [], "output": [], "manifest": null}));
    let kept: Vec<String> = app.objects("").await.into_keys().filter(|key| !key.starts_with("inputs/")).collect();
    let results = ["column_mapping.json", "findings.json", "rule_set.json"].map(|name| format!("results/{id}/{name}"));
    assert_eq!(kept, [&[format!("requests/{id}.json")], results.as_slice()].concat());
}

#[tokio::test]
async fn stores_that_fail_leave_no_half_made_run() {
    let (app, ana) = app().await;
    let path = app.put_tape(&ana, &Tape::of_good(1)).await;
    app.bucket_outage.begin(Fault::Broken);
    let answer = app.start(&ana, &json!({"files": [path]})).await;
    assert_eq!(answer.problem(503), "unavailable");
    assert!(!answer.header("retry-after").is_empty() && !answer.text().contains(INSIDE), "{}", answer.text());
    app.bucket_outage.end();
    assert_eq!(runs(&app, &ana).await, 0);
    assert!(app.work().await.is_empty());
}

/// A body that names one tape.
pub async fn one_tape(app: &TestApp, person: &crate::support::app::Person) -> Value {
    json!({"files": [app.put_tape(person, &Tape::of_good(1)).await]})
}

#[tokio::test]
async fn a_profile_and_a_map_say_how_tapes_are_read() {
    let (app, ana) = app().await;
    app.put("inputs/t.csv", "Loan,UPB,Other,Rate,LTV,DTI,FICO,T,Occ,Purpose\n1,250000,90000,6.5,80,35,720,1,P,P\n").await;
    app.put(
        "inputs/p/acme.toml",
        "version = \"7\"\n[columns]\nproperty_type = { header = \"T\", words = { \"1\" = \"sfr\" } }\n",
    )
    .await;
    let wanted = json!({"files": ["t.csv"], "profile": "p/acme.toml", "map": {"loan_amount": "Other"}});
    let run = app.start(&ana, &wanted).await.expect(202);
    assert_eq!((&run["profile"]["name"], &run["profile"]["version"]), (&"acme".into(), &"7".into()));
    app.work().await;
    let id = run["run_id"].as_str().unwrap();
    let run = app.read(&ana, &format!("/api/runs/{id}")).await;
    assert_eq!((&run["status"], &run["total_balance"]), (&"completed".into(), &90_000.into()), "{run}");
    let manifest: Value = serde_json::from_str(&app.text(&format!("archive/{id}/manifest.json")).await).unwrap();
    assert_eq!(manifest["reading"]["map"], json!([["loan_amount", "Other"]]));
    assert_eq!(manifest["reading"]["profile"]["called"], "acme");
}

#[tokio::test]
async fn a_profile_or_a_map_that_cannot_be_used_is_refused() {
    let (app, ana) = app().await;
    app.put("inputs/t.csv", Tape::of_good(1).text().to_owned()).await;
    app.put("inputs/bad.toml", "\n[columns]\nlone_amount = \"UPB\"\n").await;
    let refused = async |wanted: Value, status: u16, expected: &str| {
        let answer = app.start(&ana, &wanted).await;
        answer.problem(status);
        assert!(answer.text().contains(expected), "{wanted}: {}", answer.text());
    };
    refused(json!({"profile": "absent.toml"}), 404, "The profile does not exist.").await;
    refused(json!({"profile": "bad.toml"}), 422, "line 3: there is no field `lone_amount`").await;
    refused(json!({"map": {"amount": "UPB"}}), 422, "There is no field `amount`.").await;
    refused(json!({"map": {"loan_amount": " "}}), 422, "The header for `loan_amount` is empty.").await;
    let (_, wes) = team(&app, "West").await;
    for wanted in [json!({"profile": "asf_rmbs"}), json!({"map": {"loan_amount": "UPB"}}), json!({"sheet": "Loans"})] {
        app.start(&wes, &wanted).await.problem(403);
    }
}
