//! Stored data of runs, users and teams at its largest allowed size: no item outgrows its limit. Data that can never be stored or
//! read fails its run at once.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::SignedDuration;
use runner::execute::{Distribution, Executed};
use rust_xlsxwriter::Workbook;
use serde_json::{Value, json, value::RawValue};
use shared::{
    auth::{
        permission::Role,
        user::{SalesTeam, User, check_email, check_name, check_username},
    },
    engine::{Progress, Tuning},
    error::{MAX_MESSAGE_CHARACTERS, Phase, RunError, RunErrorCode},
    folder::LeftOut,
    loan::Field,
    paths::MAX_PATH_BYTES,
    rules::rule_set::{MAX_RULE_SET_BYTES, RuleSet, RuleSetFile, RunRules},
    tape::{
        header::{MAX_COLUMNS, MAX_HEADER_CHARACTERS},
        request::{ProfileFile, ReadingRequest},
    },
};
use stores::{
    StoreError, keys,
    runs::{Created, IdempotencyKey, Lease, RunRequest, TapeRef},
    start_run::{self, MAX_TAPES, RunOrder},
    storage::StorageBackend as _,
    table::{ItemUpdate, text},
    throttle::{FAILURES_PER_ADDRESS, Whose},
    users::UserWritten,
};
use uuid::Uuid;

use crate::support::{
    app::{Fault, Person, Tape, TestApp, each},
    runs::{GOOD_CELLS, HEADER, run_tapes},
    shell::TestShell,
    tape_rows::exceptions,
};

/// Largest item that DynamoDB accepts, in bytes.
const MAX_ITEM_BYTES: usize = 400 * 1024;

/// Pseudo-random letters that hardly compress, different for each seed.
fn noise(seed: usize, length: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let letter = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(LETTERS[(state >> 58) as usize])
    };
    (0..length).map(letter).collect()
}

async fn app() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    (app, ana)
}

/// Sort key and size in bytes of every item in the table.
async fn items(app: &TestApp) -> Vec<(String, usize)> {
    let (table, mut from, mut items) = (&app.resources.table, None, Vec::new());
    loop {
        let scan = table.client.scan().table_name(&table.name).set_exclusive_start_key(from).send().await.unwrap();
        for item in scan.items() {
            let size = item.iter().map(|(name, value)| {
                name.len()
                    + match value {
                        AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
                        AttributeValue::B(bytes) => bytes.as_ref().len(),
                        other => panic!("{other:?}"),
                    }
            });
            items.push((item["sk"].as_s().unwrap().clone(), size.sum()));
        }
        from = scan.last_evaluated_key;
        if from.is_none() {
            return items;
        }
    }
}

#[tokio::test]
async fn a_run_of_a_thousand_tapes_with_the_longest_paths_completes() {
    let (app, ana) = app().await;
    let folder = |at: usize| noise(at, MAX_PATH_BYTES - "inputs//tape.csv".len());
    let mut paths: Vec<String> = (0..MAX_TAPES).map(|at| format!("{}/tape.csv", folder(at))).collect();
    paths.sort();
    for (at, path) in paths.iter().enumerate() {
        let tape = Tape::new().good(&format!("L-{at}")).text().to_owned();
        app.resources.storage.put_bytes(&format!("inputs/{path}"), tape.into(), "text/csv").await.unwrap();
    }
    let run = app.start(&ana, &json!({"files": paths})).await.expect(202);
    let id = run["run_id"].as_str().unwrap();
    assert_eq!(app.work().await, [Executed::Completed]);
    let run = app.read(&ana, &format!("/api/runs/{id}")).await;
    assert_eq!((&run["status"], &run["total_loans"]), (&"completed".into(), &MAX_TAPES.into()));
    assert!(each(&run["column_mapping"], "source_file").into_iter().eq(paths.iter()));
    assert_eq!(app.read(&ana, "/api/runs").await[0]["column_mapping"], Value::Null);
    let archived = app.read(&ana, &format!("/api/runs/{id}/archive")).await;
    assert_eq!(archived["input"].as_array().map(Vec::len), Some(MAX_TAPES));
    let download = app.get(&format!("/api/runs/{id}/archive/download?path=input/{}", paths[7])).by(&ana).send().await;
    assert!(download.status == 200 && download.text().contains("L-7"), "{}", download.status);
    let largest = items(&app).await.into_iter().map(|(_, size)| size).max().unwrap();
    assert!(largest < 20_000, "{largest}");
}

