//! The worker and its jobs.

use jiff::SignedDuration;
use runner::execute::Executed;
use stores::{
    export_turns::ExportTurns,
    jobs::{JobClaim, JobLease},
    keys,
    runs::LEASE,
};
use uuid::Uuid;

use super::{Scene, scene, whole_zip};

/// Claims the job for a worker that dies then.
async fn die(scene: &Scene) {
    let lease = JobLease { job_id: scene.job(), owner: Uuid::new_v4() };
    let claimed = scene.app.worker.jobs.claim(lease, scene.app.resources.clock.now()).await.unwrap();
    assert!(matches!(claimed, JobClaim::Ours(..)), "{claimed:?}");
}

fn pass_lease(scene: &Scene) {
    scene.app.clock.advance(LEASE + SignedDuration::from_millis(1));
}

#[tokio::test]
async fn a_job_of_a_dead_worker_is_taken_over_when_its_lease_is_over() {
    let scene = scene().await;
    scene.ask().await.expect(202);
    die(&scene).await;
    assert_eq!(scene.make().await, Executed::NotOurs);
    assert_eq!(scene.ask().await.status, 202);
    pass_lease(&scene);
    assert_eq!(scene.app.worker.jobs.waiting(scene.app.resources.clock.now(), 10).await.unwrap(), [scene.job()]);
    assert_eq!(scene.make().await, Executed::Completed);
    whole_zip(&scene.ask().await);
}

#[tokio::test]
async fn a_job_that_three_workers_did_not_finish_fails_and_starts_anew() {
    let scene = scene().await;
    scene.ask().await.expect(202);
    for _ in 0..3 {
        die(&scene).await;
        pass_lease(&scene);
    }
    assert_eq!(scene.make().await, Executed::GivenUp);
    assert_eq!(scene.make().await, Executed::NotOurs);
    assert_eq!(scene.ask().await.problem(500), "internal");
    assert_eq!(scene.ask().await.status, 202);
    assert_eq!(scene.make().await, Executed::Completed);
    whole_zip(&scene.ask().await);
}

#[tokio::test]
async fn a_job_whose_event_was_lost_starts_anew_with_a_later_request() {
    let scene = scene().await;
    let birth = async || {
        let item = scene.app.resources.table.get(&keys::job(scene.job())).await.unwrap().unwrap();
        item["birth"].as_s().unwrap().clone()
    };
    scene.ask().await.expect(202);
    let first = birth().await;
    scene.app.clock.advance(SignedDuration::from_hours(1));
    scene.ask().await.expect(202);
    assert_eq!(birth().await, first);
    scene.app.clock.advance(SignedDuration::from_secs(1));
    scene.ask().await.expect(202);
    assert_ne!(birth().await, first, "the stream reports only new items");
    die(&scene).await;
    scene.app.clock.advance(LEASE + SignedDuration::from_mins(16));
    let lost = birth().await;
    scene.ask().await.expect(202);
    assert_ne!(birth().await, lost);
    assert_eq!(scene.make().await, Executed::Completed);
}

#[tokio::test]
async fn a_job_that_cannot_be_read_is_failed_and_then_made() {
    let scene = scene().await;
    scene.ask().await.expect(202);
    let key = keys::job(scene.job());
    let client = &scene.app.resources.table.client;
    let change = client.update_item().table_name(&scene.app.resources.table.name).set_key(Some(key.item()));
    let value = aws_sdk_dynamodb::types::AttributeValue::S("no JSON".to_owned());
    change.update_expression("SET doc = :doc").expression_attribute_values(":doc", value).send().await.unwrap();
    assert_eq!(scene.make().await, Executed::GivenUp);
    assert_eq!(scene.ask().await.problem(500), "internal");
    assert_eq!(scene.ask().await.status, 202);
    assert_eq!(scene.make().await, Executed::Completed);
}

#[tokio::test]
async fn a_job_takes_the_turn_of_an_export() {
    let scene = scene().await;
    scene.ask().await.expect(202);
    let app = scene.app.started_anew(|resources| resources.export_turns = ExportTurns::new(1));
    let turn = app.resources.export_turns.take().await.unwrap();
    let job = scene.job();
    let mut making = Box::pin(app.worker.make(job));
    assert!(futures_util::poll!(&mut making).is_pending());
    assert_eq!(scene.app.worker.jobs.waiting(app.resources.clock.now(), 10).await.unwrap(), [job], "it is not claimed yet");
    drop(turn);
    assert_eq!(making.await.unwrap(), Executed::Completed);
    assert_eq!(app.resources.export_turns.free(), 1);
}
