//! `GET /api/runs/{run_id}/workbook`.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::json;
use shared::auth::permission::Role;
use stores::storage::StorageBackend as _;
use uuid::Uuid;

use crate::support::{
    app::{Answer, Person, Tape, TestApp},
    shell::TestShell,
};

use super::{Book, SHEETS, digits};

async fn app() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    (app, ana)
}

async fn workbook(app: &TestApp, person: &Person, id: &str) -> Answer {
    app.get(&format!("/api/runs/{id}/workbook")).by(person).send().await
}

#[tokio::test]
async fn a_workbook_says_what_the_lists_say() {
    let (app, ana) = app().await;
    let id = app.populated_run(&ana).await;
    let answer = workbook(&app, &ana, &id).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet");
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"decision_workbook.xlsx\"");
    let book = Book::new(answer.bytes.to_vec());
    assert_eq!(book.names(), SHEETS);
    for (sheet, disposition, loans) in
        [("To purchase", "to_purchase", 70), ("Projected", "projected", 10), ("Rejected", "rejected", 20)]
    {
        let listed = app.read(&ana, &format!("/api/loans?run_id={id}&disposition={disposition}")).await;
        let rows = book.table(sheet);
        assert_eq!(rows.len(), loans);
        for (row, loan) in rows.iter().zip(listed.as_array().unwrap()) {
            assert_eq!(row["seller_loan_number"].to_string(), loan["seller_loan_number"]);
            for number in ["loan_amount", "note_rate", "credit_score", "line"] {
                assert_eq!(digits(&row[number]).parse::<f64>().unwrap(), loan[number].as_f64().unwrap(), "{number}");
            }
        }
    }
    let listed = app.read(&ana, &format!("/api/exceptions?run_id={id}")).await;
    let ids: Vec<String> = book.table("Exceptions").iter().map(|row| row["id"].to_string()).collect();
    let expected: Vec<&str> = listed.as_array().unwrap().iter().map(|exception| exception["id"].as_str().unwrap()).collect();
    assert_eq!(ids, expected);
    assert_eq!(book.beside("Rule set")[0], super::text("prices"));
}

#[tokio::test]
async fn an_export_of_exceptions_looks_like_the_last_sheet() {
    let (app, ana) = app().await;
    let id = app.populated_run(&ana).await;
    let book = Book::new(workbook(&app, &ana, &id).await.bytes.to_vec());
    let export = app.get(&format!("/api/exceptions/export?format=xlsx&run_id={id}")).by(&ana).send().await;
    let export = Book::new(export.bytes.to_vec());
    assert_eq!(export.names(), ["Exceptions"]);
    assert_eq!(export.xml("Exceptions"), book.xml("Exceptions"));
    assert_eq!(export.parts["xl/styles.xml"], book.parts["xl/styles.xml"]);
}

#[tokio::test]
async fn the_command_line_gives_the_same_workbook() {
    let app = TestApp::new().await;
    // The time at which the tests of the command line run their commands.
    let moment: jiff::Timestamp = "2026-02-02T03:30:00Z".parse().unwrap();
    let wait = || app.clock.advance(moment.duration_since(app.resources.clock.now()));
    wait();
    let ana = app.person("ana", Role::Analyst, None).await;
    wait();
    let tape = Tape::of_good(3).with("R", &[("ltv_ratio", "97.8")]).with("C", &[("appraisal_value", "")]);
    let path = app.put_tape(&ana, &tape).await;
    let run = app.start(&ana, &json!({"files": [path]})).await.expect(202);
    app.work().await;
    let id = run["run_id"].as_str().unwrap();
    let served = Book::new(workbook(&app, &ana, id).await.bytes.to_vec());
    let desk = TestShell::new();
    desk.write(&path, tape.text());
    let own = desk.run_id(&["run", &path, "--workbook", "book.xlsx"]);
    let written = Book::new(std::fs::read(desk.path("book.xlsx")).unwrap());
    let with_one_id = |book: &Book, id: &str| -> BTreeMap<String, String> {
        book.parts.iter().map(|(name, xml)| (name.clone(), xml.replace(id, "THE-RUN"))).collect()
    };
    let (served, written) = (with_one_id(&served, id), with_one_id(&written, &own));
    assert_eq!(served.keys().collect::<Vec<_>>(), written.keys().collect::<Vec<_>>());
    for (name, xml) in &served {
        assert_eq!(*xml, written[name], "{name}");
    }
}