/// A header with this number of columns: the canonical ones, and others with names of this number of characters.
fn header(columns: usize, characters: usize) -> String {
    (11..columns).fold(HEADER.to_owned(), |header, at| header + "," + &noise(at, characters))
}

#[tokio::test]
async fn a_run_of_a_tape_with_the_most_columns_and_the_longest_names_completes() {
    let (app, ana) = app().await;
    let header = header(MAX_COLUMNS, MAX_HEADER_CHARACTERS);
    app.put("inputs/wide.csv", format!("{header}\n001,{GOOD_CELLS}{}\n", ",x".repeat(MAX_COLUMNS - 11))).await;
    let run = app.start(&ana, &json!({"files": ["wide.csv"]})).await.expect(202);
    let id = run["run_id"].as_str().unwrap();
    assert_eq!(app.work().await, [Executed::Completed]);
    let run = app.read(&ana, &format!("/api/runs/{id}")).await;
    let columns = each(&run["column_mapping"][0]["columns"], "header");
    assert!(columns.into_iter().map(|name| name.as_str().unwrap()).eq(header.split(',')));
    let loans = app.read(&ana, &format!("/api/loans?run_id={id}")).await;
    assert_eq!(loans[0][header.rsplit(',').next().unwrap()], "x");
    let largest = items(&app).await.into_iter().map(|(_, size)| size).max().unwrap();
    assert!(largest < 20_000, "{largest}");
}

fn workbook(rows: &[String]) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (row, line) in (0..).zip(rows) {
        for (column, cell) in (0..).zip(line.split(',')) {
            sheet.write_string(row, column, cell).unwrap();
        }
    }
    workbook.save_to_buffer().unwrap()
}

#[tokio::test]
async fn a_header_beyond_its_bounds_fails_the_run_and_says_where() {
    let ((app, ana), desk) = (app().await, TestShell::new());
    let many = header(MAX_COLUMNS + 1, 3);
    let long = header(12, MAX_HEADER_CHARACTERS + 1);
    let shown = format!("The name of column 12, \"{}…\", has 301 characters; a name has at most 300.", &noise(11, 301)[..59]);
    let counted = "The header has 4097 columns; a tape has at most 4096.".to_owned();
    for (kind, header, sentence) in [("many", many, counted), ("long", long, shown)] {
        let loan = format!("001,{GOOD_CELLS}{}", ",x".repeat(header.split(',').count() - 11));
        let rows = ["A title".to_owned(), header, loan];
        for (name, bytes) in [(format!("{kind}.csv"), rows.join("\n").into_bytes()), (format!("{kind}.xlsx"), workbook(&rows))] {
            app.put(&format!("inputs/{name}"), bytes.clone()).await;
            let run = app.start(&ana, &json!({"files": [name]})).await.expect(202);
            assert_eq!(app.work().await, [Executed::Failed], "{name}");
            let run = app.read(&ana, &format!("/api/runs/{}", run["run_id"].as_str().unwrap())).await;
            let error = &run["error"];
            assert_eq!(
                (&error["code"], &error["source_file"], &error["line"]),
                (&json!("header_too_large"), &json!(name), &json!(2))
            );
            assert!(error["message"].as_str().unwrap().starts_with(&sentence), "{name}: {error}");
            desk.write(&name, bytes);
            let said = desk.command(&["run", &name, "--dry-run", "--format", "json"]);
            assert_eq!((said.code, &said.json()["run"]["error"]), (1, error), "{name}");
        }
    }
}

/// Sort keys of all kinds of items that the table may hold, from the documentation of the module `keys`.
fn kinds() -> BTreeSet<String> {
    let rows = include_str!("../stores/src/keys.rs").lines().filter_map(|line| line.strip_prefix("//! | "));
    rows.filter_map(|row| Some(row.split(" | ").nth(2)?.strip_prefix('`')?.strip_suffix('`')?.to_owned()))
        .filter(|sk| sk != "sk")
        .collect()
}

