//! The worker while one call fails.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use runner::execute::{Distribution, Executed};
use serde_json::{Value, json};
use shared::auth::permission::Role;
use stores::{
    StoreError,
    runs::LEASE_IN_PARTS,
    start_run::run_of_object,
    storage::{StorageBackend as _, StorageError},
};
use uuid::Uuid;

use crate::support::app::{Asked, Fault, Person, Tape, TestApp, with_retries};

use super::{
    Disturbance, Tried, Way, all, calls_of,
    state::{State, differences},
};

/// What the bucket may hold when a run has ended, each with the reason why it does no harm.
const LEFTOVERS: [(&str, &str); 3] = [
    ("/parts/", "What steps handed on to each other: nothing refers to it, and the bucket's rule for results removes it."),
    ("/rule_set.json ", "The rule set of a run that did not come into being: as its tapes."),
    (
        "object requests/",
        "The tapes of a run that did not come into being: the bucket's rule, and the sweeper of `serve`, remove it.",
    ),
];

fn but_leftovers(lines: BTreeSet<String>) -> BTreeSet<String> {
    lines.into_iter().filter(|line| !LEFTOVERS.iter().any(|(what, _)| line.contains(what))).collect()
}

/// The result of some work, or why it failed.
type Done = Result<Value, StoreError>;

/// Moves the clock so far that every lease has expired.
fn pass(app: &TestApp) {
    app.clock.advance(LEASE_IN_PARTS + SignedDuration::from_millis(1));
}

/// Does some work, and then does it again and again while each of its calls fails in each of the ways. Until the work is
/// repeated, the stores hold only whole parts of the effect, and runs that say that they are not done.
async fn disturb(
    app: &TestApp,
    name: &str,
    ways: &[Way],
    which: fn(&Asked) -> bool,
    act: impl AsyncFn(&TestApp) -> Done,
    tried: &mut Tried,
) {
    let before = State::to_keep(app).await;
    let began = app.resources.clock.now();
    let calm = app.started_anew(|_| {});
    let (done, calls) = calls_of(&calm, Box::pin(act(&calm))).await;
    let done = done.unwrap();
    let now = State::of(app).await;
    let effect = but_leftovers(now.since(&before));
    app.clock.advance(began.duration_since(app.resources.clock.now()));
    before.bring_back(app, &now).await;
    tried.calls.insert(format!("{name}: {done}"), calls.made.len());
    let calls: Vec<_> = calls.made.into_iter().filter(|(_, asked)| which(asked)).collect();
    for disturbance in Disturbance::each(&calls, ways) {
        let what = format!("{name}: {disturbance:?}");
        let product = disturbance.way.product(app);
        disturbance.begin(&product);
        let first = Box::pin(act(&product)).await;
        let (failed, _) = disturbance.end(&product);
        assert!(failed > 0, "the call was not made: {what}");
        tried.faults += failed;
        let found = but_leftovers(State::of(app).await.since(&before));
        let other: Vec<&String> = found.difference(&effect).collect();
        let all = other.is_empty() && found.is_superset(&effect);
        match &first {
            Ok(value) if *value == done => {
                assert!(all, "half of it: {what}\n{}", differences(&found, &effect));
                tried.unnoticed += 1;
            }
            Ok(value) => {
                assert!(not_ours(value) && disturbance.way.takes_effect(), "{what}: {value}");
                tried.refused += 1;
            }
            Err(error) => {
                assert!(matches!(error, StoreError::Unavailable(_)), "{what}: {error:?}");
                let made_up_for = matches!(disturbance.way, Way::FirstTry(_)) && !disturbance.nobody_can_know();
                assert!(!made_up_for, "the second try did not make up for the first: {what}");
                tried.refused += 1;
            }
        }
        let unfinished = |line: &str| line.contains(" RUN {") && (line.contains("\"running\"") || line.contains("\"pending\""));
        assert!(other.iter().all(|line| unfinished(line)), "{what}\n{other:#?}");
        assert!(all || !found.iter().any(|line| line.contains(" RESULTS {")), "results of what has not ended: {what}");
        let mut again = Box::pin(act(&product)).await.unwrap();
        if not_ours(&again) && !all {
            pass(app);
            again = Box::pin(act(&product)).await.unwrap();
        }
        assert!(again == done || all && not_ours(&again), "not healed: {what}: {again}");
        let now = State::of(app).await;
        let found = but_leftovers(now.since(&before));
        assert!(found == effect, "not healed: {what}\n{}", differences(&found, &effect));
        app.clock.advance(began.duration_since(app.resources.clock.now()));
        before.bring_back(app, &now).await;
    }
}

