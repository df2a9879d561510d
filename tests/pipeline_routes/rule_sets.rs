//! `POST /api/rule-sets/check`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use shared::rules::rule_set::RuleSet;

use crate::{
    pipeline_routes::{app, runs, team},
    support::app::{Answer, Person, TestApp, documented, each, members},
};

/// A rule set with a rule, an adjustment and two grids.
pub const AGENCY: &str = r#"
name = "agency"
version = "7"
[rules]
cltv_consistency = true
note_rate_range = false
[applies]
dti_ratio = { unless = { documentation_type = ["dscr"] } }
[[rule]]
name = "florida_condo"
when = { property_type = ["condo"], property_state = ["FL"] }
require = { ltv_ratio = { max = 75.0 } }
hard_from = "2027-01-01"
missing = "fail"
[[grid]]
name = "max_ltv"
file = "ltv.csv"
rows = "credit_score"
columns = "loan_amount"
gives = { max = "ltv_ratio" }
[[grid]]
name = "fico_adj"
file = "llpa.csv"
[[adjustment]]
name = "condo"
when = { property_type = ["condo"] }
points = -0.75
[pricing]
cap = 101
"#;
/// A grid of limits alone.
pub const AGENCY_GRID: &str = "[[grid]]\nname = \"max_ltv\"\nfile = \"ltv.csv\"\nrows = \"credit_score\"\n\
                           columns = \"loan_amount\"\ngives = { max = \"ltv_ratio\" }\n";
pub const LTV: &str = "score by amount,\"<= 1,000,000\",\"<= 2,000,000\"\n740+,95,85\n700-739,85,80\n";
pub const LLPA: &str = "credit_score,adjustment\n740+,0.25\n700-739,-0.5\n";

async fn check(app: &TestApp, person: &Person, wanted: &Value) -> Answer {
    app.post("/api/rule-sets/check").by(person).json(wanted).send().await
}

/// The body with a rule set and its files.
fn given(toml: &str, files: &[(&str, &str)]) -> Value {
    let files: serde_json::Map<String, Value> =
        files.iter().map(|(name, text)| ((*name).to_owned(), STANDARD.encode(text).into())).collect();
    json!({"toml": toml, "files": files})
}