/// Stores a user and a team with every text at its maximum length. In the form for comparison, the texts are longer still.
async fn put_people(app: &TestApp) -> (User, SalesTeam) {
    // One letter of three bytes that becomes eighteen letters in the form in which names are compared.
    const GROWS: &str = "\u{fdfa}";
    let team = SalesTeam { id: Uuid::new_v4(), name: GROWS.repeat(200) };
    check_name(&team.name).unwrap();
    let teams = app.resources.teams();
    assert!(teams.create(&team).await.unwrap());
    assert!(!teams.create(&SalesTeam { id: Uuid::new_v4(), ..team.clone() }).await.unwrap());
    assert_eq!(teams.list(None, 0, 10).await.unwrap().0, std::slice::from_ref(&team));

    let email = format!("{}@{}", GROWS.repeat(21), [21, 21, 20].map(|letters| GROWS.repeat(letters)).join("."));
    let user = User {
        email,
        username: "U".repeat(50),
        full_name: Some("\u{1F3E0}".repeat(200)),
        tokens_valid_from: i64::MAX,
        revision: u64::MAX - 1,
        ..app.person("ana", Role::Analyst, None).await.user
    };
    let user = User { id: Uuid::new_v4(), role: Role::SalesTeam, sales_team_id: Some(team.id), ..user };
    check_email(&user.email).unwrap();
    check_username(&user.username).unwrap();
    check_name(user.full_name.as_deref().unwrap()).unwrap();
    let users = app.resources.users();
    assert_eq!(users.create(&user).await.unwrap(), UserWritten::Done);
    assert_eq!(
        users.create(&User { id: Uuid::new_v4(), username: "other".to_owned(), ..user.clone() }).await.unwrap(),
        UserWritten::EmailTaken
    );
    assert_eq!(users.get(user.id).await.unwrap(), Some(user.clone()));
    (user, team)
}

/// The largest allowed request for a run.
fn largest_request(
    app: &TestApp,
    user: &User,
    team: &SalesTeam,
    tapes: Vec<TapeRef>,
    header: impl Fn(Field) -> String,
) -> RunRequest {
    let rules = format!("name = \"{}\"\nversion = \"{}\"\n", noise(1, 32_000), noise(2, 33_000));
    assert!(rules.len() as u64 <= MAX_RULE_SET_BYTES && rules.len() as u64 > MAX_RULE_SET_BYTES - 1_000, "{}", rules.len());
    let profile = format!("name = \"{}\"\nversion = \"{}\"\n", noise(3, 32_000), noise(4, 33_000));
    let reading = ReadingRequest {
        profile: Some(ProfileFile::new("largest", profile)),
        map: Field::CANONICAL.into_iter().map(|field| (field, header(field))).collect(),
        sheet: Some(noise(6, 31)),
    };
    let terms = RunOrder {
        sales_team_id: Some(team.id),
        created_by: Some(user.id),
        created_by_username: Some(user.username.clone()),
        irr_target: Some("29.123456789012345678901234567".parse().unwrap()),
        pdate: Some("2026-02-02".parse().unwrap()),
        rules: RunRules::new(RuleSetFile::new("largest.toml", rules)).unwrap(),
        waivers: Some(shared::waivers::WaiverFile::new(&(noise(8, 990) + ".csv"), crate::waivers::COLUMNS.into())),
        reading,
        left_out: LeftOut::new((0..300).map(|at| format!("{at}{}", noise(7, 250))).collect()),
        dry_run: false,
        check_history: true,
    };
    start_run::request(Uuid::new_v4(), terms, tapes, app.resources.clock.now())
}

