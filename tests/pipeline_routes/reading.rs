//! How runs over the API read tapes: text files, other files, the profile of a folder; and `POST /api/tapes/inspect`.

use serde_json::{Value, json};
use shared::auth::permission::Role;
use stores::storage::StorageBackend as _;

use crate::{
    pipeline_routes::{app, team},
    support::app::{Answer, Fault, Person, Tape, TestApp},
};

const PROFILE: &str = "name = \"acme\"\n[columns]\nloan_amount = { header = \"Amount (000)\", times = 1000 }\n[constants]\nloan_purpose = \"purchase\"\n";
const TAPE: &str = "Loan,Amount (000),Rate,LTV,DTI,Score,Property Type,Occupancy\nA-1,250,6.5,80,35,720,SFR,P\n";

/// Starts a run, executes it to its end and returns it.
async fn ended(app: &TestApp, person: &Person, wanted: &Value) -> Value {
    let run = app.start(person, wanted).await.expect(202);
    app.work().await;
    app.read(person, &format!("/api/runs/{}", run["run_id"].as_str().unwrap())).await
}

async fn inspected(app: &TestApp, person: &Person, wanted: &Value) -> Answer {
    app.post("/api/tapes/inspect").by(person).json(wanted).send().await
}

#[tokio::test]
async fn a_folder_names_what_it_does_not_read_and_reads_texts_with_a_header_row() {
    let (app, ana) = app().await;
    for (name, text) in [
        ("a.csv", Tape::new().good("A").text()),
        ("b.txt", Tape::new().good("B").text()),
        ("c.TSV", &Tape::new().good("C").text().replace(',', "\t")),
        ("notes.txt", "Dear buyer"),
        ("nothing.txt", ""),
        ("offer.pdf", "%PDF-1.7"),
        (".hidden.csv", "x"),
        ("~$a.xlsx", "x"),
    ] {
        app.put(&format!("inputs/march/{name}"), text.to_owned()).await;
    }
    let run = ended(&app, &ana, &json!({"folder": "march"})).await;
    assert_eq!((&run["status"], &run["total_loans"]), (&"completed".into(), &3.into()), "{run}");
    assert_eq!(run["notice_counts"], json!({"file_not_read": 3}));
    let named: Vec<&str> = run["notices"].as_array().unwrap().iter().map(|of| of["source_file"].as_str().unwrap()).collect();
    assert_eq!(named, ["notes.txt", "nothing.txt", "offer.pdf"]);
    // A run reads a text file as a tape if the request names the file.
    let run = ended(&app, &ana, &json!({"files": ["march/notes.txt"]})).await;
    assert_eq!(run["error"]["code"], "no_header");
    app.start(&ana, &json!({"files": ["march/.hidden.csv"]})).await.expect(422);
    app.put("inputs/texts/notes.txt", "Dear buyer").await;
    app.start(&ana, &json!({"folder": "texts"})).await.expect(404);
}

#[tokio::test]
async fn a_folder_is_read_as_its_profile_says_when_the_run_is_made() {
    let (app, ana) = app().await;
    app.put("inputs/march/profile.toml", PROFILE).await;
    app.put("inputs/march/t.csv", TAPE).await;
    app.put("inputs/april/u.csv", TAPE).await;
    let started = app.start(&ana, &json!({"folder": "march"})).await.expect(202);
    assert_eq!(started["profile"]["name"], "acme");
    app.resources.storage.delete("inputs/march/profile.toml").await.unwrap();
    app.work().await;
    let run = app.read(&ana, &format!("/api/runs/{}", started["run_id"].as_str().unwrap())).await;
    assert_eq!((&run["status"], &run["total_balance"]), (&"completed".into(), &250_000.into()), "{run}");
    app.put("inputs/march/profile.toml", PROFILE).await;
    let run = ended(&app, &ana, &json!({"files": ["march/t.csv"]})).await;
    assert_eq!(run["total_balance"], 250_000);
    // A profile that the request names wins over the profile of the folder.
    app.put("inputs/other.toml", PROFILE.replace("acme", "other").replace("1000", "100")).await;
    let run = ended(&app, &ana, &json!({"folder": "march", "profile": "other.toml"})).await;
    assert_eq!((&run["profile"]["name"], &run["total_balance"]), (&"other".into(), &25_000.into()));
    let several = app.start(&ana, &json!({"files": ["march/t.csv", "april/u.csv"]})).await.expect(422);
    assert!(several.to_string().contains("several folders"), "{several}");
    app.put("inputs/march/profile.toml", "[columns]\nlone_amount = 1\n").await;
    let broken = app.start(&ana, &json!({"folder": "march"})).await.expect(422);
    assert!(broken.to_string().contains("line 2: there is no field `lone_amount`"), "{broken}");
}

