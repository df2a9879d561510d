//! One call to a store fails while a request asks for a job, or while the worker does it. Then the same is done again.

use jiff::SignedDuration;
use runner::execute::Executed;
use stores::{StoreError, keys, runs::LEASE};

use super::{Scene, ask, scene, whole_zip};
use crate::{
    faults::{Disturbance, Way, calls_of},
    support::app::Fault,
};

/// After another attempt there is one whole file.
async fn heals(scene: &Scene, what: &Disturbance) {
    scene.app.clock.advance(LEASE + SignedDuration::from_millis(1));
    let again = scene.make().await;
    assert!(matches!(again, Executed::Completed | Executed::NotOurs), "{what:?}: {again:?}");
    whole_zip(&scene.ask().await);
}

#[tokio::test]
async fn every_call_of_the_worker_fails_once_and_another_attempt_makes_the_file() {
    let calm = scene().await;
    calm.ask().await.expect(202);
    let (made, calls) = calls_of(&calm.app, calm.make()).await;
    assert!(made == Executed::Completed && calls.made.len() >= 10, "{:?}", calls.made);
    for disturbance in Disturbance::each(&calls.made, Way::few()) {
        let scene = scene().await;
        scene.ask().await.expect(202);
        let product = disturbance.way.product(&scene.app);
        disturbance.begin(&product);
        let made = product.worker.make(scene.job()).await;
        let (failed, _) = disturbance.end(&product);
        assert!(failed > 0, "the call was not made: {disturbance:?}");
        match made {
            Ok(ended) => assert!(matches!(ended, Executed::Completed | Executed::NotOurs), "{disturbance:?}: {ended:?}"),
            Err(error) => {
                assert!(matches!(error, StoreError::Unavailable(_)), "{disturbance:?}: {error:?}");
                let made_up_for = matches!(disturbance.way, Way::FirstTry(_)) && !disturbance.nobody_can_know();
                assert!(!made_up_for, "the second try did not make up for the first: {disturbance:?}");
            }
        }
        heals(&scene, &disturbance).await;
    }
}

#[tokio::test]
async fn every_call_of_a_request_fails_once_and_the_next_request_finds_the_job() {
    let calm = scene().await;
    let (answer, calls) = calls_of(&calm.app, calm.ask()).await;
    assert!(answer.status == 202 && calls.changed);
    for disturbance in Disturbance::each(&calls.made, Way::few()) {
        let scene = scene().await;
        let product = disturbance.way.product(&scene.app);
        disturbance.begin(&product);
        let status = ask(&product, &scene.ana, &scene.run).await.status.as_u16();
        disturbance.end(&product);
        assert!([202, 503].contains(&status), "{disturbance:?}: {status}");
        assert_eq!(scene.ask().await.status, 202, "{disturbance:?}");
        heals(&scene, &disturbance).await;
    }
}

#[tokio::test]
async fn a_job_whose_store_fails_in_every_attempt_ends_as_unavailable() {
    let scene = scene().await;
    scene.ask().await.expect(202);
    scene.app.bucket_outage.begin(Fault::Broken);
    for _ in 0..2 {
        assert!(matches!(scene.app.worker.make(scene.job()).await, Err(StoreError::Unavailable(_))));
    }
    assert_eq!(scene.app.worker.make(scene.job()).await.unwrap(), Executed::Failed);
    scene.app.bucket_outage.end();
    assert!(scene.app.objects(keys::ANSWERS).await.is_empty());
    assert_eq!(scene.ask().await.problem(503), "unavailable");
    assert_eq!(scene.ask().await.status, 202);
    assert_eq!(scene.make().await, Executed::Completed);
    whole_zip(&scene.ask().await);
}
