//! Runs through the steps of the worker, as the state machine calls them.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use runner::execute::Distribution;
use serde_json::{Value, json};
use shared::rules::rule_set::{GuideFiles, RuleSetFile, RunRules};
use stores::{
    runs::{Created, LEASE, LEASE_IN_PARTS, MAX_ATTEMPTS},
    start_run::{self, RunOrder},
};
use uuid::Uuid;

use crate::support::{
    app::{Fault, TestApp},
    runs::{GOOD_CELLS, HEADER},
};

/// The application with runs in small parts, and two tapes in the inputs.
async fn app() -> TestApp {
    let mut app = TestApp::new().await;
    app.worker.distribution = Distribution { above_bytes: 1_000, part_bytes: 400 };
    let rows = |from: usize, to: usize| -> String {
        (from..to)
            .map(|n| format!("\"L\n{n}\",{GOOD_CELLS},kept\nM-{n},100000,6.5,97.01,35,720,sfr,primary,purchase,,,\n"))
            .collect()
    };
    app.put("inputs/a.csv", format!("{HEADER},Note\r\n{}too,few\n", rows(0, 20))).await;
    app.put("inputs/b.csv", format!("{HEADER},Note\n{}", rows(15, 30))).await;
    app
}

async fn start(app: &TestApp, terms: RunOrder) -> Uuid {
    let tapes = app.tapes_of("inputs").await;
    let request = start_run::request(Uuid::new_v4(), terms, tapes, app.resources.clock.now());
    let created = app.worker.runs.create(&request.run(), &request, None).await.unwrap();
    assert_eq!(created, Created::Done);
    request.run_id
}

/// Calls a step of the worker. Returns its answer.
async fn step(app: &TestApp, event: Value) -> Value {
    serde_json::to_value(app.worker.handle(serde_json::from_value(event).unwrap()).await.unwrap()).unwrap()
}

async fn plan(app: &TestApp, id: Uuid) -> Value {
    step(app, json!({ "step": "plan", "run_id": id })).await
}

/// Plans a run. Returns the owner of the run and its parts.
async fn planned(app: &TestApp, id: Uuid) -> (Uuid, Vec<u64>) {
    let answer = plan(app, id).await;
    assert_eq!((&answer["run_id"], &answer["next"]), (&json!(id), &json!("process")), "{answer}");
    let parts = answer["parts"].as_array().unwrap().iter().map(|part| part["part"].as_u64().unwrap()).collect();
    (answer["owner"].as_str().unwrap().parse().unwrap(), parts)
}

async fn process(app: &TestApp, id: Uuid, owner: Uuid, part: u64) -> Value {
    step(app, json!({ "step": "process", "run_id": id, "owner": owner, "part": part })).await
}

async fn finish(app: &TestApp, id: Uuid, owner: Uuid) -> Value {
    step(app, json!({ "step": "finish", "run_id": id, "owner": owner })).await
}

async fn run_object(app: &TestApp, id: Uuid) -> Value {
    serde_json::to_value(app.worker.runs.get(id).await.unwrap().unwrap()).unwrap()
}

/// Everything that is stored for a run, with its id replaced. Times are equal, because the clock of the tests stands still.
async fn stored(app: &TestApp, id: Uuid) -> (BTreeMap<String, Vec<u8>>, String) {
    let without = |text: &str| text.replace(&id.to_string(), "ID");
    let mut all = BTreeMap::new();
    for folder in ["outputs", "archive", "results"] {
        for (key, bytes) in app.objects(&format!("{folder}/{id}")).await {
            let bytes = String::from_utf8(bytes).map_or_else(|error| error.into_bytes(), |text| without(&text).into_bytes());
            all.insert(without(&key), bytes);
        }
    }
    let results = app.worker.runs.results(id).await.unwrap();
    let items = format!("{} {}", run_object(app, id).await, serde_json::to_string(&results).unwrap());
    (all, without(&items))
}

/// A rule set of two programs with a grid of limits and a grid of adjustments.
fn best_of_two() -> RunRules {
    let grid = |name: &str| format!("[[grid]]\nname = \"{name}\"\nfile = \"{name}.csv\"\n");
    let mut files = GuideFiles::default();
    files.insert("one.toml", format!("name = \"one\"\n{}", grid("max_ltv")).into_bytes());
    files.insert("two.toml", format!("name = \"two\"\n{}", grid("by_score")).into_bytes());
    files.insert("max_ltv.csv", *b"credit_score,max ltv_ratio\n700+,75\n");
    files.insert("by_score.csv", *b"credit_score,adjustment\n700+,-0.25\n");
    let toml = "programs = [\"one.toml\", \"two.toml\"]\n".to_owned();
    RunRules::new(RuleSetFile { name: "best".to_owned(), toml, files }).unwrap()
}

