//! Runs over the API under a guide: a rule set with grids and programs in files of its folder.

use serde_json::{Value, json};
use stores::storage::StorageBackend as _;

use super::rule_sets::{AGENCY, AGENCY_GRID, LLPA, LTV};
use crate::{
    pipeline_routes::{app, runs},
    support::{
        app::{Person, Tape, TestApp, each},
        runs::{GOOD_CELLS, HEADER},
        shell::TestShell,
    },
};

const NON_QM: &str = "name = \"non_qm\"\n[limits]\nltv_ratio = { max = 92 }\n[[adjustment]]\nname = \"all\"\npoints = -2\n";

/// The product with a guide, its files and a tape of three loans in one folder: a loan to purchase, a condo, and a loan with too high an
/// LTV.
async fn guided() -> (TestApp, Person) {
    let (app, ana) = app().await;
    let tape = Tape::new().good("A").with("C", &[("property_type", "condo")]).with("R", &[("ltv_ratio", "90")]);
    for (name, text) in [("agency.toml", AGENCY), ("ltv.csv", LTV), ("llpa.csv", LLPA), ("tape.csv", tape.text())] {
        app.put(&format!("inputs/march/{name}"), text.to_owned()).await;
    }
    (app, ana)
}

fn wanted() -> Value {
    json!({"folder": "march", "rule_set": "march/agency.toml"})
}

/// Starts a run, executes it, and returns its id.
async fn completed(app: &TestApp, person: &Person, wanted: &Value) -> String {
    let id = app.start(person, wanted).await.expect(202)["run_id"].as_str().unwrap().to_owned();
    app.work().await;
    let run = app.read(person, &format!("/api/runs/{id}")).await;
    assert_eq!(run["status"], "completed", "{run}");
    id
}

#[tokio::test]
async fn the_grids_of_a_rule_set_are_no_tapes_of_its_folder() {
    let (app, ana) = guided().await;
    let id = completed(&app, &ana, &wanted()).await;
    let run = app.read(&ana, &format!("/api/runs/{id}")).await;
    assert_eq!(run["total_loans"], 3);
    assert_eq!(each(&run["column_mapping"], "source_file"), ["tape.csv"]);
    let checked = app.post("/api/rule-sets/check").by(&ana).json(&json!({"path": "march/agency.toml"})).send().await.expect(200);
    let id = json!({"name": checked["name"], "version": checked["version"], "hash": checked["hash"]});
    assert_eq!(run["rule_set"], id);
    // Without the rule set, the files of the folder are tapes.
    let plain = app.start(&ana, &json!({"folder": "march"})).await.expect(202);
    app.work().await;
    let plain = app.read(&ana, &format!("/api/runs/{}", plain["run_id"].as_str().unwrap())).await;
    assert_eq!((&plain["status"], &plain["error"]["source_file"]), (&"failed".into(), &"llpa.csv".into()), "{plain}");
}

#[tokio::test]
async fn loans_show_how_their_prices_came_about() {
    let (app, ana) = guided().await;
    let id = completed(&app, &ana, &wanted()).await;
    let loans = app.read(&ana, &format!("/api/loans?run_id={id}")).await;
    assert_eq!(each(&loans, "disposition"), ["to_purchase", "to_purchase", "rejected"]);
    assert_eq!(each(&loans, "base_price"), [&json!(96.125), &json!(96.125), &Value::Null]);
    assert_eq!(each(&loans, "final_price"), [&json!(95.625), &json!(94.875), &Value::Null]);
    let by_score = json!({"name": "fico_adj", "points": -0.5, "source": "llpa.csv!B3"});
    let condo = json!({"name": "condo", "points": -0.75, "source": "agency.toml:25"});
    assert_eq!(each(&loans, "price_adjustments"), [&json!([by_score]), &json!([condo, by_score]), &json!([])]);
    let exceptions = app.read(&ana, &format!("/api/exceptions?run_id={id}&exception_type=max_ltv")).await;
    let message =
        "LTV 90.00 % is above the maximum 85.00 % of max_ltv (ltv.csv!B3: credit score 700-739, loan amount <= 1,000,000)";
    assert_eq!(each(&exceptions, "message"), [message]);
}

