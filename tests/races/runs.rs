//! Runs: two requests for one run, two workers on one run, and tapes that are replaced in between.

use std::collections::BTreeMap;

use http::HeaderName;
use jiff::SignedDuration;
use runner::{
    execute::{Distribution, Executed},
    incoming::Arrival,
};
use serde_json::{Value, json};
use shared::auth::permission::Role;
use stores::{runs::LEASE, storage::StorageBackend as _};
use uuid::Uuid;

use crate::support::app::{Answer, Person, Tape, TestApp};

use super::{at_every_point, users::remove_team};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

fn tape() -> Tape {
    Tape::of_good(20).with("bad", &[("ltv_ratio", "99")]).with("", &[])
}

/// An analyst with a pending run.
struct Scene {
    ana: Person,
    run: Uuid,
    tape: String,
}

async fn scene() -> (TestApp, Scene) {
    let mut app = TestApp::new().await;
    app.worker.distribution = Distribution { above_bytes: u64::MAX, part_bytes: 400 };
    let ana = app.person("ana", Role::Analyst, None).await;
    app.put("inputs/tape.csv", tape().text().to_owned()).await;
    let run = app.start(&ana, &json!({"files": ["tape.csv"]})).await.expect(202);
    let run = run["run_id"].as_str().unwrap().parse().unwrap();
    (app, Scene { ana, run, tape: "inputs/tape.csv".to_owned() })
}

/// Output files of a run, by name.
async fn outputs(app: &TestApp, run: Uuid) -> BTreeMap<String, Vec<u8>> {
    let folder = format!("outputs/{run}/");
    app.objects(&format!("outputs/{run}")).await.into_iter().map(|(key, bytes)| (key[folder.len()..].to_owned(), bytes)).collect()
}

/// Output files of an undisturbed run.
async fn undisturbed() -> BTreeMap<String, Vec<u8>> {
    let (app, scene) = scene().await;
    assert_eq!(app.worker.execute(scene.run).await.unwrap(), Executed::Completed);
    let outputs = outputs(&app, scene.run).await;
    assert_eq!(outputs.len(), 4);
    outputs
}

/// What the table stores of a run: the run, its number of attempts and its results.
async fn items(app: &TestApp, run: Uuid) -> (Value, u32, Value) {
    let stored = app.worker.runs.get(run).await.unwrap().unwrap();
    let results = app.worker.runs.results(run).await.unwrap();
    (serde_json::to_value(&stored).unwrap(), stored.attempt, serde_json::to_value(results).unwrap())
}

async fn execute(app: &TestApp, scene: &Scene) -> Executed {
    app.worker.execute(scene.run).await.unwrap()
}

/// Takes the run over from a worker that no longer reports.
async fn take_over(app: &TestApp, scene: &Scene) -> Executed {
    loop {
        app.clock.advance(LEASE + SignedDuration::from_millis(1));
        let ended = execute(app, scene).await;
        // The other worker may have reported in between, which extends its lease.
        if ended != Executed::NotOurs || app.worker.runs.get(scene.run).await.unwrap().unwrap().status.is_final() {
            return ended;
        }
    }
}

#[tokio::test]
async fn of_two_workers_one_has_the_run_wherever_they_meet() {
    let expected = undisturbed().await;
    let races = at_every_point(scene, execute, execute, async |app, scene, ended, point| {
        let completed = [ended.first, ended.second].iter().filter(|ended| **ended == Executed::Completed).count();
        let refused = [ended.first, ended.second].iter().filter(|ended| **ended == Executed::NotOurs).count();
        assert_eq!((completed, refused), (1, 1), "{point}");
        let (run, attempt, _) = items(app, scene.run).await;
        assert_eq!((&run["status"], attempt), (&"completed".into(), 1), "{point}");
        assert!(outputs(app, scene.run).await == expected, "{point}");
        let loans = app.read(&scene.ana, &format!("/api/loans?run_id={}", scene.run)).await;
        assert_eq!(loans.as_array().unwrap().len(), 22, "{point}");
    })
    .await;
    assert!(races > 20, "{races}");
}

