//! What a request for the file of a job is answered.

use http::{HeaderName, Method};
use jiff::SignedDuration;
use runner::execute::Executed;
use serde_json::json;
use shared::auth::permission::Role;
use stores::keys;

use super::{Scene, ask, scene, whole_zip};
use crate::support::app::Tape;

const PREFER: HeaderName = HeaderName::from_static("prefer");

#[tokio::test]
async fn a_file_is_preparing_until_the_worker_has_made_it() {
    let scene = scene().await;
    for _ in 0..2 {
        let answer = scene.ask().await;
        assert_eq!(answer.expect(202), json!({"status": "preparing"}));
        assert_eq!(answer.header("retry-after"), "2");
    }
    assert_eq!(scene.app.worker.jobs.waiting(scene.app.resources.clock.now(), 10).await.unwrap(), [scene.job()]);
    assert_eq!(scene.make().await, Executed::Completed);
    let made = scene.ask().await;
    let zip = whole_zip(&made);
    assert_eq!(made.header("content-disposition"), format!("attachment; filename=\"{}.zip\"", scene.run));
    // The answer stays the same, and needs no worker, until the file expires.
    scene.app.clock.advance(SignedDuration::from_hours(22));
    // The token of the first user has expired.
    let bea = scene.app.person("bea", Role::Analyst, None).await;
    assert_eq!(whole_zip(&ask(&scene.app, &bea, &scene.run).await), zip);
    assert_eq!(scene.make().await, Executed::NotOurs);
    scene.app.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(ask(&scene.app, &bea, &scene.run).await.status, 202);
    assert_eq!(scene.make().await, Executed::Completed);
    whole_zip(&ask(&scene.app, &bea, &scene.run).await);
}

#[tokio::test]
async fn a_client_that_prefers_to_wait_gets_the_file() {
    let scene = scene().await;
    let path = format!("/api/runs/{}/archive/download", scene.run);
    let waiting = scene.app.get(&path).by(&scene.ana).header(PREFER, "wait=25").send();
    let working = async {
        while scene.make().await == Executed::NotOurs {
            tokio::task::yield_now().await;
        }
    };
    let (answer, ()) = tokio::join!(waiting, working);
    whole_zip(&answer);
    assert_eq!(answer.header("preference-applied"), "wait=25");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waited_for_nothing_is_answered_that_the_file_is_preparing() {
    let scene = scene().await;
    let path = format!("/api/runs/{}/archive/download", scene.run);
    let answer = scene.app.get(&path).by(&scene.ana).header(PREFER, "wait=5").send().await;
    assert_eq!((answer.status.as_u16(), answer.header("preference-applied")), (202, "wait=5"));
}

#[tokio::test]
async fn a_file_that_is_too_large_for_a_lambda_is_fetched_from_the_bucket() {
    let scene = scene().await;
    scene.ask().await.expect(202);
    assert_eq!(scene.make().await, Executed::Completed);
    let whole = whole_zip(&scene.ask().await);
    let small = scene.app.started_anew(|resources| resources.max_answer_bytes = Some(whole.len() as u64 - 1));
    let answer = ask(&small, &scene.ana, &scene.run).await;
    assert_eq!(answer.status, 307);
    assert_eq!(scene.app.fetch(Method::GET, answer.header("location"), &[], "").await.bytes, whole);
}

#[tokio::test]
async fn a_file_belongs_to_those_who_may_see_the_run() {
    let Scene { app, .. } = scene().await;
    let (west, east) = (app.team("West").await, app.team("East").await);
    let wes = app.person("wes", Role::SalesTeam, Some(west.id)).await;
    let eva = app.person("eva", Role::SalesTeam, Some(east.id)).await;
    let run = app.ended(&wes, &Tape::of_good(2)).await;
    assert_eq!(ask(&app, &eva, &run).await.problem(404), "not_found");
    assert!(app.worker.jobs.waiting(app.resources.clock.now(), 10).await.unwrap().is_empty());
    assert_eq!(ask(&app, &wes, &run).await.status, 202);
    for job in app.worker.jobs.waiting(app.resources.clock.now(), 10).await.unwrap() {
        assert_eq!(app.worker.make(job).await.unwrap(), Executed::Completed);
    }
    whole_zip(&ask(&app, &wes, &run).await);
    assert_eq!(ask(&app, &eva, &run).await.problem(404), "not_found");
}

#[tokio::test]
async fn a_failure_is_told_once_and_then_the_job_starts_anew() {
    let scene = scene().await;
    scene.ask().await.expect(202);
    let folder = keys::archive(scene.run.parse().unwrap());
    let archive = scene.app.objects(&folder).await;
    scene.app.resources.storage.delete_below(&folder).await.unwrap();
    assert_eq!(scene.make().await, Executed::Failed);
    for (key, bytes) in archive {
        scene.app.put(&key, bytes).await;
    }
    assert_eq!(scene.ask().await.problem(410), "results_gone");
    assert_eq!(scene.ask().await.status, 202);
    assert_eq!(scene.make().await, Executed::Completed);
    whole_zip(&scene.ask().await);
}

#[tokio::test]
async fn a_file_that_the_bucket_lost_is_made_again() {
    let scene = scene().await;
    scene.ask().await.expect(202);
    assert_eq!(scene.make().await, Executed::Completed);
    let made = scene.app.objects(keys::ANSWERS).await;
    assert_eq!(made.len(), 1);
    scene.app.resources.storage.delete_below(keys::ANSWERS).await.unwrap();
    assert_eq!(scene.ask().await.status, 202);
    assert_eq!(scene.ask().await.status, 202);
    assert_eq!(scene.make().await, Executed::Completed);
    whole_zip(&scene.ask().await);
}

#[tokio::test]
async fn a_small_archive_needs_no_job() {
    let scene = scene().await;
    let bytes: usize = scene.app.objects(&keys::archive(scene.run.parse().unwrap())).await.values().map(Vec::len).sum();
    let at = |bytes: u64| scene.app.started_anew(|resources| resources.zip_by_job_above_bytes = bytes);
    assert_eq!(ask(&at(bytes as u64 - 1), &scene.ana, &scene.run).await.status, 202);
    whole_zip(&ask(&at(bytes as u64), &scene.ana, &scene.run).await);
}
