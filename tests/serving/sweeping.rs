//! What lies in the bucket only for a while goes away.

use jiff::SignedDuration;
use local::forget_answers;
use shared::{clock::Clock as _, storage::StorageBackend as _, stores::keys};
use uuid::Uuid;

use crate::app::TestApp;

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