#[tokio::test]
async fn a_worker_that_has_lost_its_run_changes_nothing_any_more() {
    let expected = undisturbed().await;
    let mut taken_over = 0;
    let races = at_every_point(
        scene,
        execute,
        async |app, scene| {
            let ended = take_over(app, scene).await;
            (ended, items(app, scene.run).await, app.objects("").await)
        },
        async |app, scene, ended, point| {
            let (second, items_then, objects_then) = ended.second;
            let completed = [ended.first, second].iter().filter(|ended| **ended == Executed::Completed).count();
            assert_eq!(completed, 1, "{point}: {:?} {second:?}", ended.first);
            assert!(outputs(app, scene.run).await == expected, "{point}");
            assert_eq!(items(app, scene.run).await, items_then, "{point}");
            if second == Executed::Completed {
                taken_over += 1;
                assert_eq!(ended.first, Executed::NotOurs, "{point}");
                assert!(app.objects("").await == objects_then, "{point}");
            }
            // Every page and file is still the one that the run refers to.
            for path in ["/api/loans?run_id={}", "/api/exceptions?run_id={}", "/api/runs/{}/notebook-outputs"] {
                app.read(&scene.ana, &path.replace("{}", &scene.run.to_string())).await;
            }
            let archive = format!("/api/runs/{}/archive/download?path=manifest.json", scene.run);
            assert_eq!(app.get(&archive).by(&scene.ana).send().await.status, 200, "{point}");
        },
    )
    .await;
    assert!(races > 20 && taken_over + 3 > races, "{taken_over} of {races}");
}

#[tokio::test]
async fn a_run_that_another_worker_failed_stays_failed_whatever_the_first_one_still_stores() {
    let expected = undisturbed().await;
    let mut failed = 0;
    let races = at_every_point(
        scene,
        execute,
        async |app, scene| {
            // Replace the tape, so that the worker that takes the run over cannot read it.
            app.put(&scene.tape, Tape::of_good(30).text().to_owned()).await;
            (take_over(app, scene).await, items(app, scene.run).await)
        },
        async |app, scene, ended, point| {
            let (second, then) = ended.second;
            assert_eq!(items(app, scene.run).await, then, "{point}");
            if second != Executed::Failed {
                return;
            }
            failed += 1;
            assert_eq!((ended.first, &then.0["status"]), (Executed::NotOurs, &"failed".into()), "{point}");
            assert_eq!(app.read(&scene.ana, &format!("/api/loans?run_id={}", scene.run)).await, json!([]), "{point}");
            // A worker that has lost the run stores results of the tape that the run was started on, or nothing.
            for (name, bytes) in outputs(app, scene.run).await {
                assert!(bytes == expected[&name], "{point}: {name}");
            }
        },
    )
    .await;
    assert!(races > 20 && failed + 3 > races, "{failed} of {races}");
}

#[tokio::test]
async fn a_run_that_was_given_up_stays_given_up() {
    let mut given_up = 0;
    let races = at_every_point(
        scene,
        execute,
        async |app, scene| {
            app.clock.advance(LEASE + SignedDuration::from_millis(1));
            let step = serde_json::from_value(json!({"step": "give_up", "run_id": scene.run})).unwrap();
            let ended = serde_json::to_value(app.worker.handle(step).await.unwrap()).unwrap();
            (ended["ended"] == "given_up").then_some(items(app, scene.run).await)
        },
        async |app, scene, ended, point| {
            if let Some(then) = ended.second {
                given_up += 1;
                assert_eq!(ended.first, Executed::NotOurs, "{point}");
                assert_eq!(items(app, scene.run).await, then, "{point}");
                assert_eq!(then.0["error"]["code"], "worker_lost");
                assert!(then.0["completed_at"].is_string());
            } else {
                assert_eq!(ended.first, Executed::Completed, "{point}");
            }
        },
    )
    .await;
    assert!(races > 20 && given_up + 3 > races, "{given_up} of {races}");
}