#[tokio::test]
async fn a_workbook_is_made_once_however_many_ask_and_is_the_same_file_from_then_on() {
    let (app, ana) = app().await;
    let id = app.populated_run(&ana).await;
    let answers = join_all((0..8).map(|_| workbook(&app, &ana, &id))).await;
    app.clock.advance(SignedDuration::from_hours(1));
    let later = workbook(&app, &ana, &id).await;
    for answer in answers.iter().chain([&later]) {
        assert_eq!((answer.status.as_u16(), &answer.bytes), (200, &answers[0].bytes));
    }
    let stored = app.objects(&format!("results/{id}")).await;
    assert_eq!(stored[&format!("results/{id}/decision_workbook.xlsx")], answers[0].bytes);
    assert!(app.objects("answers").await.is_empty());
}

#[tokio::test]
async fn a_run_without_a_workbook_says_why() {
    let (app, ana) = app().await;
    let pending = app.pending(&ana, &Tape::of_good(1)).await;
    let not_yet = workbook(&app, &ana, &pending).await;
    app.claim(pending.parse().unwrap()).await;
    let running = workbook(&app, &ana, &pending).await;
    let failed = app.ended(&ana, &Tape::new()).await;
    let path = app.put_tape(&ana, &Tape::of_good(1)).await;
    let dry = app.start(&ana, &json!({"files": [path], "dry_run": true})).await.expect(202);
    app.work().await;
    let (failed, dry) = (workbook(&app, &ana, &failed).await, workbook(&app, &ana, dry["run_id"].as_str().unwrap()).await);
    for (answer, sentence) in [
        (not_yet, "There is no workbook yet"),
        (running, "There is no workbook yet"),
        (failed, "it failed"),
        (dry, "it was a dry run"),
    ] {
        assert_eq!(answer.problem(404), "not_found");
        assert!(answer.text().contains(sentence), "{sentence}: {}", answer.text());
    }
}

#[tokio::test]
async fn nobody_has_the_workbook_of_another_teams_run() {
    let (app, ana) = app().await;
    let west = app.team("West").await;
    let wes = app.person("wes", Role::SalesTeam, Some(west.id)).await;
    let east = app.team("East").await;
    let eve = app.person("eve", Role::SalesTeam, Some(east.id)).await;
    let id = app.ended(&wes, &Tape::of_good(1)).await;
    for (person, status) in [(&wes, 200), (&ana, 200), (&eve, 404)] {
        assert_eq!(workbook(&app, person, &id).await.status, status, "{}", person.user.username);
    }
    for unknown in [Uuid::nil().to_string(), "no-run".to_owned(), "..%2F..".to_owned()] {
        assert_eq!(workbook(&app, &ana, &unknown).await.problem(404), "not_found", "{unknown}");
    }
}

#[tokio::test]
async fn results_that_were_removed_are_missing_from_a_workbook() {
    let (app, ana) = app().await;
    for removed in ["index.json", "facts.parquet", "exceptions.parquet"] {
        let id = app.ended(&ana, &Tape::of_good(1).with("R", &[("ltv_ratio", "99")])).await;
        app.resources.storage.delete(&format!("results/{id}/{removed}")).await.unwrap();
        let answer = workbook(&app, &ana, &id).await;
        assert_eq!(answer.problem(404), "not_found", "{removed}");
        assert!(answer.text().contains("Start a run of the same tape"), "{}", answer.text());
        assert!(!app.objects(&format!("results/{id}")).await.keys().any(|key| key.ends_with(".xlsx")), "{removed}");
    }
}
