//! The worker takes runs from a tape in the bucket to their results.

use std::io::{Cursor, Write as _};

use jiff::SignedDuration;
use runner::{execute::Executed, incoming::Arrival};
use serde_json::Value;
use shared::{run::RunStatus, tape::request::ReadingRequest};
use stores::{
    runs::{Created, LEASE, RunRequest},
    start_run::{self, FindError, RunOrder, Wanted, find_tapes},
    storage::StorageBackend as _,
};
use uuid::Uuid;
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::support::{
    app::{Fault, TestApp},
    runs::{GOOD_CELLS, HEADER},
    shell::TestShell,
};

/// Creates a pending run of all tapes in the inputs.
async fn start(app: &TestApp, terms: RunOrder) -> RunRequest {
    let tapes = app.tapes_of("inputs").await;
    let request = start_run::request(Uuid::new_v4(), terms, tapes, app.resources.clock.now());
    let created = app.worker.runs.create(&request.run(), &request, None).await.unwrap();
    assert_eq!(created, Created::Done);
    request
}

async fn run_object(app: &TestApp, id: Uuid) -> Value {
    let stored = app.worker.runs.get(id).await.unwrap().unwrap();
    serde_json::from_str(app.worker.runs.whole(&stored).await.unwrap().get()).unwrap()
}

/// The keys of all files in a folder, except the tape lists of runs.
async fn keys(app: &TestApp, folder: &str) -> Vec<String> {
    let entries = app.resources.storage.list(folder, true).await.unwrap();
    let files = entries.into_iter().filter(|entry| entry.file.is_some() && !entry.key.starts_with("requests/"));
    files.map(|entry| entry.key).collect()
}

fn tape() -> String {
    format!("{HEADER}\n001,{GOOD_CELLS}\n002,250000,6.5,97.01,35,720,sfr,primary,purchase,312500,312500\n")
}

#[tokio::test]
async fn a_tape_becomes_outputs_results_and_an_archive() {
    becomes_outputs_results_and_an_archive(&TestApp::new().await).await;
}

/// Takes a tape from the bucket to outputs, results and an archive, on any stores.
pub async fn becomes_outputs_results_and_an_archive(app: &TestApp) {
    app.put("inputs/tape.csv", tape()).await;
    let id = start(app, RunOrder::default()).await.run_id;
    assert_eq!(run_object(app, id).await["status"], "pending");
    assert_eq!(app.work().await, [Executed::Completed]);
    let run = run_object(app, id).await;
    assert_eq!((&run["status"], &run["last_phase"]), (&"completed".into(), &"archive".into()));
    assert_eq!((&run["total_loans"], &run["exceptions_count"], &run["total_balance"]), (&2.into(), &1.into(), &500_000.into()));
    assert_eq!(run["column_mapping"][0]["source_file"], "tape.csv");
    let names = |folder: &str, names: &[&str]| names.iter().map(|name| format!("{folder}/{id}/{name}")).collect::<Vec<_>>();
    let outputs = ["exception_summary.csv", "projected_tape.csv", "purchase_tape.csv", "rejection_report.csv"];
    assert_eq!(keys(app, &format!("outputs/{id}")).await, names("outputs", &outputs));
    let archived = outputs.map(|name| format!("output/{name}"));
    let archived = [&["input/tape.csv", "manifest.json"][..], &archived.each_ref().map(String::as_str)].concat();
    let mut expected = names("archive", &archived);
    expected.sort();
    assert_eq!(keys(app, &format!("archive/{id}")).await, expected);
    let purchased = app.text(&format!("outputs/{id}/purchase_tape.csv")).await;
    assert!(purchased.contains("\n001,250000,") && !purchased.contains("002"), "{purchased}");
    let results = app.worker.runs.results(id).await.unwrap().unwrap();
    let summary: Value = serde_json::from_str(results.summary.get()).unwrap();
    assert_eq!((&summary["status"], &summary["dispositions"]["rejected"]["count"]), (&"completed".into(), &1.into()));
    assert_eq!(results.outputs.iter().map(|output| output.rows).collect::<Vec<_>>(), [1, 0, 1, 1]);
    for version in [&results.facts, &results.exceptions, &results.index] {
        assert!(version.as_ref().is_some_and(|version| version.size > 0 && !version.etag.is_empty()), "{version:?}");
    }
    assert_eq!(app.work().await, []);
}

