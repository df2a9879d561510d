//! The parameter `waivers` of `POST /api/pipeline/run`, and what the API shows of waivers.

use serde_json::{Value, json};
use shared::auth::permission::Role;

use super::COLUMNS;
use crate::support::{
    app::{Person, Tape, TestApp, each},
    shell::TestShell,
};

/// The product with an analyst, a tape of a good loan and one with too high an LTV, and a waiver of the latter.
async fn waived() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let tape = Tape::new().good("L-1").with("L-2", &[("ltv_ratio", "97.8")]);
    app.put("inputs/march/tape.csv", tape.text().to_owned()).await;
    app.put("inputs/march/waivers.csv", format!("{COLUMNS}\nL-2,ltv_ratio,reserves,J. Doe,2026-12-31\n")).await;
    (app, ana)
}

fn wanted() -> Value {
    json!({"folder": "march", "waivers": "march/waivers.csv", "pdate": "2026-02-02"})
}

async fn completed(app: &TestApp, person: &Person, wanted: &Value) -> String {
    let id = app.start(person, wanted).await.expect(202)["run_id"].as_str().unwrap().to_owned();
    app.work().await;
    assert_eq!(app.read(person, &format!("/api/runs/{id}")).await["status"], "completed");
    id
}

#[tokio::test]
async fn waived_exceptions_show_their_waivers() {
    let (app, ana) = waived().await;
    let id = completed(&app, &ana, &wanted()).await;
    let loans = app.read(&ana, &format!("/api/loans?run_id={id}")).await;
    assert_eq!(each(&loans, "disposition"), ["to_purchase", "to_purchase"]);
    let exceptions = app.read(&ana, &format!("/api/exceptions?run_id={id}")).await;
    assert_eq!(each(&exceptions, "waived"), [&json!({"reason": "reserves", "approved_by": "J. Doe", "expires": "2026-12-31"})]);
    assert_eq!((&exceptions[0]["exception_type"], &exceptions[0]["severity"]), (&"ltv_ratio".into(), &"hard".into()));
    for (query, expected) in [("true", 1), ("false", 0), ("true&severity=hard", 1), ("true&severity=soft", 0)] {
        let answer = app.get(&format!("/api/exceptions?run_id={id}&waived={query}")).by(&ana).send().await;
        assert_eq!((answer.expect(200).as_array().unwrap().len() as u64, answer.total()), (expected, Some(expected)), "{query}");
    }
    // No filter of loans counts a waived exception.
    for (query, expected) in
        [("exception_type=ltv_ratio", 0), ("severity=hard", 0), ("only_reason=ltv_ratio", 0), ("ltv_ratio=97..", 1)]
    {
        let answer = app.get(&format!("/api/loans?run_id={id}&{query}")).by(&ana).send().await;
        assert_eq!(answer.expect(200).as_array().unwrap().len(), expected, "{query}");
    }
    for (query, expected) in [("waived=true", 1), ("waived=false", 0)] {
        let answer = app.get(&format!("/api/exceptions?run_id={id}&ltv_ratio=97..&{query}")).by(&ana).send().await;
        assert_eq!(answer.expect(200).as_array().unwrap().len(), expected, "{query}");
    }
    let summary = app.read(&ana, &format!("/api/summary/{id}")).await;
    assert_eq!((&summary["exceptions_count"], &summary["eligibility_checks"]["waived"]), (&1.into(), &1.into()));
    assert_eq!(summary["unused_waivers"], json!({"count": 0, "first": []}));
    let csv = app.get(&format!("/api/exceptions/export?run_id={id}&format=csv")).by(&ana).send().await.text();
    assert!(csv.lines().nth(1).unwrap().ends_with(",reserves; approved by J. Doe; expires 2026-12-31"), "{csv}");
    let plain = completed(&app, &ana, &json!({"files": ["march/tape.csv"]})).await;
    let exceptions = app.read(&ana, &format!("/api/exceptions?run_id={plain}")).await;
    assert_eq!(each(&exceptions, "waived"), [&Value::Null]);
    assert_eq!(app.read(&ana, &format!("/api/summary/{plain}")).await["unused_waivers"], Value::Null);
}

#[tokio::test]
async fn the_archive_holds_the_waivers_and_is_replayed_identically() {
    let (app, ana) = waived().await;
    let id = app.start(&ana, &wanted()).await.expect(202)["run_id"].as_str().unwrap().to_owned();
    // A file that is replaced after the start does not change the run.
    app.put("inputs/march/waivers.csv", format!("{COLUMNS}\n")).await;
    app.work().await;
    let archive = app.read(&ana, &format!("/api/runs/{id}/archive")).await;
    assert_eq!(each(&archive["waivers"], "path"), ["waivers/waivers.csv"]);
    let zip = app.get(&format!("/api/runs/{id}/archive/download")).by(&ana).send().await;
    let desk = TestShell::new();
    desk.write("archive.zip", &zip.bytes);
    let answer = desk.command(&["replay", "archive.zip"]);
    assert_eq!((answer.code, answer.out.as_str()), (0, "identical\n"), "{}", answer.err);
}

#[tokio::test]
async fn only_admins_and_analysts_may_waive() {
    let (app, ana) = waived().await;
    let team = app.team("West").await.id;
    let wes = app.person("wes", Role::SalesTeam, Some(team)).await;
    app.put(&format!("inputs/teams/{team}/tape.csv"), Tape::of_good(1).text().to_owned()).await;
    app.put(&format!("inputs/teams/{team}/waivers.csv"), format!("{COLUMNS}\n")).await;
    assert_eq!(app.start(&wes, &json!({"waivers": "waivers.csv"})).await.problem(403), "forbidden");
    app.start(&wes, &json!({"files": ["tape.csv"]})).await.expect(202);
    assert_eq!(
        app.start(&ana, &json!({"files": ["march/tape.csv"], "waivers": "march/none.csv"})).await.problem(404),
        "not_found"
    );
}

#[tokio::test]
async fn each_mistake_of_the_file_is_an_error_of_the_request() {
    let (app, ana) = waived().await;
    app.put("inputs/march/waivers.csv", format!("{COLUMNS}\nL-2,ltv,,J. Doe,2026-12-31\n")).await;
    let problem = app.start(&ana, &wanted()).await.expect(422);
    let errors = problem["errors"].as_array().unwrap();
    let messages: Vec<_> = errors.iter().map(|error| (error["loc"].clone(), error["msg"].as_str().unwrap())).collect();
    assert_eq!(messages.len(), 2, "{problem}");
    assert!(messages.iter().all(|(loc, _)| *loc == json!(["body", "waivers"])), "{problem}");
    assert!(messages[0].1.starts_with("line 2, column 2: \"ltv\" is no exception type"), "{problem}");
    assert!(messages[1].1.starts_with("line 2, column 3: reason is empty"), "{problem}");
    assert_eq!(app.read(&ana, "/api/runs").await, json!([]));
}