/// The one error of an answer: where it is, and what it says.
fn error(answer: &Answer) -> (Value, String) {
    assert_eq!(answer.problem(422), "invalid_input");
    let errors = answer.json()["errors"].as_array().unwrap().clone();
    assert_eq!(errors.len(), 1, "{errors:?}");
    (errors[0]["loc"].clone(), errors[0]["msg"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_rule_set_without_mistakes_is_named_and_its_rules_are_listed_in_the_order_of_reports() {
    let (app, ana) = app().await;
    let checked = check(&app, &ana, &given(AGENCY, &[("ltv.csv", LTV), ("llpa.csv", LLPA)])).await.expect(200);
    assert_eq!(members(&checked), documented("RuleSetCheck"));
    assert_eq!((&checked["valid"], &checked["name"], &checked["version"]), (&true.into(), &"agency".into(), &"7".into()));
    assert_eq!(checked["hash"].as_str().unwrap().len(), 64);
    assert_eq!((&checked["mistakes"], &checked["notices"]), (&json!([]), &json!([])));
    let rules = checked["rules"].as_array().unwrap();
    let own = ["cltv_consistency", "florida_condo", "max_ltv", "condo", "fico_adj"];
    assert_eq!(each(&checked["rules"], "name")[9..], own);
    assert!(!each(&checked["rules"], "name").contains(&&"note_rate_range".into()));
    let kinds = ["consistency", "rule", "grid", "adjustment", "adjustment_grid"];
    assert_eq!(each(&checked["rules"], "kind")[8..], [&["built_in"], &kinds[..]].concat());
    assert_eq!((&rules[2]["name"], &rules[2]["unless"]), (&"dti_ratio".into(), &"documentation_type dscr".into()));
    assert_eq!(
        rules[10],
        json!({
            "name": "florida_condo", "kind": "rule", "exception_type": "florida_condo", "field": "ltv_ratio", "limit": "ltv_ratio <= 75",
            "severity": "hard", "exception_category": "credit", "rejection_criteria": "guide.florida_condo",
            "hard_from": "2027-01-01", "when": "property_type condo, and property_state FL", "missing": "fail",
        })
    );
    assert_eq!(
        rules[11],
        json!({
            "name": "max_ltv", "kind": "grid", "exception_type": "max_ltv", "field": "ltv_ratio", "limit": "a cell of max_ltv",
            "severity": "hard", "exception_category": "credit", "rejection_criteria": "guide.max_ltv", "missing": "hold",
            "gives": "max ltv_ratio, by credit_score (rows) and loan_amount (columns)", "source": "ltv.csv",
        })
    );
    let none = json!({
        "exception_type": null, "field": null, "limit": null, "severity": null, "exception_category": null,
        "rejection_criteria": null, "missing": "hold",
    });
    let adjusts = |more: Value| -> Value {
        let members = none.as_object().unwrap().clone().into_iter().chain(more.as_object().unwrap().clone());
        Value::Object(members.collect())
    };
    let condo = json!({"name": "condo", "kind": "adjustment", "when": "property_type condo", "points": -0.75, "source": "unnamed.toml:25"});
    assert_eq!(rules[12], adjusts(condo));
    let gives = "adjustment, by credit_score, of the first row that fits";
    let grid = json!({"name": "fico_adj", "kind": "adjustment_grid", "gives": gives, "source": "llpa.csv"});
    assert_eq!(rules[13], adjusts(grid));
    assert_eq!(runs(&app, &ana).await, 0);
}

#[tokio::test]
async fn a_check_lists_rules_as_the_configuration_lists_them() {
    let (app, ana) = app().await;
    let checked = check(&app, &ana, &json!({"toml": ""})).await.expect(200);
    let config = app.read(&ana, "/api/config").await;
    assert_eq!(checked["rules"], config["rule_set"]["rules"]);
    assert_eq!(checked["hash"], config["rule_set"]["hash"]);
    assert_eq!((&checked["name"], &checked["version"]), (&"unnamed".into(), &"unversioned".into()));
}

#[tokio::test]
async fn every_mistake_is_listed_with_its_line_or_cell() {
    let (app, ana) = app().await;
    let toml = AGENCY.replace("cap = 101", "cap = \"high\"").replace("hard_from = \"2027-01-01\"", "hard_from = \"soon\"");
    let ltv = LTV.replace("95", "9S");
    let checked = check(&app, &ana, &given(&toml, &[("ltv.csv", &ltv)])).await.expect(200);
    assert_eq!(checked["valid"], false);
    for nothing in ["name", "version", "hash"] {
        assert_eq!(checked[nothing], Value::Null, "{nothing}");
    }
    assert_eq!((&checked["rules"], &checked["notices"]), (&json!([]), &json!([])));
    let mistakes = checked["mistakes"].as_array().unwrap();
    assert_eq!(members(&mistakes[0]), documented("RuleSetMistake"));
    let places: Vec<[&Value; 4]> =
        mistakes.iter().map(|of| ["file", "line", "sheet", "cell"].map(|member| &of[member])).collect();
    let line = |line: usize| [Value::Null, line.into(), Value::Null, Value::Null];
    let cell = ["ltv.csv".into(), Value::Null, Value::Null, "B2".into()];
    let expected = [line(13), line(23), line(29), cell];
    assert_eq!(places, expected.iter().map(|place| place.each_ref()).collect::<Vec<_>>(), "{mistakes:?}");
    assert!(mistakes[1]["message"].as_str().unwrap().contains("there is no file llpa.csv"), "{mistakes:?}");
    // A text that is not TOML is a mistake of the rule set, and no fault of the request.
    let broken = check(&app, &ana, &json!({"toml": "[limits"})).await.expect(200);
    assert_eq!((&broken["valid"], &broken["mistakes"][0]["line"]), (&false.into(), &1.into()));
}

#[tokio::test]
async fn a_rule_set_in_the_inputs_is_checked_with_the_files_of_its_folder() {
    let (app, ana) = app().await;
    for (name, text) in [("agency.toml", AGENCY), ("ltv.csv", LTV), ("llpa.csv", LLPA)] {
        app.put(&format!("inputs/rules/{name}"), text).await;
    }
    let at = check(&app, &ana, &json!({"path": "rules/agency.toml"})).await.expect(200);
    let sent = check(&app, &ana, &given(AGENCY, &[("ltv.csv", LTV), ("llpa.csv", LLPA)])).await.expect(200);
    assert_eq!((&at["valid"], &at["hash"]), (&true.into(), &sent["hash"]));
    app.put("inputs/elsewhere/agency.toml", AGENCY).await;
    let alone = check(&app, &ana, &json!({"path": "elsewhere/agency.toml"})).await.expect(200);
    assert_eq!((&alone["valid"], alone["mistakes"].as_array().unwrap().len()), (&false.into(), 2));
    assert_eq!(check(&app, &ana, &json!({"path": "absent.toml"})).await.problem(404), "not_found");
    assert_eq!(check(&app, &ana, &json!({"path": "../outputs/x.toml"})).await.status, 400);
    app.put("inputs/large.toml", " ".repeat(64 * 1024 + 1)).await;
    let (place, message) = error(&check(&app, &ana, &json!({"path": "large.toml"})).await);
    assert!(place == json!(["body", "path"]) && message.contains("at most 65536"), "{place} {message}");
}

#[tokio::test]
async fn the_rules_of_programs_are_listed_with_the_name_of_their_program() {
    let (app, ana) = app().await;
    let files = [
        ("agency.toml", AGENCY),
        ("other.toml", "name = \"other\"\n[rules]\nloan_purpose = false\n"),
        ("ltv.csv", LTV),
        ("llpa.csv", LLPA),
    ];
    let checked = check(&app, &ana, &given("programs = [\"other.toml\", \"agency.toml\"]", &files)).await.expect(200);
    assert_eq!(checked["valid"], true, "{checked}");
    let programs = each(&checked["rules"], "program");
    assert_eq!(programs, [["other"; 9].to_vec(), ["agency"; 14].to_vec()].concat());
    // A mistake names the file of the program.
    let broken = [("agency.toml", "name = \"agency\"\n[limits]\nltv = 1\n")];
    let checked = check(&app, &ana, &given("programs = [\"agency.toml\"]", &broken)).await.expect(200);
    let mistake = &checked["mistakes"][0];
    assert_eq!((&mistake["file"], &mistake["line"]), (&"agency.toml".into(), &3.into()), "{checked}");
}

#[tokio::test]
async fn what_looks_odd_is_a_notice_and_no_mistake() {
    let (app, ana) = app().await;
    let toml = "name = \"p\"\n[[grid]]\nname = \"overlap\"\nfile = \"llpa.csv\"\npolicy = \"unique\"\n";
    let files = [("p.toml", toml), ("llpa.csv", "credit_score,adjustment\n700+,0.25\n720+,0.5\n")];
    let notice = "overlap: a loan can fit the rows of llpa.csv!A2 and llpa.csv!A3, and would be held";
    let checked = check(&app, &ana, &given(toml, &files)).await.expect(200);
    assert_eq!((&checked["valid"], &checked["notices"]), (&true.into(), &json!([notice])));
    let checked = check(&app, &ana, &given("programs = [\"p.toml\"]", &files)).await.expect(200);
    assert_eq!((&checked["valid"], &checked["notices"]), (&true.into(), &json!([format!("p: {notice}")])));
}

#[tokio::test]
async fn a_request_names_either_a_text_or_a_path() {
    let (app, ana) = app().await;
    for (wanted, member) in [
        (json!({}), "toml"),
        (json!({"toml": null, "path": null}), "toml"),
        (json!({"files": {}}), "toml"),
        (json!({"toml": "", "path": "x.toml"}), "path"),
        (json!({"path": "x.toml", "files": {}}), "files"),
        (json!({"toml": 7}), "toml"),
        (json!({"toml": " ".repeat(64 * 1024 + 1)}), "toml"),
        (json!({"toml": "", "files": []}), "files"),
        (json!({"toml": "", "rule_set": "x"}), "rule_set"),
    ] {
        assert_eq!(error(&check(&app, &ana, &wanted).await).0, json!(["body", member]), "{member}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_taken_is_named() {
    let (app, ana) = app().await;
    for (name, content, part) in [
        ("llpa.csv", json!("no base64!"), "Base64"),
        ("llpa.csv", json!("YQ=\n="), "Base64"),
        ("llpa.csv", json!(7), "Expected text"),
        ("../llpa.csv", json!("YQ=="), "is a path"),
        ("a\\llpa.csv", json!("YQ=="), "is a path"),
        (".llpa.csv", json!("YQ=="), "begins with a dot"),
    ] {
        let (place, message) = error(&check(&app, &ana, &json!({"toml": "", "files": {name: content}})).await);
        assert_eq!(place, json!(["body", "files", name]));
        assert!(message.contains(part), "{message}");
    }
    let many: serde_json::Map<String, Value> = (0..1_021).map(|at| (format!("{at}.csv"), "".into())).collect();
    let (place, message) = error(&check(&app, &ana, &json!({"toml": "", "files": many})).await);
    assert!(place == json!(["body", "files"]) && message.contains("at most 1020 files"), "{place} {message}");
    // A path that the rule set names is a mistake of the rule set.
    let toml = AGENCY.replace("ltv.csv", "../ltv.csv");
    let checked = check(&app, &ana, &given(&toml, &[("llpa.csv", LLPA)])).await.expect(200);
    assert_eq!((&checked["valid"], &checked["mistakes"][0]["line"]), (&false.into(), &17.into()), "{checked}");
    let large = json!({"toml": "", "files": {"a.csv": "A".repeat(1024 * 1024)}});
    assert_eq!(check(&app, &ana, &large).await.status, 413);
}

#[tokio::test]
async fn an_answer_that_is_too_long_for_a_lambda_is_refused() {
    let (app, ana) = app().await;
    let grids: String = (0..50).map(|at| AGENCY_GRID.replace("max_ltv", &format!("grid_{at}"))).collect();
    let grid = format!("{}\n", "x,".repeat(99)).repeat(100);
    let programs: Vec<String> = (0..4).map(|at| format!("p{at}.toml")).collect();
    let files: Vec<(&str, &str)> = programs.iter().map(|name| (name.as_str(), grids.as_str())).collect();
    let wanted = given(&format!("programs = {programs:?}"), &[&files[..], &[("ltv.csv", &grid)]].concat());
    let here = check(&app, &ana, &wanted).await;
    assert_eq!((here.status.as_u16(), here.bytes.len() > 6_000_000), (200, true), "{}", here.bytes.len());
    let answer = check(&app.on_lambda(), &ana, &wanted).await;
    assert_eq!(answer.problem(413), "too_large");
    assert!(answer.text().contains("loan-engine rules check"), "{}", answer.text());
}

#[tokio::test]
async fn a_member_of_a_team_checks_no_rule_sets() {
    let (app, _) = app().await;
    let (_, wes) = team(&app, "West").await;
    for wanted in [json!({"toml": ""}), json!({"path": "absent.toml"})] {
        assert_eq!(check(&app, &wes, &wanted).await.problem(403), "forbidden", "{wanted}");
    }
}

#[tokio::test]
async fn a_check_takes_the_turn_of_an_export() {
    let (mut app, ana) = app().await;
    app = app.started_anew(|resources| resources.export_turns = stores::export_turns::ExportTurns::new(1));
    let turn = app.resources.export_turns.take().await.unwrap();
    let waiting = json!({"toml": ""});
    let mut asked = Box::pin(check(&app, &ana, &waiting));
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), &mut asked).await;
    assert!(early.is_err());
    drop(turn);
    asked.await.expect(200);
}

#[test]
fn the_listing_has_every_rule_of_the_built_in_rule_set() {
    let built_in = RuleSet::built_in();
    let listed: Vec<String> = built_in.listing().into_iter().map(|rule| rule.name).collect();
    let rules: Vec<String> = built_in.rules().iter().map(|rule| rule.exception_type().name().to_owned()).collect();
    assert_eq!(listed, rules);
}