#[tokio::test]
async fn a_tape_that_is_replaced_while_a_run_reads_it_gives_the_old_results_or_an_error() {
    let expected = undisturbed().await;
    let (mut completed, mut failed) = (0, 0);
    for replace in [true, false] {
        at_every_point(
            scene,
            execute,
            async |app, scene| match replace {
                true => app.put(&scene.tape, Tape::of_good(30).text().to_owned()).await,
                false => app.resources.storage.delete(&scene.tape).await.unwrap(),
            },
            async |app, scene, ended, point| {
                let (run, _, results) = items(app, scene.run).await;
                let outputs = outputs(app, scene.run).await;
                match ended.first {
                    Executed::Completed => {
                        completed += 1;
                        assert!(outputs == expected, "{point}");
                    }
                    Executed::Failed => {
                        failed += 1;
                        assert_eq!(run["status"], "failed");
                        // A failed run has results of the tape that it was started on, or none.
                        assert!(results.is_null() == outputs.is_empty(), "{point}: {run}");
                        assert!(outputs.is_empty() || outputs == expected, "{point}");
                    }
                    Executed::GivenUp | Executed::NotOurs => panic!("{point}"),
                }
            },
        )
        .await;
    }
    assert!(completed > 2 && failed > 4, "{completed} {failed}");
}

#[tokio::test]
async fn one_key_makes_one_run_wherever_two_requests_meet() {
    let send = async |app: &TestApp, scene: &Scene, dry_run: bool| -> Answer {
        let wanted = json!({"files": ["tape.csv"], "dry_run": dry_run});
        app.post("/api/pipeline/run").by(&scene.ana).header(KEY, "k").json(&wanted).send().await
    };
    for other in [false, true] {
        let races = at_every_point(
            scene,
            async |app, scene| send(app, scene, false).await,
            async |app, scene| send(app, scene, other).await,
            async |app, scene, ended, point| {
                let runs = app.read(&scene.ana, "/api/runs").await;
                assert_eq!(runs.as_array().unwrap().len(), 2, "{point}");
                let made = runs.as_array().unwrap().iter().map(|run| &run["run_id"]).find(|id| **id != json!(scene.run)).unwrap();
                let mut statuses = Vec::new();
                for answer in [&ended.first, &ended.second] {
                    statuses.push(answer.status.as_u16());
                    match answer.status.as_u16() {
                        202 => assert_eq!(answer.json()["run_id"], *made, "{point}"),
                        _ => assert_eq!(answer.json()["errors"][0]["type"], "key_reused", "{point}"),
                    }
                }
                statuses.sort_unstable();
                assert_eq!(statuses, if other { [202, 422] } else { [202, 202] }, "{point}");
            },
        )
        .await;
        assert!(races > 4, "{races}");
    }
}

#[tokio::test]
async fn no_run_is_made_for_a_team_that_goes() {
    let races = at_every_point(
        async || {
            let (app, scene) = scene().await;
            let west = app.team("West").await.id;
            (app, (scene, west))
        },
        async |app, (scene, west)| app.start(&scene.ana, &json!({"files": ["tape.csv"], "sales_team_id": west})).await,
        async |app, (_, west)| remove_team(app, *west).await,
        async |app, (scene, _), ended, point| {
            let runs = app.read(&scene.ana, "/api/runs").await.as_array().unwrap().len();
            let started = ended.first.status == 202;
            assert!(started || ended.first.problem(404) == "not_found", "{point}");
            assert_eq!(runs, 1 + usize::from(started), "{point}");
        },
    )
    .await;
    assert!(races >= 3, "{races}");
}

/// Stores an incoming tape and returns its arrival.
async fn arrival(app: &TestApp, version: &str, tape: &Tape) -> Arrival {
    let key = "inputs/incoming/tape.csv".to_owned();
    app.put(&key, tape.text().to_owned()).await;
    let etag = app.resources.storage.info(&key).await.unwrap().unwrap().etag;
    Arrival { key, version: version.to_owned(), etag }
}

#[tokio::test]
async fn a_tape_that_is_told_of_twice_makes_one_run_wherever_that_meets() {
    let races = at_every_point(
        async || {
            let (app, scene) = scene().await;
            let arrival = arrival(&app, "1", &tape()).await;
            (app, (scene, arrival))
        },
        async |app, (_, arrival)| app.worker.receive(arrival).await.unwrap(),
        async |app, (_, arrival)| app.worker.receive(arrival).await.unwrap(),
        async |app, (scene, _), ended, point| {
            assert_eq!([ended.first, ended.second].iter().flatten().count(), 1, "{point}");
            assert_eq!(app.read(&scene.ana, "/api/runs").await.as_array().unwrap().len(), 2, "{point}");
        },
    )
    .await;
    assert!(races >= 3, "{races}");
}