#[tokio::test]
async fn the_pricing_report_is_the_fifth_output() {
    let (app, ana) = guided().await;
    let id = completed(&app, &ana, &wanted()).await;
    let outputs = app.read(&ana, &format!("/api/runs/{id}/notebook-outputs")).await;
    let report = outputs.as_array().unwrap().iter().find(|output| output["key"] == "pricing_report").unwrap();
    assert_eq!(
        (outputs.as_array().unwrap().len(), &report["name"], &report["rows"]),
        (5, &"pricing_report.csv".into(), &2.into())
    );
    let file = app.get(&format!("/api/runs/{id}/notebook-outputs/pricing_report/download")).by(&ana).send().await;
    assert_eq!(file.status, 200);
    let text = file.text();
    assert_eq!(
        text.lines().take(2).collect::<Vec<_>>(),
        [
            "seller_loan_number,disposition,program,base_price,condo,fico_adj,cap,final_price,wal,duration",
            "A,to_purchase,,96.1250,,-0.5000,,95.6250,,",
        ]
    );
    // A run under a rule set without prices has no such output.
    let plain = completed(&app, &ana, &json!({"files": ["march/tape.csv"]})).await;
    assert_eq!(app.read(&ana, &format!("/api/runs/{plain}/notebook-outputs")).await.as_array().unwrap().len(), 4);
    let absent = app.get(&format!("/api/runs/{plain}/notebook-outputs/pricing_report/download")).by(&ana).send().await;
    assert_eq!(absent.status, 404);
}

#[tokio::test]
async fn the_archive_holds_the_files_of_the_rule_set_and_is_replayed_identically() {
    let (app, ana) = guided().await;
    let id = completed(&app, &ana, &wanted()).await;
    let archive = app.read(&ana, &format!("/api/runs/{id}/archive")).await;
    assert_eq!(each(&archive["rules"], "path"), ["rules/agency.toml", "rules/llpa.csv", "rules/ltv.csv"]);
    assert_eq!(each(&archive["input"], "path"), ["input/tape.csv"]);
    let grid = app.get(&format!("/api/runs/{id}/archive/download?path=rules/ltv.csv")).by(&ana).send().await;
    assert_eq!((grid.status.as_u16(), grid.text().as_str()), (200, LTV));
    let zip = app.get(&format!("/api/runs/{id}/archive/download")).by(&ana).send().await;
    let desk = TestShell::new();
    desk.write("archive.zip", &zip.bytes);
    let answer = desk.command(&["replay", "archive.zip"]);
    assert_eq!((answer.code, answer.out.as_str()), (0, "identical\n"), "{}", answer.err);
}

#[tokio::test]
async fn files_that_are_replaced_after_the_start_do_not_change_a_run() {
    let (app, ana) = guided().await;
    let before = app.start(&ana, &wanted()).await.expect(202);
    app.put("inputs/march/ltv.csv", LTV.replace("85", "95")).await;
    app.resources.storage.delete("inputs/march/llpa.csv").await.unwrap();
    app.work().await;
    let id = before["run_id"].as_str().unwrap();
    let loans = app.read(&ana, &format!("/api/loans?run_id={id}")).await;
    assert_eq!(each(&loans, "final_price"), [&json!(95.625), &json!(94.875), &Value::Null]);
    assert_eq!(app.text(&format!("archive/{id}/rules/ltv.csv")).await, LTV);
    // A run that starts now uses the new grid.
    app.put("inputs/march/llpa.csv", LLPA).await;
    let id = completed(&app, &ana, &wanted()).await;
    let loans = app.read(&ana, &format!("/api/loans?run_id={id}")).await;
    assert_eq!(each(&loans, "disposition"), ["to_purchase"; 3]);
}

#[tokio::test]
async fn each_mistake_of_a_rule_set_is_an_error_with_its_file_and_cell() {
    let (app, ana) = guided().await;
    app.put("inputs/march/ltv.csv", LTV.replace("95", "9S").replace("80", "8O")).await;
    app.put("inputs/march/agency.toml", AGENCY.replace("cap = 101", "cap = \"high\"")).await;
    let answer = app.start(&ana, &wanted()).await;
    assert_eq!(answer.problem(422), "invalid_input");
    let errors = answer.json()["errors"].clone();
    assert_eq!(each(&errors, "loc"), [&json!(["body", "rule_set"]); 3], "{errors}");
    let messages: Vec<&str> = each(&errors, "msg").into_iter().map(|message| message.as_str().unwrap()).collect();
    for (message, place) in messages.iter().zip(["line 29: ", "ltv.csv!B2: ", "ltv.csv!C3: "]) {
        assert!(message.starts_with(place), "{messages:?}");
    }
    assert_eq!(runs(&app, &ana).await, 0);
}

