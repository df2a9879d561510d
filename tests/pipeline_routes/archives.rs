//! The archive of a run.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read as _},
};

use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use shared::auth::permission::Role;
use stores::{export_turns::ExportTurns, keys, storage::StorageBackend as _};
use zip::ZipArchive;

use crate::{
    pipeline_routes::app,
    support::{
        app::{Answer, Person, Tape, TestApp, each},
        shell::TestShell,
    },
};

async fn download(app: &TestApp, person: &Person, id: &str, query: &str) -> Answer {
    app.get(&format!("/api/runs/{id}/archive/download{query}")).by(person).send().await
}

/// Name and text of each file of a ZIP.
fn unpacked(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut files = BTreeMap::new();
    for at in 0..zip.len() {
        let mut file = zip.by_index(at).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        files.insert(file.name().unwrap().into_owned(), text);
    }
    files
}

#[tokio::test]
async fn an_archive_shows_what_went_in_and_what_came_out() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::of_good(2)).await;
    let archive = app.read(&ana, &format!("/api/runs/{id}/archive")).await;
    let members: Vec<&str> = archive.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["input", "output", "manifest"]);
    assert_eq!(archive["input"].as_array().unwrap().len(), 1);
    let outputs = ["exception_summary.csv", "projected_tape.csv", "purchase_tape.csv", "rejection_report.csv"];
    assert_eq!(each(&archive["output"], "name"), outputs);
    assert_eq!((&archive["manifest"]["path"], &archive["manifest"]["type"]), (&"manifest.json".into(), &"file".into()));
    for file in archive["input"].as_array().unwrap().iter().chain(archive["output"].as_array().unwrap()) {
        let path = file["path"].as_str().unwrap();
        assert_eq!(file["size"], app.text(&format!("archive/{id}/{path}")).await.len());
    }
}

#[tokio::test]
async fn each_file_of_an_archive_is_downloaded_by_its_path() {
    let (app, ana) = app().await;
    let tape = Tape::of_good(2);
    let id = app.ended(&ana, &tape).await;
    let archive = app.read(&ana, &format!("/api/runs/{id}/archive")).await;
    let input = archive["input"][0]["path"].as_str().unwrap();
    let answer = download(&app, &ana, &id, &format!("?path={input}")).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, tape.text()));
    let encoded = download(&app, &ana, &id, "?path=output%2Fpurchase_tape.csv").await;
    assert_eq!(encoded.text(), app.text(&format!("outputs/{id}/purchase_tape.csv")).await);
    assert_eq!(encoded.header("content-disposition"), "attachment; filename=\"purchase_tape.csv\"");
    let manifest = download(&app, &ana, &id, "?path=manifest.json").await;
    assert_eq!((&manifest.expect(200)["run_id"], manifest.header("content-type")), (&json!(id), "application/json"));
}

#[tokio::test]
async fn tapes_of_one_name_both_survive() {
    let (app, ana) = app().await;
    for folder in ["x", "y"] {
        app.put(&format!("inputs/{folder}/tape.csv"), Tape::new().good(folder).text().to_owned()).await;
    }
    let run = app.start(&ana, &json!({"files": ["x/tape.csv", "y/tape.csv"]})).await.expect(202);
    app.work().await;
    let id = run["run_id"].as_str().unwrap();
    let archive = app.read(&ana, &format!("/api/runs/{id}/archive")).await;
    assert_eq!(each(&archive["input"], "path"), ["input/x/tape.csv", "input/y/tape.csv"]);
    assert!(download(&app, &ana, id, "?path=input/y/tape.csv").await.text().contains("\ny,"));
}

#[tokio::test]
async fn no_path_leads_out_of_an_archive() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::of_good(1)).await;
    for path in ["../x", "input/../../x", "/etc/passwd", "..%2F..%2Finputs", "..\\x", "C:/x", "~root", "%00", "input/%2e%2e/x"] {
        assert_eq!(download(&app, &ana, &id, &format!("?path={path}")).await.problem(400), "bad_path", "{path}");
    }
    assert_eq!(download(&app, &ana, "no-run", "?path=../x").await.problem(404), "not_found");
}

#[tokio::test]
async fn a_file_that_is_not_in_an_archive_is_not_found() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::of_good(1)).await;
    for path in ["input", "input/absent.csv", "facts.parquet", "%252e%252e/x", "."] {
        assert_eq!(download(&app, &ana, &id, &format!("?path={path}")).await.problem(404), "not_found", "{path}");
    }
}

#[tokio::test]
async fn who_asks_for_an_archive_is_told_whether_to_wait_for_it() {
    let (app, ana) = app().await;
    let failed = app.ended(&ana, &Tape::new()).await;
    app.put("inputs/tape.csv", Tape::of_good(1).text().to_owned()).await;
    let run = app.start(&ana, &json!({"files": ["tape.csv"], "dry_run": true})).await.expect(202);
    let id = run["run_id"].as_str().unwrap();
    let detail = async |id: &str| {
        let answer = download(&app, &ana, id, "").await;
        assert_eq!(answer.problem(404), "not_found");
        answer.json()["detail"].as_str().unwrap().to_owned()
    };
    let pending = detail(id).await;
    assert!(pending.contains("no archive yet"), "{pending}");
    app.work().await;
    for ended in [id, &failed] {
        let said = detail(ended).await;
        assert!(said.contains("no archive") && !said.contains("yet"), "{said}");
    }
}