#[tokio::test]
async fn every_kind_of_item_is_stored_with_every_field_at_its_bound() {
    let app = TestApp::new().await;
    let (user, team) = put_people(&app).await;
    let runs = &app.worker.runs;
    let key = |at: usize| IdempotencyKey {
        user: user.id,
        key_hash: noise(at, 64),
        request_hash: noise(at + 1, 64),
        dated_hash: noise(at + 2, 64),
        pdate: "2026-02-02".parse().unwrap(),
    };

    // S3 keys have up to 1,024 bytes, and some take six times as many bytes as JSON.
    let tape = |at: usize| {
        let key = format!("inputs/{}{}", "\u{1}".repeat(500), noise(at, 1_024 - "inputs/".len() - 500));
        TapeRef { source_file: key.clone(), key, size: u64::MAX / 1_000, etag: noise(at, 40) }
    };
    let failing = largest_request(&app, &user, &team, (0..MAX_TAPES).map(tape).collect(), |_| noise(5, MAX_HEADER_CHARACTERS));
    assert_eq!(runs.create(&failing.run(), &failing, Some(&key(0))).await.unwrap(), Created::Done);
    let stored = runs.request(failing.run_id).await.unwrap().unwrap();
    assert_eq!(runs.tapes(&stored).await.unwrap().len(), MAX_TAPES);
    let lease = app.claim(failing.run_id).await;
    let progress = Progress { loans: u64::MAX, bytes: u64::MAX, total_bytes: u64::MAX };
    assert!(runs.report(&lease, Some(progress), app.resources.clock.now()).await.unwrap());
    let mut run = failing.run();
    run.start(app.resources.clock.now()).unwrap();
    let message = "\u{1F3E0}".repeat(MAX_MESSAGE_CHARACTERS * 2);
    let error = RunError::ingest(RunErrorCode::MissingColumns, &tape(0).source_file, Some(u64::MAX), message);
    assert_eq!(error.message.chars().count(), MAX_MESSAGE_CHARACTERS);
    run.fail(error, app.resources.clock.now()).unwrap();
    assert!(runs.end(&lease, &run).await.unwrap());

    // Every rule fails in every severity, and every number has its maximum length.
    let digits = "9".repeat(30);
    let loan = |number: usize| format!("L{number},{digits},29.9999999999999,{digits},{digits},{digits},hut,x,y,,0\n");
    let rows: String = (0..50).map(loan).collect();
    app.put("inputs/tape.csv", format!("{HEADER}\n{rows}{}1,2\n", rows.replace(&digits, "x"))).await;
    let info = app.resources.storage.info("inputs/tape.csv").await.unwrap().unwrap();
    let tapes = vec![start_run::tape("tape.csv".to_owned(), "inputs/tape.csv".to_owned(), &info)];
    let completing = largest_request(&app, &user, &team, tapes, |field| field.name().to_owned());
    assert_eq!(runs.create(&completing.run(), &completing, Some(&key(2))).await.unwrap(), Created::Done);
    assert_eq!(app.work().await, [Executed::Completed]);
    let failures = app.resources.failures();
    let (name, address) = (noise(3, 100_000), noise(4, 100_000));
    for _ in 0..=FAILURES_PER_ADDRESS {
        failures.add(Whose::Username(&name), app.resources.clock.now()).await.unwrap();
        failures.add(Whose::Address(&address), app.resources.clock.now()).await.unwrap();
        app.clock.advance(SignedDuration::from_secs(8));
    }

    app.resources.table.try_out().await.unwrap();
    let mut largest: BTreeMap<String, usize> = BTreeMap::new();
    for (kind, size) in items(&app).await {
        let most = largest.entry(kind).or_default();
        *most = size.max(*most);
    }
    assert_eq!(largest.keys().cloned().collect::<BTreeSet<_>>(), kinds());
    // DynamoDB accepts every item, and each item leaves room for what a later version may add.
    assert!(largest.values().all(|size| *size < MAX_ITEM_BYTES / 3), "{largest:?}");
}

/// Creates a pending run with its data in the stores, and returns its id.
async fn pending(app: &TestApp, ana: &Person) -> Uuid {
    app.pending(ana, &Tape::of_good(3)).await.parse().unwrap()
}

/// A way to damage the stored data of a pending run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    RunRecord,
    Request,
    NoRequest,
    RuleSet,
    NoTapeList,
    OtherTapeList,
}

impl Damage {
    const ALL: [Self; 6] =
        [Self::RunRecord, Self::Request, Self::NoRequest, Self::RuleSet, Self::NoTapeList, Self::OtherTapeList];

    async fn inflict(self, app: &TestApp, id: Uuid) {
        let table = &app.resources.table;
        let set = |doc: String| ItemUpdate::new("SET doc = :doc").with(":doc", text(doc));
        match self {
            Self::RunRecord => drop(table.update(&keys::run(id), set("{\"run_id\":".to_owned()), None).await.unwrap()),
            Self::Request => drop(table.update(&keys::run_request(id), set("no JSON".to_owned()), None).await.unwrap()),
            Self::NoRequest => {
                let key = keys::run_request(id).item();
                table.client.delete_item().table_name(&table.name).set_key(Some(key)).send().await.unwrap();
            }
            Self::RuleSet => {
                let request = app.worker.runs.request(id).await.unwrap().unwrap();
                let mut request = serde_json::to_value(&request).unwrap();
                request["rule_set"] = serde_json::json!({"name": "bad", "toml": "[limits]\nunknown = 1\n"});
                table.update(&keys::run_request(id), set(serde_json::to_string(&request).unwrap()), None).await.unwrap();
            }
            Self::NoTapeList => app.resources.storage.delete(&keys::tape_list(id)).await.unwrap(),
            Self::OtherTapeList => app.put(&keys::tape_list(id), "[]").await,
        }
    }
}

