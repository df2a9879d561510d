//! What AWS removes by itself when its time is over: expired items of the table, the lists of the tapes of runs that have ended or
//! never came into being, and answers that lie in the bucket because they were too large for a Lambda. `serve` streams every
//! answer; such files come from functions that use the stores of the folder.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use shared::error::chain;
use stores::{
    keys,
    resources::Resources,
    runs::Runs,
    start_run::file_name,
    storage::{StorageBackend, StorageError},
};
use uuid::Uuid;

use crate::embedded::dynamodb::DynamoDb;

/// How often is looked for it.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// How long an answer stays, as on AWS: far longer than its address is good.
const ANSWER_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// How long a list of tapes stays, at least. One whose run waits longer stays until the run has ended.
const TAPE_LIST_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// Removes it, over and over.
pub async fn sweep(dynamodb: DynamoDb, resources: Resources) {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        let store = dynamodb.clone();
        match tokio::task::spawn_blocking(move || store.sweep_expired()).await {
            Ok(Ok(removed)) => tracing::debug!(removed, "expired items were removed"),
            Ok(Err(error)) => tracing::warn!(%error, "expired items could not be removed"),
            Err(error) => tracing::warn!(%error, "expired items could not be removed"),
        }
        match forget_answers(&resources.storage, resources.clock.now()).await {
            Ok(removed) => tracing::debug!(removed, "answers of yesterday were removed"),
            Err(error) => tracing::warn!(error = chain(&error), "answers of yesterday could not be removed"),
        }
        let runs = Runs::new(resources.table.clone(), resources.storage.clone());
        match forget_tape_lists(&runs, &resources.storage, resources.clock.now()).await {
            Ok(removed) => tracing::debug!(removed, "lists of tapes of ended runs were removed"),
            Err(error) => tracing::warn!(error = chain(&error), "lists of tapes could not be removed"),
        }
    }
}

/// Removes answers that are older than a day; how many there were.
///
/// # Errors
/// The storage fails. What it did not remove is removed the next time.
pub async fn forget_answers(storage: &dyn StorageBackend, now: Timestamp) -> Result<usize, StorageError> {
    let (mut removed, mut failed) = (0, None);
    for answer in storage.list(keys::ANSWERS, true).await? {
        let old = |stored: Timestamp| now.duration_since(stored) > ANSWER_LIFETIME;
        if answer.file.is_some_and(|file| old(file.last_modified)) {
            // One that cannot be removed does not keep the others.
            match storage.delete(&answer.key).await {
                Ok(()) => removed += 1,
                Err(error) => failed = Some(error),
            }
        }
    }
    failed.map_or(Ok(removed), Err)
}

/// Removes lists of tapes that are older than a day and that no run needs: it has ended, or there is none. How many there were.
///
/// # Errors
/// A store fails. What it did not remove is removed the next time.
pub async fn forget_tape_lists(runs: &Runs, storage: &dyn StorageBackend, now: Timestamp) -> Result<usize, StorageError> {
    let mut removed = 0;
    for list in storage.list(keys::REQUESTS, true).await? {
        if list.file.is_none_or(|file| now.duration_since(file.last_modified) <= TAPE_LIST_LIFETIME) {
            continue;
        }
        let id: Option<Uuid> = file_name(&list.key).strip_suffix(".json").and_then(|id| id.parse().ok());
        let waits = match id {
            Some(id) => runs.state(id).await?.is_some_and(|run| !run.status.is_final()),
            None => false,
        };
        if !waits {
            storage.delete(&list.key).await?;
            removed += 1;
        }
    }
    Ok(removed)
}