#[tokio::test]
async fn a_tape_that_is_replaced_as_it_comes_in_makes_its_new_run_and_no_false_one() {
    let races = at_every_point(
        async || {
            let (app, scene) = scene().await;
            let arrival = arrival(&app, "1", &tape()).await;
            (app, (scene, arrival))
        },
        async |app, (_, first)| app.worker.receive(first).await.unwrap(),
        async |app, _| {
            let second = arrival(app, "2", &Tape::of_good(3)).await;
            app.worker.receive(&second).await.unwrap()
        },
        async |app, (scene, _), ended, point| {
            let new = ended.second.unwrap().to_string();
            app.work().await;
            let loans = app.read(&scene.ana, &format!("/api/loans?run_id={new}")).await;
            assert_eq!(loans.as_array().unwrap().len(), 3, "{point}");
            // The first version is gone, so its run fails if there is one.
            if let Some(old) = ended.first {
                let old = app.read(&scene.ana, &format!("/api/runs/{old}")).await;
                assert_eq!((&old["status"], &old["total_loans"]), (&"failed".into(), &0.into()), "{point}");
            }
        },
    )
    .await;
    assert!(races >= 3, "{races}");
}

/// Calls the worker with a step and returns its answer.
async fn step(app: &TestApp, event: Value) -> Value {
    serde_json::to_value(app.worker.handle(serde_json::from_value(event).unwrap()).await.unwrap()).unwrap()
}

async fn split_scene() -> (TestApp, Scene) {
    let (mut app, scene) = scene().await;
    app.worker.distribution.above_bytes = 1;
    (app, scene)
}

#[tokio::test]
async fn of_two_plans_of_one_run_one_counts() {
    let expected = undisturbed().await;
    let plan = async |app: &TestApp, scene: &Scene| step(app, json!({"step": "plan", "run_id": scene.run})).await;
    let races = at_every_point(split_scene, plan, plan, async |app, scene, ended, point| {
        let plans = [&ended.first, &ended.second];
        let counting: Vec<&&Value> = plans.iter().filter(|plan| plan["next"] == "process").collect();
        assert_eq!(counting.len(), 1, "{point}: {plans:?}");
        let owner = &counting[0]["owner"];
        for part in counting[0]["parts"].as_array().unwrap() {
            let part = json!({"step": "process", "run_id": scene.run, "owner": owner, "part": part["part"]});
            assert!(step(app, part).await["part"].is_u64(), "{point}");
        }
        let finish = json!({"step": "finish", "run_id": scene.run, "owner": owner});
        assert_eq!(step(app, finish).await["ended"], "completed", "{point}");
        assert!(outputs(app, scene.run).await == expected, "{point}");
        assert!(app.objects(&format!("results/{}/parts", scene.run)).await.is_empty(), "{point}");
    })
    .await;
    assert!(races > 6, "{races}");
}

#[tokio::test]
async fn a_last_step_that_is_called_twice_makes_one_set_of_results() {
    let expected = undisturbed().await;
    let races = at_every_point(
        async || {
            let (app, scene) = split_scene().await;
            let plan = step(&app, json!({"step": "plan", "run_id": scene.run})).await;
            for part in plan["parts"].as_array().unwrap() {
                step(&app, json!({"step": "process", "run_id": scene.run, "owner": plan["owner"], "part": part["part"]})).await;
            }
            (app, (scene, plan["owner"].clone()))
        },
        async |app, (scene, owner)| step(app, json!({"step": "finish", "run_id": scene.run, "owner": owner})).await,
        async |app, (scene, owner)| step(app, json!({"step": "finish", "run_id": scene.run, "owner": owner})).await,
        async |app, (scene, _), ended, point| {
            let ended = [&ended.first["ended"], &ended.second["ended"]];
            assert_eq!(ended.iter().filter(|ended| **ended == "completed").count(), 1, "{point}: {ended:?}");
            assert_eq!(ended.iter().filter(|ended| **ended == "not_ours").count(), 1, "{point}: {ended:?}");
            assert_eq!(items(app, scene.run).await.0["status"], "completed", "{point}");
            assert!(outputs(app, scene.run).await == expected, "{point}");
        },
    )
    .await;
    assert!(races > 20, "{races}");
}