/// Whether the rule set, which is kept before a run begins, is all that is among the results of a run.
async fn has_rules_alone(app: &TestApp, id: Uuid) -> bool {
    let kept = app.objects(&format!("results/{id}")).await;
    kept.keys().eq([&format!("results/{id}/rule_set.json")])
}

#[tokio::test]
async fn a_run_by_steps_leaves_what_an_executed_one_leaves() {
    let app = app().await;
    for (dry_run, rules) in [(false, RunRules::default()), (true, RunRules::default()), (false, best_of_two())] {
        let terms = || RunOrder { dry_run, rules: rules.clone(), ..RunOrder::default() };
        let (executed, stepped) = (start(&app, terms()).await, start(&app, terms()).await);
        assert_eq!(step(&app, json!({ "step": "execute", "run_id": executed })).await["ended"], "completed");
        let (owner, parts) = planned(&app, stepped).await;
        assert!(parts.len() > 6 && parts.iter().copied().eq(0..parts.len() as u64), "{parts:?}");
        // Parts may be processed in any order, with any time between them.
        for part in parts.into_iter().rev() {
            app.clock.advance(LEASE_IN_PARTS + SignedDuration::from_secs(1));
            assert_eq!(process(&app, stepped, owner, part).await, json!({ "run_id": stepped, "part": part }));
        }
        app.clock.advance(-(run_time(&app, executed).await));
        assert_eq!(finish(&app, stepped, owner).await, json!({ "run_id": stepped, "ended": "completed" }));
        let (expected, found) = (stored(&app, executed).await, stored(&app, stepped).await);
        assert_eq!(found.0.keys().collect::<Vec<_>>(), expected.0.keys().collect::<Vec<_>>());
        assert!(found.0 == expected.0);
        assert_eq!(found.1, expected.1);
        assert_eq!(
            found.0.keys().map(String::as_str).eq([
                "results/ID/column_mapping.json",
                "results/ID/findings.json",
                "results/ID/rule_set.json"
            ]),
            dry_run
        );
        assert_eq!(finish(&app, stepped, owner).await["ended"], "not_ours");
    }
}

/// The time since a run was completed.
async fn run_time(app: &TestApp, id: Uuid) -> SignedDuration {
    let completed: jiff::Timestamp = run_object(app, id).await["completed_at"].as_str().unwrap().parse().unwrap();
    app.resources.clock.now().duration_since(completed)
}

#[tokio::test]
async fn a_part_that_is_processed_again_changes_nothing() {
    let app = app().await;
    let id = start(&app, RunOrder::default()).await;
    let (owner, parts) = planned(&app, id).await;
    for part in &parts {
        process(&app, id, owner, *part).await;
    }
    let kept = app.objects(&format!("results/{id}/parts")).await;
    assert!(kept.len() > parts.len());
    process(&app, id, owner, parts[1]).await;
    assert!(app.objects(&format!("results/{id}/parts")).await == kept);
}

#[tokio::test]
async fn a_step_of_another_owner_is_refused() {
    let app = app().await;
    let id = start(&app, RunOrder::default()).await;
    let (owner, _) = planned(&app, id).await;
    let refused = json!({ "run_id": id, "ended": "not_ours" });
    assert_eq!(process(&app, id, Uuid::new_v4(), 0).await, refused);
    assert_eq!(finish(&app, id, Uuid::new_v4()).await, refused);
    // While an owner holds the run, it cannot be planned again. After the lease the first owner has lost it.
    assert_eq!(plan(&app, id).await, json!({ "run_id": id, "next": "done", "ended": "not_ours" }));
    app.clock.advance(LEASE + SignedDuration::from_secs(1));
    assert_eq!(plan(&app, id).await["ended"], "not_ours", "a step may take longer than one worker's lease");
    app.clock.advance(LEASE_IN_PARTS);
    let (second, parts) = planned(&app, id).await;
    assert_eq!(process(&app, id, owner, 0).await, refused);
    for part in parts {
        process(&app, id, second, part).await;
    }
    assert_eq!(finish(&app, id, owner).await, refused);
    assert_eq!(finish(&app, id, second).await["ended"], "completed");
    assert!(app.objects(&format!("results/{id}/parts")).await.is_empty());
    let without_owner: Value = json!({ "step": "finish", "run_id": id });
    assert!(app.worker.handle(serde_json::from_value(without_owner).unwrap()).await.is_err());
}