#[tokio::test]
async fn of_thousands_of_mistakes_the_first_are_errors_and_the_rest_is_counted() {
    let (app, ana) = guided().await;
    let grids: String = (0..10).map(|at| AGENCY_GRID.replace("max_ltv", &format!("grid_{at}"))).collect();
    app.put("inputs/march/agency.toml", grids).await;
    app.put("inputs/march/ltv.csv", format!("{}\n", "x,".repeat(99)).repeat(100)).await;
    let checked = app.post("/api/rule-sets/check").by(&ana).json(&json!({"path": "march/agency.toml"})).send().await.expect(200);
    let all = checked["mistakes"].as_array().unwrap().len();
    let answer = app.start(&ana, &wanted()).await;
    assert_eq!(answer.problem(422), "invalid_input");
    let errors = answer.json()["errors"].as_array().unwrap().clone();
    assert!(errors.len() == 1_001 && all > 1_001, "{} {all}", errors.len());
    let rest = format!("There are {} more mistakes. `POST /api/rule-sets/check` names all of them.", all - 1_000);
    assert_eq!(errors[1_000]["msg"], rest);
}

#[tokio::test]
async fn loans_exceptions_and_summary_name_the_programs() {
    let (app, ana) = guided().await;
    app.put("inputs/march/best.toml", "name = \"best\"\nprograms = [\"agency.toml\", \"non_qm.toml\"]\n").await;
    app.put("inputs/march/non_qm.toml", NON_QM).await;
    let tape =
        format!("{HEADER}\nA,{GOOD_CELLS}\nR,{}\nX,{}\n", GOOD_CELLS.replace(",80,", ",90,"), GOOD_CELLS.replace(",80,", ",96,"));
    app.put("inputs/march/tape.csv", tape).await;
    let id = completed(&app, &ana, &json!({"folder": "march", "rule_set": "march/best.toml"})).await;
    let loans = app.read(&ana, &format!("/api/loans?run_id={id}")).await;
    assert_eq!(each(&loans, "program"), [&json!("agency"), &json!("non_qm"), &Value::Null]);
    let exceptions = app.read(&ana, &format!("/api/exceptions?run_id={id}")).await;
    let told: Vec<_> = each(&exceptions, "program").into_iter().zip(each(&exceptions, "exception_type")).collect();
    assert_eq!(json!(told), json!([["agency", "max_ltv"], ["agency", "max_ltv"], ["non_qm", "ltv_ratio"]]));
    let summary = app.read(&ana, &format!("/api/summary/{id}")).await;
    assert_eq!(each(&summary["programs"], "name"), ["agency", "non_qm"]);
    assert_eq!(each(&summary["programs"], "eligible"), [1, 2]);
    let archive = app.read(&ana, &format!("/api/runs/{id}/archive")).await;
    let files = ["agency.toml", "best.toml", "llpa.csv", "ltv.csv", "non_qm.toml"];
    assert_eq!(each(&archive["rules"], "path"), files.map(|name| json!(format!("rules/{name}"))).each_ref());
    // A run without programs says nothing of them.
    let plain = completed(&app, &ana, &wanted()).await;
    assert_eq!(app.read(&ana, &format!("/api/summary/{plain}")).await.get("programs"), None);
}

#[tokio::test]
async fn a_run_and_its_summary_show_the_pool_tests() {
    let (app, ana) = guided().await;
    let pool = "[[pool]]\nname = \"condo_share\"\nof = \"all\"\nmeasure = { share = { property_type = [\"condo\"] } }\nmax = 20\nseverity = \"fail\"\n";
    app.put("inputs/march/pooled.toml", format!("name = \"pooled\"\n{pool}")).await;
    for file in ["agency.toml", "ltv.csv", "llpa.csv"] {
        app.resources.storage.delete(&format!("inputs/march/{file}")).await.unwrap();
    }
    for dry_run in [false, true] {
        let wanted = json!({"folder": "march", "rule_set": "march/pooled.toml", "dry_run": dry_run});
        let id = app.start(&ana, &wanted).await.expect(202)["run_id"].as_str().unwrap().to_owned();
        let pending = app.read(&ana, &format!("/api/runs/{id}")).await;
        assert_eq!((&pending["pool_tests"], &pending["pool_status"]), (&json!([]), &Value::Null));
        app.work().await;
        let (run, summary) =
            (app.read(&ana, &format!("/api/runs/{id}")).await, app.read(&ana, &format!("/api/summary/{id}")).await);
        assert_eq!((&run["status"], &run["pool_status"]), (&"completed".into(), &"failed".into()));
        assert_eq!((&run["pool_tests"], &run["pool_status"]), (&summary["pool_tests"], &summary["pool_status"]));
        assert_eq!(run["pool_tests"][0]["value"], 33.3333);
        let listed = app.read(&ana, "/api/runs").await;
        assert_eq!(listed[0]["pool_tests"], run["pool_tests"]);
    }
}
