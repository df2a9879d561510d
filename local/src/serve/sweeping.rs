//! Removes expired data, as AWS does by itself: expired items of the table, tape lists of runs that have ended or were never
//! created, files of jobs, and answers in the bucket that were too large for a Lambda. `serve` streams every answer; such answers
//! come from functions that use the stores of the folder.

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

/// Time between two sweeps.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// Lifetime of a stored answer, as on AWS: far longer than its presigned URL is valid.
const ANSWER_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// Minimum lifetime of a tape list. The list of a run that waits longer stays until the run has ended.
const TAPE_LIST_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// Removes expired data at the start, and then every hour.
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
            Ok(removed) => tracing::debug!(removed, "expired answers were removed"),
            Err(error) => tracing::warn!(error = chain(&error), "expired answers could not be removed"),
        }
        let runs = Runs::new(resources.table.clone(), resources.storage.clone());
        match forget_tape_lists(&runs, &resources.storage, resources.clock.now()).await {
            Ok(removed) => tracing::debug!(removed, "tape lists of ended runs were removed"),
            Err(error) => tracing::warn!(error = chain(&error), "tape lists could not be removed"),
        }
    }
}

/// Removes stored answers that are older than a day. Returns their number.
///
/// # Errors
/// [`StorageError`] when the storage cannot list or delete. The next sweep removes the remaining answers.
pub async fn forget_answers(storage: &dyn StorageBackend, now: Timestamp) -> Result<usize, StorageError> {
    let (mut removed, mut failed) = (0, None);
    for answer in storage.list(keys::ANSWERS, true).await? {
        let old = |stored: Timestamp| now.duration_since(stored) > ANSWER_LIFETIME;
        if answer.file.is_some_and(|file| old(file.last_modified)) {
            // A failure must not keep the other answers in the bucket.
            match storage.delete(&answer.key).await {
                Ok(()) => removed += 1,
                Err(error) => failed = Some(error),
            }
        }
    }
    failed.map_or(Ok(removed), Err)
}

/// Removes tape lists that are older than a day and that no run needs, because the run has ended or does not exist. Returns their
/// number.
///
/// # Errors
/// [`StorageError`] when the table does not answer, or the storage cannot list or delete. The next sweep removes the remaining
/// lists.
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