#[tokio::test]
async fn a_small_run_and_one_that_cannot_be_split_are_left_to_one_worker() {
    let mut app = app().await;
    let text = format!("{HEADER}\n{}", format!("L,{GOOD_CELLS}\n").repeat(40));
    app.put("inputs/c.csv", [text.as_bytes(), b"\xfc,1\n"].concat()).await;
    for above_bytes in [1 << 30, 1] {
        app.worker.distribution.above_bytes = above_bytes;
        let id = start(&app, RunOrder::default()).await;
        assert_eq!(plan(&app, id).await, json!({ "run_id": id, "next": "execute" }));
        assert_untried(&app, id).await;
        assert!(has_rules_alone(&app, id).await);
        assert_eq!(step(&app, json!({ "step": "execute", "run_id": id })).await["ended"], "completed");
    }
}

#[tokio::test]
async fn an_unusable_tape_fails_the_plan_as_it_fails_an_execution() {
    let app = app().await;
    app.put("inputs/c.csv", format!("Title\n{HEADER}\n\n")).await;
    let (executed, planned) = (start(&app, RunOrder::default()).await, start(&app, RunOrder::default()).await);
    assert_eq!(step(&app, json!({ "step": "execute", "run_id": executed })).await["ended"], "failed");
    assert_eq!(plan(&app, planned).await, json!({ "run_id": planned, "next": "done", "ended": "failed" }));
    let error = run_object(&app, planned).await["error"].clone();
    assert_eq!((&error["code"], &error["line"]), (&json!("no_data_rows"), &json!(2)));
    assert_eq!(error, run_object(&app, executed).await["error"]);
    assert!(has_rules_alone(&app, planned).await);
}

#[tokio::test]
async fn a_part_that_is_not_there_fails_the_run_and_leaves_no_file() {
    let app = app().await;
    let id = start(&app, RunOrder::default()).await;
    let (owner, parts) = planned(&app, id).await;
    for part in &parts[1..] {
        process(&app, id, owner, *part).await;
    }
    assert_eq!(finish(&app, id, owner).await["ended"], "failed");
    let error = run_object(&app, id).await["error"].clone();
    assert_eq!(error["code"], "storage_failed");
    assert!(error["message"].as_str().unwrap().starts_with("Part 0 of the run is missing or damaged"), "{error}");
    for folder in ["outputs", "archive"] {
        assert!(app.objects(&format!("{folder}/{id}")).await.is_empty());
    }
    assert!(has_rules_alone(&app, id).await);
}

#[tokio::test]
async fn a_tape_that_was_replaced_after_the_plan_fails_the_run() {
    let app = app().await;
    let id = start(&app, RunOrder::default()).await;
    let (owner, parts) = planned(&app, id).await;
    let bytes = app.text("inputs/b.csv").await;
    app.put("inputs/b.csv", bytes.replace("720", "721")).await;
    for part in &parts {
        assert_eq!(process(&app, id, owner, *part).await["part"], *part);
    }
    assert_eq!(finish(&app, id, owner).await["ended"], "failed");
    let error = run_object(&app, id).await["error"].clone();
    assert_eq!((&error["phase"], &error["source_file"]), (&json!("ingest"), &json!("b.csv")), "{error}");
}

#[tokio::test]
async fn giving_a_run_up_removes_its_parts() {
    let app = app().await;
    let id = start(&app, RunOrder::default()).await;
    let (owner, parts) = planned(&app, id).await;
    process(&app, id, owner, parts[0]).await;
    assert_eq!(give_up(&app, id, Some(owner)).await, "given_up");
    assert!(has_rules_alone(&app, id).await);
    assert_eq!(process(&app, id, owner, parts[0]).await["ended"], "not_ours");
    assert!(has_rules_alone(&app, id).await);
}

async fn give_up(app: &TestApp, id: Uuid, owner: Option<Uuid>) -> Value {
    step(app, json!({ "step": "give_up", "run_id": id, "owner": owner })).await["ended"].clone()
}

/// Asserts that no worker holds the run and that no try of it is used up.
async fn assert_untried(app: &TestApp, id: Uuid) {
    let run = app.worker.runs.get(id).await.unwrap().unwrap();
    assert!(run.is_claimable(app.resources.clock.now()));
    assert_eq!(run.attempt, 0);
}