#[tokio::test]
async fn a_dry_run_keeps_its_summary_alone() {
    let app = TestApp::new().await;
    app.put("inputs/tape.csv", tape()).await;
    let id = start(&app, RunOrder { dry_run: true, ..RunOrder::default() }).await.run_id;
    assert_eq!(app.work().await, [Executed::Completed]);
    assert_eq!(run_object(&app, id).await["output_dir"], Value::Null);
    assert_eq!(app.worker.runs.results(id).await.unwrap().unwrap().outputs, []);
    assert_eq!(run_object(&app, id).await["column_mapping"][0]["source_file"], "tape.csv");
    let [mapping, findings, rules] =
        ["column_mapping.json", "findings.json", "rule_set.json"].map(|name| format!("results/{id}/{name}"));
    assert_eq!(keys(&app, "").await, ["inputs/tape.csv", &mapping, &findings, &rules]);
}

#[tokio::test]
async fn an_unusable_tape_fails_its_run_and_leaves_no_file() {
    let app = TestApp::new().await;
    app.put("inputs/tape.csv", "a,b\n1,2\n").await;
    let id = start(&app, RunOrder::default()).await.run_id;
    assert_eq!(app.work().await, [Executed::Failed]);
    let run = run_object(&app, id).await;
    assert_eq!((&run["status"], &run["error"]["code"]), (&"failed".into(), &"no_header".into()));
    assert_eq!(run["error"]["source_file"], "tape.csv");
    assert!(run["completed_at"].is_string());
    assert_eq!(keys(&app, "").await, ["inputs/tape.csv"]);
}

#[tokio::test]
async fn a_tape_that_was_replaced_after_the_start_fails_the_run() {
    let app = TestApp::new().await;
    app.put("inputs/tape.csv", tape()).await;
    let id = start(&app, RunOrder::default()).await.run_id;
    app.put("inputs/tape.csv", tape() + "3,1\n").await;
    assert_eq!(app.work().await, [Executed::Failed]);
    assert_eq!(run_object(&app, id).await["error"]["phase"], "ingest");
}

#[tokio::test]
async fn a_run_whose_worker_died_is_resumed_and_given_up_after_three_tries() {
    let app = TestApp::new().await;
    app.put("inputs/tape.csv", tape()).await;
    let request = start(&app, RunOrder::default()).await;
    let die = async || {
        app.claim(request.run_id).await;
        assert_eq!(app.work().await, []);
        app.clock.advance(LEASE + SignedDuration::from_secs(1));
    };
    die().await;
    let waiting = app.worker.runs.waiting(app.resources.clock.now(), 10).await.unwrap();
    assert_eq!((waiting.len(), waiting[0].status), (1, RunStatus::Running));
    die().await;
    die().await;
    assert_eq!(app.work().await, [Executed::GivenUp]);
    let run = run_object(&app, request.run_id).await;
    assert_eq!((&run["status"], &run["error"]["code"]), (&"failed".into(), &"worker_lost".into()));
    assert!(run["completed_at"].is_string());

    let again = start(&app, RunOrder::default()).await;
    app.claim(again.run_id).await;
    app.clock.advance(LEASE + SignedDuration::from_secs(1));
    assert_eq!(app.work().await, [Executed::Completed]);
}