async fn error_code(app: &TestApp, ana: &Person, id: Uuid) -> Value {
    let run = app.read(ana, &format!("/api/runs/{id}")).await;
    assert_eq!(run["status"], "failed", "{run}");
    assert!(run["completed_at"].is_string() && run["created_by"] == ana.user.id.to_string(), "{run}");
    run["error"]["code"].clone()
}

#[tokio::test]
async fn a_run_whose_record_cannot_be_read_fails_at_its_first_try_and_keeps_no_other_waiting() {
    for damage in Damage::ALL {
        let (app, ana) = app().await;
        let (damaged, whole) = (pending(&app, &ana).await, pending(&app, &ana).await);
        damage.inflict(&app, damaged).await;
        assert_eq!(app.work().await, [Executed::Failed, Executed::Completed], "{damage:?}");
        assert_eq!(error_code(&app, &ana, damaged).await, "record_unreadable", "{damage:?}");
        assert_eq!(app.work().await, [], "{damage:?}");
        assert_eq!(app.read(&ana, "/api/runs").await.as_array().map(Vec::len), Some(2), "{damage:?}");
        assert_eq!(app.read(&ana, &format!("/api/runs/{whole}")).await["status"], "completed");
    }
}

async fn step(app: &TestApp, event: Value) -> Value {
    serde_json::to_value(app.worker.handle(serde_json::from_value(event).unwrap()).await.unwrap()).unwrap()
}

#[tokio::test]
async fn the_steps_of_a_run_whose_record_cannot_be_read_fail_it_at_once() {
    for damage in Damage::ALL {
        for steps_before in 0..=2 {
            let (mut app, ana) = app().await;
            app.worker.distribution = Distribution { above_bytes: 1, part_bytes: 1_000_000 };
            let id = pending(&app, &ana).await;
            let mut owner = Value::Null;
            let what = format!("{damage:?} after {steps_before}");
            for number in 0..=2 {
                if number == steps_before {
                    damage.inflict(&app, id).await;
                }
                let name = ["plan", "process", "finish"][number];
                let done = step(&app, json!({"step": name, "run_id": id, "owner": owner, "part": 0})).await;
                let ended = app.worker.runs.state(id).await.unwrap().unwrap().status.is_final();
                assert_eq!(ended, number >= steps_before, "{what}: {done}");
                if ended {
                    break;
                }
                owner = if number == 0 { done["owner"].clone() } else { owner };
            }
            assert_eq!(error_code(&app, &ana, id).await, "record_unreadable", "{what}");
            assert!(app.objects(&format!("results/{id}/parts")).await.is_empty(), "{what}");
        }
    }
}

#[tokio::test]
async fn an_item_that_is_too_large_is_told_from_a_store_that_fails() {
    let (app, ana) = app().await;
    let id = pending(&app, &ana).await;
    let lease = app.claim(id).await;
    let request = app.worker.runs.request(id).await.unwrap().unwrap();
    let mut run = request.run();
    run.start(app.resources.clock.now()).unwrap();
    run.complete(app.resources.clock.now()).unwrap();
    let summary = RawValue::from_string(format!("\"{}\"", noise(0, 2 * MAX_ITEM_BYTES))).unwrap();
    let results = serde_json::json!({"outputs": [], "facts": null, "exceptions": null, "index": null, "summary": null});
    let mut results: stores::runs::RunResults = serde_json::from_str(&results.to_string()).unwrap();
    results.summary = summary;
    let refused = app.worker.runs.complete(&lease, &run, &results).await;
    assert!(matches!(refused, Err(StoreError::TooLarge(_))), "{refused:?}");
    let ballast = ItemUpdate::new("SET ballast = :ballast").with(":ballast", text(noise(0, MAX_ITEM_BYTES)));
    let refused = app.resources.table.update(&keys::run(id), ballast, None).await.map(drop);
    assert!(matches!(refused, Err(StoreError::TooLarge(_))), "{refused:?}");
    assert!(app.worker.runs.end(&Lease::of_one(id, lease.owner), &run).await.unwrap());
}

#[tokio::test]
async fn a_run_whose_results_the_table_does_not_take_fails_at_its_first_try() {
    for usable in [true, false] {
        let (app, ana) = app().await;
        let id = pending(&app, &ana).await;
        // Try a run that would complete, and a run that fails to write its archive after its results are there.
        if !usable {
            app.bucket_outage.begin_for("manifest.json", Fault::Broken);
            for _ in 0..2 {
                assert!(app.worker.execute(id).await.is_err());
            }
        }
        app.table_outage.begin_for("TransactWriteItems", Fault::Oversized);
        assert_eq!(app.worker.execute(id).await.unwrap(), Executed::Failed);
        assert_eq!(app.table_outage.end(), 1);
        app.bucket_outage.end();
        let run = app.worker.runs.get(id).await.unwrap().unwrap();
        assert_eq!(run.attempt, if usable { 1 } else { 3 });
        assert_eq!(error_code(&app, &ana, id).await, "record_too_large");
        assert_eq!(app.work().await, []);
    }
}