#[tokio::test]
async fn a_run_that_another_worker_has_is_not_given_up() {
    let app = app().await;
    for in_parts in [true, false] {
        let id = start(&app, RunOrder::default()).await;
        let lasts = if in_parts {
            planned(&app, id).await;
            LEASE_IN_PARTS
        } else {
            app.claim(id).await;
            LEASE
        };
        let kept = app.objects(&format!("results/{id}")).await;
        assert_eq!(has_rules_alone(&app, id).await, !in_parts);
        for owner in [None, Some(Uuid::new_v4())] {
            assert_eq!(give_up(&app, id, owner).await, "not_ours");
        }
        assert_eq!(run_object(&app, id).await["status"], "running");
        assert!(app.objects(&format!("results/{id}")).await == kept);
        app.clock.advance(lasts + SignedDuration::from_secs(1));
        assert_eq!(give_up(&app, id, None).await, "given_up");
        assert_eq!(run_object(&app, id).await["error"]["code"], "worker_lost");
        assert_eq!(give_up(&app, id, None).await, "not_ours", "it has ended");
    }
}

#[tokio::test]
async fn a_run_that_was_planned_too_often_is_given_up_and_leaves_no_parts() {
    let app = app().await;
    let id = start(&app, RunOrder::default()).await;
    for _ in 0..MAX_ATTEMPTS {
        planned(&app, id).await;
        app.clock.advance(LEASE_IN_PARTS + SignedDuration::from_secs(1));
    }
    assert!(!has_rules_alone(&app, id).await);
    assert_eq!(plan(&app, id).await["next"], "execute");
    assert_eq!(step(&app, json!({ "step": "execute", "run_id": id })).await["ended"], "given_up");
    assert_eq!(run_object(&app, id).await["error"]["code"], "worker_lost");
    assert!(has_rules_alone(&app, id).await);
}

#[tokio::test]
async fn a_run_is_taken_before_its_tapes_are_read_for_the_plan() {
    let app = app().await;
    let id = start(&app, RunOrder::default()).await;
    app.table_outage.begin_for("UpdateItem", Fault::Unreachable);
    app.bucket_outage.begin(Fault::Unreachable);
    let plan_it = serde_json::from_value(json!({ "step": "plan", "run_id": id })).unwrap();
    assert!(app.worker.handle(plan_it).await.is_err());
    assert!(app.table_outage.end() > 0);
    assert_eq!(app.bucket_outage.end(), 0);
    planned(&app, id).await;
}

#[tokio::test]
async fn a_storage_that_fails_at_the_last_try_of_a_finish_fails_the_run() {
    let app = app().await;
    let id = start(&app, RunOrder::default()).await;
    for attempt in 1..=MAX_ATTEMPTS {
        let (owner, parts) = planned(&app, id).await;
        for part in parts {
            process(&app, id, owner, part).await;
        }
        let finish_it = serde_json::from_value(json!({ "step": "finish", "run_id": id, "owner": owner })).unwrap();
        app.bucket_outage.begin(Fault::Unreachable);
        let ended = app.worker.handle(finish_it).await;
        app.bucket_outage.end();
        assert_eq!(ended.is_ok(), attempt == MAX_ATTEMPTS, "{ended:?}");
        app.clock.advance(LEASE_IN_PARTS + SignedDuration::from_secs(1));
    }
    assert_eq!(run_object(&app, id).await["error"]["code"], "storage_failed");
}

#[tokio::test]
async fn an_outage_during_a_step_is_no_fault_of_the_run() {
    let app = app().await;
    let id = start(&app, RunOrder::default()).await;
    let plan_it = json!({ "step": "plan", "run_id": id });
    for spared in [0, 4] {
        app.bucket_outage.begin_after(spared, Fault::Unreachable);
        assert!(app.worker.handle(serde_json::from_value(plan_it.clone()).unwrap()).await.is_err());
        app.bucket_outage.end();
        assert_untried(&app, id).await;
    }
    let (owner, parts) = planned(&app, id).await;
    let call = async |event: Value| app.worker.handle(serde_json::from_value(event).unwrap()).await;
    let process_first = json!({ "step": "process", "run_id": id, "owner": owner, "part": 0 });
    app.bucket_outage.begin(Fault::Unreachable);
    assert!(call(process_first).await.is_err());
    app.bucket_outage.end();
    for part in &parts {
        process(&app, id, owner, *part).await;
    }
    app.bucket_outage.begin(Fault::Unreachable);
    assert!(call(json!({ "step": "finish", "run_id": id, "owner": owner })).await.is_err());
    app.bucket_outage.end();
    assert_eq!(run_object(&app, id).await["status"], "running");
    assert_eq!(finish(&app, id, owner).await["ended"], "completed");
}