/// Whether a step found that the run belongs to another worker by now, or has ended.
fn not_ours(value: &Value) -> bool {
    value["ended"] == "not_ours" || value["created"] == json!([])
}

/// Calls the worker.
async fn call(app: &TestApp, event: Value) -> Done {
    let handled = Box::pin(app.worker.handle(serde_json::from_value(event).unwrap())).await?;
    Ok(serde_json::to_value(handled).unwrap())
}

async fn app() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    (app, root)
}

fn any(_: &Asked) -> bool {
    true
}

fn tape() -> Tape {
    Tape::of_good(20).with("bad", &[("ltv_ratio", "99")]).with("", &[]).good("L-00001")
}

#[tokio::test]
async fn every_call_of_a_run_fails_once() {
    let (app, root) = app().await;
    let mut tried = Tried::default();
    let files = [app.put_tape(&root, &tape()).await, app.put_tape(&root, &Tape::of_good(3)).await];
    let unusable = app.put_tape(&root, &Tape::new()).await;
    for (name, wanted) in [
        ("whole", json!({"files": files})),
        ("checked", json!({"files": files[1..], "check_history": true})),
        ("dry", json!({"files": files, "dry_run": true})),
        ("failing", json!({"files": [unusable]})),
    ] {
        let id: Uuid = app.start(&root, &wanted).await.expect(202)["run_id"].as_str().unwrap().parse().unwrap();
        let execute = async |app: &TestApp| call(app, json!({"step": "execute", "run_id": id})).await;
        disturb(&app, name, Way::few(), any, execute, &mut tried).await;
        execute(&app).await.unwrap();
    }
    tried.at_least(4, 58, 220);
}

/// Executes all steps of a run, as the state machine does. With `once_more`, a step that fails is called once more.
async fn see_through(app: &TestApp, id: Uuid, once_more: bool) -> Done {
    let step = async |event: Value| match call(app, event.clone()).await {
        Err(_) if once_more => {
            pass(app);
            call(app, event).await
        }
        done => done,
    };
    loop {
        let planned = step(json!({"step": "plan", "run_id": id})).await?;
        if planned["next"] == "process" {
            let owner = &planned["owner"];
            for part in planned["parts"].as_array().unwrap() {
                step(json!({"step": "process", "run_id": id, "owner": owner, "part": part["part"]})).await?;
            }
            step(json!({"step": "finish", "run_id": id, "owner": owner})).await?;
        }
        let run = app.worker.runs.get(id).await?.unwrap();
        if run.status.is_final() {
            return Ok(json!({"run_id": id, "status": run.status.as_str()}));
        }
        pass(app);
    }
}

#[tokio::test]
async fn every_call_of_a_run_in_parts_fails_once() {
    let (mut app, root) = app().await;
    app.worker.distribution = Distribution { above_bytes: 1_000, part_bytes: 700 };
    let mut tried = Tried::default();
    let files = [app.put_tape(&root, &Tape::of_good(20).with("bad", &[("ltv_ratio", "99")]).good("L-00001")).await];
    let broken = app.put_tape(&root, &Tape::of_good(20).with("N\n", &[("note_rate", "6.5,1")])).await;
    let unusable = app.put_tape(&root, &Tape::new()).await;
    let ways = |few: &'static [Way]| if all() { &Way::ALL } else { few };
    let lost = ways(&[Way::AtOnce(Fault::AnswerLost), Way::FirstTry(Fault::AnswerLost)]);
    let failed = ways(&[Way::AtOnce(Fault::Broken)]);
    for (name, wanted, ways, once_more) in [
        ("a step once more", json!({"files": files}), lost, true),
        ("all anew", json!({"files": files}), failed, false),
        ("unusable", json!({"files": [broken, unusable]}), failed, false),
    ] {
        let id: Uuid = app.start(&root, &wanted).await.expect(202)["run_id"].as_str().unwrap().parse().unwrap();
        let through = async |app: &TestApp| Box::pin(see_through(app, id, once_more)).await;
        disturb(&app, name, ways, any, through, &mut tried).await;
        through(&app).await.unwrap();
    }
    tried.at_least(3, 134, 190);
}