#[tokio::test]
async fn the_error_that_stopped_a_run_is_told_also_when_its_lease_cannot_be_released() {
    let mut seen = false;
    for spared in 0..20 {
        let app = TestApp::new().await;
        app.put("inputs/tape.csv", tape()).await;
        let request = start(&app, RunOrder::default()).await;
        app.bucket_outage.begin(Fault::Broken);
        app.table_outage.begin_after(spared, Fault::Broken);
        let executed = app.worker.execute(request.run_id).await;
        let (of_bucket, of_table) = (app.bucket_outage.end(), app.table_outage.end());
        if of_bucket > 0 && of_table > 0 {
            seen = true;
            // The bucket answers in XML, the table in JSON.
            let told = format!("{:?}", executed.unwrap_err());
            assert!(told.contains("<?xml"), "{spared}: {told}");
        }
    }
    assert!(seen);
}

#[tokio::test]
async fn a_tape_that_comes_in_makes_one_run_for_each_version() {
    let app = TestApp::new().await;
    let team = app.team("West").await;
    let key = format!("inputs/teams/{}/incoming/tape.csv", team.id);
    app.put(&key, tape()).await;
    let etag = app.resources.storage.info(&key).await.unwrap().unwrap().etag;
    let arrival = Arrival { key: key.clone(), version: "1".to_owned(), etag };
    let id = app.worker.receive(&arrival).await.unwrap().unwrap();
    assert_eq!(app.worker.receive(&arrival).await.unwrap(), None);
    assert_eq!(run_object(&app, id).await["sales_team_id"], team.id.to_string());
    assert_eq!(app.work().await, [Executed::Completed]);
    assert_eq!(app.worker.receive(&arrival).await.unwrap(), None);
    app.put(&key, tape() + "003\n").await;
    assert_eq!(app.worker.receive(&Arrival { version: "2".to_owned(), ..arrival.clone() }).await.unwrap(), None);
    let etag = app.resources.storage.info(&key).await.unwrap().unwrap().etag;
    assert!(app.worker.receive(&Arrival { version: "2".to_owned(), etag, ..arrival }).await.unwrap().is_some());
}

/// Files that sellers send by mistake: name, content, and a part of the message about each.
fn mistakes() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let zip = |part: &str| {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file(part, SimpleFileOptions::default()).unwrap();
        zip.write_all(tape().as_bytes()).unwrap();
        zip.finish().unwrap().into_inner()
    };
    vec![
        ("offer.pdf", b"%PDF-1.7\n".to_vec(), "a PDF document"),
        ("offer.csv", b"%PDF-1.7\n".to_vec(), "a PDF document"),
        ("loans.zip", zip("march.csv"), "a ZIP archive"),
        ("loans.xlsx", zip("march.csv"), "a ZIP archive"),
        ("letter.docx", zip("word/document.xml"), "a Word document"),
        ("loans.json", b"{\"loans\": []}".to_vec(), "a JSON file"),
        ("strict.toml", b"name = \"strict\"\n".to_vec(), "a settings file (TOML)"),
        ("scan", b"\xff\xd8\xff\xe0".to_vec(), "a picture"),
        (
            "old.xls",
            vec![0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1],
            "The workbook cannot be read (it is damaged or cut short)",
        ),
        ("notes", b"Dear buyer".to_vec(), "No header row"),
        ("nothing.csv", Vec::new(), "The tape is empty"),
        // A text file with a header row is a tape, and the message says which columns it lacks.
        ("lacking.txt", b"Loan Number,Loan Amount,LTV\n1,2,3\n".to_vec(), "missing from the header"),
    ]
}

#[tokio::test]
async fn a_file_that_comes_in_and_is_no_tape_fails_with_the_sentence_of_the_command_line() {
    let (app, desk) = (TestApp::new().await, TestShell::new());
    for (name, bytes, kind) in mistakes() {
        let key = format!("inputs/incoming/{name}");
        app.put(&key, bytes.clone()).await;
        let etag = app.resources.storage.info(&key).await.unwrap().unwrap().etag;
        let arrival = Arrival { key, version: "1".to_owned(), etag };
        let id = app.worker.receive(&arrival).await.unwrap().unwrap();
        assert_eq!(app.worker.receive(&arrival).await.unwrap(), None, "{name}");
        assert_eq!(app.work().await, [Executed::Failed], "{name}");
        let error = run_object(&app, id).await["error"].clone();
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(kind), "{name}: {message}");
        assert_eq!(error["code"] == "not_a_tape", message.contains("not a tape. A tape is a CSV file or"), "{name}: {error}");
        desk.write(name, bytes);
        let said = desk.command(&["run", name, "--dry-run", "--format", "json"]);
        assert_eq!((said.code, &said.json()["run"]["error"]), (1, &error), "{name}");
        assert!(said.err.contains(name) && said.err.contains(message), "{name}: {}", said.err);
    }
}

