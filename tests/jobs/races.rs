//! Two requests for one job, and two workers on one job, at every point.

use jiff::SignedDuration;
use runner::execute::Executed;
use stores::{keys, runs::LEASE};

use super::{Scene, ask, scene, whole_zip};
use crate::{races::at_every_point, support::app::TestApp};

/// The application of a scene, and the rest of it.
async fn split() -> (TestApp, Scene) {
    let scene = scene().await;
    (scene.app.started_anew(|_| {}), scene)
}

async fn begun() -> (TestApp, Scene) {
    let (app, scene) = split().await;
    scene.ask().await.expect(202);
    (app, scene)
}

#[tokio::test]
async fn requests_at_once_start_one_job() {
    let look = async |app: &TestApp, scene: &Scene| ask(app, &scene.ana, &scene.run).await.status.as_u16();
    let races = at_every_point(split, look, look, async |_, scene, ended, point| {
        assert_eq!((ended.first, ended.second), (202, 202), "{point}");
        assert_eq!(scene.make().await, Executed::Completed, "{point}");
        assert_eq!(scene.app.objects(keys::ANSWERS).await.len(), 1, "{point}");
    })
    .await;
    assert!(races > 3, "{races}");
}

#[tokio::test]
async fn a_failure_is_told_to_one_of_two_requests() {
    let failed = async || {
        let (app, scene) = begun().await;
        let folder = keys::archive(scene.run.parse().unwrap());
        let archive = scene.app.objects(&folder).await;
        scene.app.resources.storage.delete_below(&folder).await.unwrap();
        assert_eq!(scene.make().await, Executed::Failed);
        for (key, bytes) in archive {
            scene.app.put(&key, bytes).await;
        }
        (app, scene)
    };
    let look = async |app: &TestApp, scene: &Scene| ask(app, &scene.ana, &scene.run).await.status.as_u16();
    at_every_point(failed, look, look, async |_, _, ended, point| {
        let mut statuses = [ended.first, ended.second];
        statuses.sort_unstable();
        assert_eq!(statuses, [202, 410], "{point}");
    })
    .await;
}

#[tokio::test]
async fn of_two_workers_one_has_the_job_wherever_they_meet() {
    let make = async |app: &TestApp, scene: &Scene| app.worker.make(scene.job()).await.unwrap();
    let races = at_every_point(begun, make, make, async |_, scene, ended, point| {
        let mut both = [ended.first, ended.second].map(|ended| ended == Executed::Completed);
        both.sort_unstable();
        assert_eq!(both, [false, true], "{point}: {:?} {:?}", ended.first, ended.second);
        whole_zip(&scene.ask().await);
    })
    .await;
    assert!(races > 5, "{races}");
}

#[tokio::test]
async fn a_worker_that_has_lost_its_job_changes_nothing_any_more() {
    let make = async |app: &TestApp, scene: &Scene| app.worker.make(scene.job()).await.unwrap();
    let take_over = async |app: &TestApp, scene: &Scene| {
        app.clock.advance(LEASE + SignedDuration::from_millis(1));
        app.worker.make(scene.job()).await.unwrap()
    };
    at_every_point(begun, make, take_over, async |_, scene, ended, point| {
        let completed = [ended.first, ended.second].iter().filter(|ended| **ended == Executed::Completed).count();
        assert_eq!(completed, 1, "{point}: {:?} {:?}", ended.first, ended.second);
        whole_zip(&scene.ask().await);
    })
    .await;
}