#[tokio::test]
async fn what_an_earlier_version_stored_stays_readable() {
    let (app, ana) = app().await;
    let id = pending(&app, &ana).await;
    let (runs, table) = (&app.worker.runs, &app.resources.table);
    let set = |doc: String| ItemUpdate::new("SET doc = :doc").with(":doc", text(doc));
    // The earlier version listed the tapes in the request.
    let request = runs.request(id).await.unwrap().unwrap();
    let mut old = serde_json::to_value(&request).unwrap();
    old["tapes"] = serde_json::to_value(runs.tapes(&request).await.unwrap()).unwrap();
    table.update(&keys::run_request(id), set(old.to_string()), None).await.unwrap();
    app.resources.storage.delete(&keys::tape_list(id)).await.unwrap();
    assert_eq!(app.work().await, [Executed::Completed]);
    // It also stored the column mapping in the run, and no notices.
    let mut whole = app.read(&ana, &format!("/api/runs/{id}")).await;
    let results = runs.results(id).await.unwrap().unwrap();
    let mut results = serde_json::to_value(&results).unwrap();
    results.as_object_mut().unwrap().remove("column_mapping");
    table.update(&keys::run_results(id), set(results.to_string()), None).await.unwrap();
    let stored = runs.get(id).await.unwrap().unwrap();
    let (doc, _) = stored.object().get().split_once(r#","profile":"#).unwrap();
    table.update(&keys::run(id), set(format!("{doc},\"column_mapping\":{}}}", whole["column_mapping"])), None).await.unwrap();
    app.resources.storage.delete(&format!("results/{id}/column_mapping.json")).await.unwrap();
    ["created_by_username", "tapes", "tapes_count", "dispositions"].iter().for_each(|member| whole[*member] = Value::Null);
    assert_eq!(app.read(&ana, &format!("/api/runs/{id}")).await, whole);
    assert_eq!(app.read(&ana, "/api/runs").await[0]["column_mapping"], Value::Null);
}

#[test]
fn a_message_of_any_length_stays_within_its_bound() {
    let long = noise(0, 100_000);
    for error in [
        RunError::ingest(RunErrorCode::NoHeader, "t.csv", None, long.clone()),
        RunError::unreadable("t.csv", &std::io::Error::other(long.clone())),
        RunError::output(Phase::Output, &long, &std::io::Error::other("full")),
        RunError::internal(Phase::Ingest, long.clone()),
    ] {
        assert_eq!(error.message.chars().count(), MAX_MESSAGE_CHARACTERS);
        assert!(error.message.ends_with('…'));
    }
}

#[test]
fn no_message_of_an_exception_is_as_long_as_what_it_quotes() {
    let words: Vec<String> = (0..5_000).map(|at| format!("\"{}\"", noise(at, 8))).collect();
    let rules = format!("name = \"x\"\nversion = \"1\"\n[limits]\nproperty_type = [{}]\n", words.join(", "));
    let number = noise(1, 60_000);
    let loan = format!("{number},{}\n", GOOD_CELLS.replace("sfr", &noise(2, 60_000)));
    let missing = format!("{number},{}\n", GOOD_CELLS.replace("6.5", &noise(3, 60_000)));
    let tape = format!("{HEADER}\n{loan}{missing}{},{}\n", noise(4, 60_000), "x".repeat(60_000));
    let rules = RuleSet::from_toml(&rules).unwrap();
    let finished = run_tapes(&[("tape.csv", tape.as_bytes())], &rules, Tuning { threads: 1, block_bytes: 64 * 1024 }).unwrap();
    let found = exceptions(&finished);
    let kinds: BTreeSet<&str> = found.iter().map(|exception| exception["exception_type"].as_str()).collect();
    assert_eq!(kinds, BTreeSet::from(["duplicate_loan", "invalid_value", "malformed_row", "property_type"]));
    for exception in &found {
        let length = exception["message"].chars().count();
        assert!(length < 1_500, "{}: {length}", exception["exception_type"]);
    }
}