/// Stores an incoming file, and returns the run that it starts.
async fn come_in(app: &TestApp, key: &str, bytes: impl Into<bytes::Bytes>) -> Option<Uuid> {
    app.put(key, bytes).await;
    let etag = app.resources.storage.info(key).await.unwrap().unwrap().etag;
    app.worker.receive(&Arrival { key: key.to_owned(), version: "1".to_owned(), etag }).await.unwrap()
}

#[tokio::test]
async fn what_is_no_tape_by_its_name_or_has_no_header_row_starts_no_run() {
    let app = TestApp::new().await;
    for (name, text) in [
        ("profile.toml", "[columns]\n"),
        (".DS_Store", "x"),
        ("~$tape.xlsx", "x"),
        ("Thumbs.db", "x"),
        ("notes.txt", "Dear buyer"),
        ("nothing.txt", ""),
    ] {
        assert_eq!(come_in(&app, &format!("inputs/incoming/{name}"), text).await, None, "{name}");
    }
    app.resources.storage.make_folder("inputs/incoming/march").await.unwrap();
    let folder = Arrival { key: "inputs/incoming/march/".to_owned(), version: "1".to_owned(), etag: String::new() };
    assert_eq!(app.worker.receive(&folder).await.unwrap(), None);
    assert_eq!(app.work().await, []);
}

#[tokio::test]
async fn a_tape_that_comes_in_is_read_as_the_profile_of_its_folder_says() {
    let app = TestApp::new().await;
    let team = app.team("West").await;
    let profile = "name = \"west\"\n[file]\nheader = \"none\"\ndelimiter = \"|\"\n[columns]\nseller_loan_number = 1\nloan_amount = 2\n\
                   note_rate = 3\nltv_ratio = 4\ncredit_score = 5\nproperty_type = 6\n[constants]\noccupancy_status = \"primary\"\n\
                   loan_purpose = \"purchase\"\ndti_ratio = 35\npurchase_price = 312500\nappraisal_value = 312500\n";
    let tape = "A-1|250000|6.5|80|720|SFR\n";
    let folder = format!("inputs/teams/{}", team.id);
    for (at, place) in [format!("{folder}/profile.toml"), format!("{folder}/incoming/profile.toml")].into_iter().enumerate() {
        app.put(&place, profile).await;
        let id = come_in(&app, &format!("{folder}/incoming/tape{at}.txt"), tape).await.unwrap();
        assert_eq!(app.work().await, [Executed::Completed]);
        let run = run_object(&app, id).await;
        assert_eq!((&run["profile"]["name"], &run["total_balance"]), (&"west".into(), &250_000.into()), "{place}");
        app.resources.storage.delete(&place).await.unwrap();
    }
    // The profile does not apply in a folder of another seller.
    app.put(&format!("{folder}/profile.toml"), profile).await;
    assert_eq!(come_in(&app, &format!("{folder}/incoming/acme/tape.txt"), tape).await, None);
}

