//! `serve` removes temporary files from the bucket.

use jiff::SignedDuration;
use local::{forget_answers, forget_tape_lists};
use runner::execute::Executed;
use shared::{auth::permission::Role, clock::Clock as _};
use stores::{keys, storage::StorageBackend as _};
use uuid::Uuid;

use crate::support::app::{Tape, TestApp};

#[tokio::test]
async fn an_answer_that_was_too_large_to_be_sent_is_kept_for_a_day() {
    let app = TestApp::new().await;
    let (old, other) = (keys::answer(Uuid::new_v4(), "loans.json"), "inputs/tape.csv");
    app.put(&old, "[]").await;
    app.put(other, "a tape").await;
    app.clock.advance(SignedDuration::from_hours(23));
    let young = keys::answer(Uuid::new_v4(), "loans.json");
    app.put(&young, "[]").await;
    let storage = &app.resources.storage;
    assert_eq!(forget_answers(storage, app.clock.now()).await.unwrap(), 0);
    app.clock.advance(SignedDuration::from_hours(2));
    assert_eq!(forget_answers(storage, app.clock.now()).await.unwrap(), 1);
    assert!(storage.find(&old).await.unwrap().is_none());
    assert!(storage.find(&young).await.unwrap().is_some() && storage.find(other).await.unwrap().is_some());
}

#[tokio::test]
async fn a_list_of_tapes_is_kept_while_its_run_needs_it() {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let ended = app.ended(&ana, &Tape::of_good(1)).await;
    let waiting = [app.pending(&ana, &Tape::of_good(1)).await, app.pending(&ana, &Tape::of_good(1)).await];
    app.claim(waiting[1].parse().unwrap()).await;
    // A tape list whose run was never created.
    let unborn = Uuid::new_v4();
    app.put(&keys::tape_list(unborn), "[]").await;
    let (runs, storage) = (&app.worker.runs, &app.resources.storage);
    app.clock.advance(SignedDuration::from_hours(23));
    assert_eq!(forget_tape_lists(runs, storage, app.clock.now()).await.unwrap(), 0);
    app.clock.advance(SignedDuration::from_hours(2));
    assert_eq!(forget_tape_lists(runs, storage, app.clock.now()).await.unwrap(), 2);
    let mut expected = waiting.map(|id| format!("requests/{id}.json"));
    expected.sort();
    assert_eq!(app.objects(keys::REQUESTS).await.into_keys().collect::<Vec<_>>(), expected);
    assert_eq!(app.work().await, [Executed::Completed, Executed::Completed]);
    assert_eq!(forget_tape_lists(runs, storage, app.clock.now()).await.unwrap(), 2);
    // A run that has ended needs no list, even if a worker tries to execute it once more.
    assert_eq!(app.worker.execute(ended.parse().unwrap()).await.unwrap(), Executed::NotOurs);
}