#[tokio::test]
async fn a_member_of_a_team_runs_by_the_profile_of_the_teams_folder_and_cannot_choose() {
    let (app, _) = app().await;
    let (west, walt) = team(&app, "West").await;
    let folder = format!("inputs/teams/{}", west.id);
    app.put(&format!("{folder}/profile.toml"), PROFILE).await;
    app.put(&format!("{folder}/t.csv"), TAPE).await;
    let run = ended(&app, &walt, &json!({})).await;
    assert_eq!((&run["profile"]["name"], &run["total_balance"]), (&"acme".into(), &250_000.into()));
    app.start(&walt, &json!({"profile": "profile.toml"})).await.expect(403);
}

#[tokio::test]
async fn an_inspection_says_how_a_run_would_read_a_tape_and_stores_nothing() {
    let (app, ana) = app().await;
    app.put("inputs/march/t.csv", TAPE).await;
    let before = app.objects("").await;
    let bare = inspected(&app, &ana, &json!({"path": "march/t.csv"})).await.expect(200);
    assert_eq!((&bare["rows"], &bare["error"]["code"]), (&1.into(), &"missing_columns".into()), "{bare}");
    assert_eq!(bare["missing"], json!([{"field": "loan_amount", "closest": ["Amount (000)"]}]));
    let map = json!({"path": "march/t.csv", "map": {"loan_amount": "Amount (000)"}});
    let mapped = inspected(&app, &ana, &map).await.expect(200);
    assert_eq!((&mapped["error"], &mapped["mapping"]["columns"][1]["origin"]), (&Value::Null, &"map".into()));
    assert_eq!(mapped["columns"][1]["samples"], json!([{"written": "250", "read": "250"}]));
    assert_eq!(app.objects("").await, before);
    app.put("inputs/march/profile.toml", PROFILE).await;
    let profiled = inspected(&app, &ana, &json!({"path": "march/t.csv"})).await.expect(200);
    assert_eq!(profiled["columns"][1]["samples"], json!([{"written": "250", "read": "250000"}]));
    let preset = json!({"path": "march/t.csv", "profile": "fannie_sflp"});
    assert_eq!(inspected(&app, &ana, &preset).await.expect(200)["error"]["code"], "profile_header_absent");
    assert_eq!(app.work().await, []);
}

#[tokio::test]
async fn who_may_read_a_tape_may_inspect_it_and_nobody_else() {
    let (app, ana) = app().await;
    let ((west, walt), (_, edna)) = (team(&app, "West").await, team(&app, "East").await);
    app.put(&format!("inputs/teams/{}/t.csv", west.id), TAPE).await;
    let wanted = json!({"path": "t.csv", "map": {"loan_amount": "Amount (000)"}});
    assert_eq!(inspected(&app, &walt, &wanted).await.expect(200)["rows"], 1);
    inspected(&app, &edna, &wanted).await.expect(404);
    inspected(&app, &edna, &json!({"path": format!("../{}/t.csv", west.id)})).await.expect(400);
    inspected(&app, &ana, &json!({"path": format!("teams/{}/t.csv", west.id)})).await.expect(200);
    let viewer = app.person("nell", Role::SalesTeam, None).await;
    inspected(&app, &viewer, &wanted).await.expect(403);
}

#[tokio::test]
async fn what_cannot_be_inspected_is_named() {
    let (app, ana) = app().await;
    app.put("inputs/offer.pdf", "%PDF-1.7\n").await;
    app.put("inputs/t.csv", TAPE).await;
    app.put("inputs/bad.toml", "[columns]\nlone_amount = 1\n").await;
    for (wanted, status, expected) in [
        (json!({}), 422, "path"),
        (json!({"path": "nothing.csv"}), 404, "does not exist"),
        (json!({"path": "offer.pdf"}), 422, "PDF"),
        (json!({"path": "t.csv", "profile": "nothing.toml"}), 404, "profile"),
        (json!({"path": "t.csv", "profile": "bad.toml"}), 422, "line 2: there is no field `lone_amount`"),
        (json!({"path": "t.csv", "map": {"lone_amount": "x"}}), 422, "lone_amount"),
        (json!({"path": "t.csv", "lines": 7}), 422, "lines"),
    ] {
        let answer = inspected(&app, &ana, &wanted).await.expect(status);
        assert!(answer.to_string().contains(expected), "{wanted}: {answer}");
    }
    app.bucket_outage.begin(Fault::Broken);
    inspected(&app, &ana, &json!({"path": "t.csv"})).await.expect(503);
}