#[tokio::test]
async fn a_claim_that_is_sent_twice_is_one_try_of_its_worker() {
    let (app, root) = app().await;
    let first: Uuid = app.pending(&root, &Tape::of_good(1)).await.parse().unwrap();
    app.table_outage.record();
    assert_eq!(app.worker.execute(first).await.unwrap(), Executed::Completed);
    let made = app.table_outage.recorded().asked;
    let claim = made.iter().find(|asked| asked.shape.contains("UpdateItem")).unwrap();

    let second: Uuid = app.pending(&root, &Tape::of_good(1)).await.parse().unwrap();
    let product = app.started_anew(with_retries);
    product.table_outage.fail_one(claim, Fault::AnswerLost, false);
    let executed = product.worker.execute(second).await.unwrap();
    assert!(product.table_outage.recorded().failed > 0);
    assert_eq!(executed, Executed::Completed);
    assert_eq!(app.worker.runs.get(second).await.unwrap().unwrap().attempt, 1);
}

#[tokio::test]
async fn every_call_that_gives_a_run_up_fails_once() {
    let (mut app, root) = app().await;
    app.worker.distribution = Distribution { above_bytes: 1_000, part_bytes: 700 };
    let mut tried = Tried::default();
    let files = [app.put_tape(&root, &Tape::of_good(30)).await];
    for planned in [false, true] {
        let run = app.start(&root, &json!({"files": files})).await.expect(202);
        let id = &run["run_id"];
        let mut owner = Value::Null;
        if planned {
            owner = call(&app, json!({"step": "plan", "run_id": id})).await.unwrap()["owner"].clone();
            assert!(owner.is_string(), "{owner}");
        }
        let give_up = async |app: &TestApp| call(app, json!({"step": "give_up", "run_id": id, "owner": owner})).await;
        disturb(&app, &format!("given up, planned: {planned}"), &Way::ALL, any, give_up, &mut tried).await;
    }
    tried.at_least(2, 7, 83);
}

#[tokio::test]
async fn every_call_that_receives_tapes_fails_once() {
    let (app, _) = app().await;
    let team = app.team("West").await;
    let mut tried = Tried::default();
    let mut records = Vec::new();
    for key in ["inputs/incoming/a.csv".to_owned(), format!("inputs/teams/{}/incoming/b.csv", team.id)] {
        app.put(&key, tape().text().to_owned()).await;
        let etag = app.resources.storage.info(&key).await.unwrap().unwrap().etag;
        records.push(json!({"s3": {"object": {"key": key, "eTag": etag, "sequencer": "1"}}}));
    }
    let ids =
        [run_of_object("inputs/incoming/a.csv", "1"), run_of_object(&format!("inputs/teams/{}/incoming/b.csv", team.id), "1")];
    for id in ids {
        // Ids that occur in the stores stay as they are in the lines to compare.
        app.put(&format!("inputs/{id}.csv"), "").await;
    }
    // The answer names only the runs that were created this time, so check that the runs exist.
    let receive = async |app: &TestApp| {
        call(app, json!({"Records": records})).await?;
        let mut there = Vec::new();
        for id in ids {
            there.push(app.worker.runs.get(id).await?.is_some());
        }
        Ok(json!(there))
    };
    disturb(&app, "received", &Way::ALL, any, receive, &mut tried).await;
    tried.at_least(1, 6, 72);
}

#[tokio::test]
async fn every_call_that_tidies_up_fails_once() {
    let (app, root) = app().await;
    let mut tried = Tried::default();
    for _ in 0..2 {
        let id = app.pending(&root, &Tape::of_good(1)).await.parse().unwrap();
        app.claim(id).await;
        app.put(&format!("answers/{id}/list.json"), "[]").await;
    }
    let free = async |app: &TestApp| Ok(json!(app.worker.runs.free_all().await?));
    disturb(&app, "leases", &Way::ALL, any, free, &mut tried).await;
    // The number of removed answers differs when some are already gone, so ignore it.
    let forget = async |app: &TestApp| {
        app.clock.advance(SignedDuration::from_hours(25));
        let forgotten = local::forget_answers(&app.resources.storage, app.resources.clock.now()).await;
        forgotten.map(|_| json!("forgotten")).map_err(|error| match error {
            StorageError::Store(error) => error,
            error => StoreError::Damaged(error.to_string()),
        })
    };
    disturb(&app, "answers", &Way::ALL, any, forget, &mut tried).await;
    tried.at_least(2, 6, 70);
}