#[tokio::test]
async fn a_tape_that_comes_in_below_a_profile_with_mistakes_fails_and_says_so() {
    let app = TestApp::new().await;
    let too_large = format!("#{}", "x".repeat(64 * 1024));
    for (at, (profile, expected)) in [
        (&b"[columns]\nlone_amount = 1\n"[..], "line 2: there is no field `lone_amount`"),
        (b"name = \"\xff\"\n", "line 1: there is something that is no UTF-8 text"),
        (too_large.as_bytes(), "more than 65536 bytes"),
    ]
    .into_iter()
    .enumerate()
    {
        app.put("inputs/incoming/profile.toml", profile.to_vec()).await;
        for name in ["csv", "txt"] {
            let id = come_in(&app, &format!("inputs/incoming/t{at}.{name}"), tape()).await.unwrap();
            assert_eq!(app.work().await, [Executed::Failed]);
            let run = run_object(&app, id).await;
            let message = run["error"]["message"].as_str().unwrap();
            assert_eq!((&run["error"]["code"], &run["profile"]["name"]), (&"profile_invalid".into(), &"profile".into()));
            assert!(message.contains(expected) && message.contains("Mend the file profile.toml"), "{message}");
        }
    }
}

#[tokio::test]
async fn a_tape_whose_name_no_archive_keeps_is_archived_under_its_hash() {
    let app = TestApp::new().await;
    // S3 takes keys of up to 1,024 bytes, with nearly every character, from clients that put objects without the API.
    let names = ["~tape.csv".to_owned(), format!("{}.csv", "long-".repeat(200)), "a\\b.csv".to_owned()];
    for name in &names {
        let key = format!("inputs/incoming/{name}");
        app.put(&key, tape()).await;
        let etag = app.resources.storage.info(&key).await.unwrap().unwrap().etag;
        let id = app.worker.receive(&Arrival { key, version: "1".to_owned(), etag }).await.unwrap().unwrap();
        assert_eq!(app.work().await, [Executed::Completed], "{name}");
        let manifest: Value = serde_json::from_str(&app.text(&format!("archive/{id}/manifest.json")).await).unwrap();
        assert_eq!(manifest["inputs"][0]["source_file"], *name);
        let place = manifest["inputs"][0]["path"].as_str().unwrap();
        assert_eq!(keys(&app, &format!("archive/{id}/input")).await, [format!("archive/{id}/{place}")]);
        assert_eq!(app.text(&format!("archive/{id}/{place}")).await, tape());
    }
}

#[tokio::test]
async fn tapes_are_found_by_folder_or_by_name() {
    let app = TestApp::new().await;
    for key in ["inputs/b.csv", "inputs/a.XLSX", "inputs/x.pdf", "inputs/2026.02/a.csv", "inputs/2026.02/more/c.csv"] {
        app.put(key, "x").await;
    }
    let find = async |wanted| {
        let tapes = find_tapes(&app.resources.storage, "inputs", &wanted, &[], ReadingRequest::default()).await?.tapes;
        Ok::<_, FindError>(tapes.into_iter().map(|tape| (tape.source_file, tape.key)).collect::<Vec<_>>())
    };
    let folder = async |folder: &str| find(Wanted::Folder(folder.to_owned())).await;
    let files = async |files: &[&str]| find(Wanted::Files(files.iter().map(|file| (*file).to_owned()).collect())).await;
    let pair = |name: &str, key: &str| (name.to_owned(), key.to_owned());
    assert_eq!(folder("").await.unwrap(), [pair("a.XLSX", "inputs/a.XLSX"), pair("b.csv", "inputs/b.csv")]);
    assert_eq!(folder("2026.02/").await.unwrap(), [pair("a.csv", "inputs/2026.02/a.csv")]);
    assert_eq!(files(&["b.csv", "a.XLSX"]).await.unwrap(), [pair("b.csv", "inputs/b.csv"), pair("a.XLSX", "inputs/a.XLSX")]);
    assert!(matches!(folder("nothing").await, Err(FindError::NoTape)));
    assert!(matches!(folder("../outputs").await, Err(FindError::Path(_))));
    assert!(matches!(files(&["c.csv"]).await, Err(FindError::Absent(path)) if path == "c.csv"));
    assert!(matches!(files(&["/b.csv"]).await, Err(FindError::Path(_))));
    assert!(matches!(files(&["x.pdf"]).await, Err(FindError::NotATape(_))));
    assert!(matches!(files(&["b.csv", "./b.csv"]).await, Err(FindError::Repeated(_))));
    assert!(matches!(files(&[]).await, Err(FindError::Count)));
}