#[tokio::test]
async fn the_whole_archive_is_a_zip_that_stays_the_same() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::of_good(50)).await;
    let answers = join_all((0..4).map(|_| download(&app, &ana, &id, ""))).await;
    let mut expected = BTreeMap::new();
    let folder = format!("archive/{id}/");
    for entry in app.resources.storage.list(folder.trim_end_matches('/'), true).await.unwrap() {
        if entry.file.is_some() {
            expected.insert(entry.key[folder.len()..].to_owned(), app.text(&entry.key).await);
        }
    }
    assert_eq!(expected.len(), 6);
    for answer in &answers {
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/zip"));
        assert_eq!(answer.header("content-disposition"), format!("attachment; filename=\"{id}.zip\""));
        assert_eq!(unpacked(&answer.bytes), expected);
        assert_eq!(answer.bytes, answers[0].bytes);
    }
    app.clock.advance(jiff::SignedDuration::from_hours(1));
    assert_eq!(download(&app, &ana, &id, "").await.bytes, answers[0].bytes);
}

#[tokio::test]
async fn a_large_zip_is_streamed_unless_a_lambda_answers() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::of_good(1)).await;
    // Pseudo-random digits hardly compress, so the ZIP is large.
    let mut state = 1_u64;
    let mut noise = String::new();
    while noise.len() < 9_000_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise += &format!("{state:x}");
    }
    app.put(&format!("archive/{id}/input/noise.csv"), noise.clone()).await;
    let streamed = download(&app, &ana, &id, "").await;
    assert!(streamed.status == 200 && unpacked(&streamed.bytes)["input/noise.csv"] == noise);
    let answer = download(&app.on_lambda(), &ana, &id, "").await;
    assert_eq!(answer.status, 307);
    let fetched = app.fetch(Method::GET, answer.header("location"), &[], "").await;
    assert_eq!(fetched.status, 200);
    assert!(fetched.bytes == streamed.bytes);
    // The same holds for what a failed run left behind, which the product packs for each request.
    let failed = app.ended(&ana, &Tape::new()).await;
    app.put(&format!("archive/{failed}/input/noise.csv"), noise.clone()).await;
    let streamed = download(&app, &ana, &failed, "").await;
    assert!(streamed.status == 200 && unpacked(&streamed.bytes)["input/noise.csv"] == noise);
    assert_eq!(streamed.header("content-disposition"), format!("attachment; filename=\"{failed}.zip\""));
    assert_eq!(streamed.header("content-length"), streamed.bytes.len().to_string());
    assert!(app.objects(keys::ANSWERS).await.is_empty());
    let answer = download(&app.on_lambda(), &ana, &failed, "").await;
    assert_eq!((answer.status.as_u16(), app.objects(keys::ANSWERS).await.len()), (307, 1));
    let fetched = app.fetch(Method::GET, answer.header("location"), &[], "").await;
    assert!(fetched.bytes == streamed.bytes);
}

#[tokio::test(start_paused = true)]
async fn a_zip_is_made_in_the_turn_of_an_export() {
    let app = TestApp::with(|resources| resources.export_turns = ExportTurns::new(1)).await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let id = app.ended(&ana, &Tape::of_good(1)).await;
    let failed = app.ended(&ana, &Tape::new()).await;
    app.put(&format!("archive/{failed}/input/t.csv"), "left behind").await;
    let turn = app.resources.export_turns.take().await.unwrap();
    for run in [&id, &failed] {
        let answer = download(&app, &ana, run, "").await;
        assert_eq!((answer.problem(429).as_str(), answer.header("retry-after")), ("busy", "10"));
    }
    drop(turn);
    let made = download(&app, &ana, &id, "").await;
    assert_eq!((made.status.as_u16(), download(&app, &ana, &failed, "").await.status.as_u16()), (200, 200));
    // A ZIP that exists already needs no turn.
    let _turn = app.resources.export_turns.take().await.unwrap();
    assert_eq!(download(&app, &ana, &id, "").await.bytes, made.bytes);
}

#[tokio::test]
async fn the_zip_of_an_archive_is_replayed_identically() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::of_good(20).with("bad", &[("ltv_ratio", "98")])).await;
    let zip = download(&app, &ana, &id, "").await;
    let desk = TestShell::new();
    desk.write("archive.zip", &zip.bytes);
    let answer = desk.command(&["replay", "archive.zip"]);
    assert_eq!(answer.code, 0, "{}{}", answer.out, answer.err);
    assert!(answer.out.contains("identical"), "{}", answer.out);
}

#[tokio::test]
async fn there_is_no_archive_before_the_end_of_a_run_nor_of_one_that_kept_nothing() {
    let (app, ana) = app().await;
    let pending = app.pending(&ana, &Tape::of_good(1)).await;
    assert_eq!(download(&app, &ana, &pending, "").await.problem(404), "not_found");
    let empty = json!({"input": [], "output": [], "manifest": null});
    assert_eq!(app.read(&ana, &format!("/api/runs/{pending}/archive")).await, empty);
    app.work().await;
    assert_eq!(download(&app, &ana, &pending, "").await.status, 200);
    let failed = app.ended(&ana, &Tape::new()).await;
    assert_eq!(download(&app, &ana, &failed, "").await.problem(404), "not_found");
    assert_eq!(app.read(&ana, &format!("/api/runs/{failed}/archive")).await, empty);
}
