//! The stored results of a run, for endpoints: where their pages are, and the answers when the results no longer exist.

use shared::facts::{
    SCHEMA,
    index::{ResultsIndex, StoredIndex},
    read::ReadError,
};
use stores::{
    StoreError, keys,
    runs::ObjectVersion,
    storage::{StorageBackend as _, StorageError, collect, s3::S3Storage},
};
use uuid::Uuid;

use super::problem::ApiError;

/// Reads the index of a run's results: where the pages of its facts and exceptions are.
///
/// # Errors
/// [`ApiError::ResultsGone`] when the results were removed; [`ApiError::NotKept`] when another version of Loan Engine stored them;
/// [`ApiError::Unavailable`] or [`ApiError::Internal`] when the storage fails.
pub async fn read_index(storage: &S3Storage, run_id: Uuid, version: &ObjectVersion) -> Result<ResultsIndex, ApiError> {
    let key = format!("{}/{}", keys::results(run_id), keys::INDEX_FILE);
    let download = storage.get(&key, None, Some(&version.etag)).await.map_err(vanished)?;
    let json = collect(download.body, usize::try_from(version.size).unwrap_or(usize::MAX)).await.map_err(vanished)?;
    let StoredIndex { schema, index } = serde_json::from_slice(&json).map_err(ApiError::internal)?;
    if schema == SCHEMA { Ok(index) } else { Err(of_another_version()) }
}

/// The answer for results that the storage does not return. Results are removed some time after their run, while the run stays:
/// 410. Results other than those that the run stored are a fault of the product: 500.
pub fn vanished(error: StorageError) -> ApiError {
    match error {
        StorageError::Store(error) => error.into(),
        StorageError::NotFound => results_gone(),
        error => ApiError::internal(error),
    }
}

/// The answer for results that were removed some time after their run.
pub fn results_gone() -> ApiError {
    ApiError::ResultsGone(
        "The results of the run were removed; its summary was not. Start a run of the same tape for them.".into(),
    )
}

fn of_another_version() -> ApiError {
    let what = "The results of the run were stored by another version of Loan Engine, which this one cannot read; the outputs and the \
                summary can be read. Start a run of the same tape for them.";
    ApiError::NotKept("results_not_kept", what.into())
}

/// The error of an endpoint that lists results: it answers 404 `not_found` for a list that is no longer there, whatever the reason.
pub fn as_absent(error: ApiError) -> ApiError {
    match error {
        ApiError::ResultsGone(detail) | ApiError::NotKept(_, detail) => ApiError::NotFound(detail),
        error => error,
    }
}

/// The answer when facts or exceptions cannot be read.
pub fn unreadable(error: ReadError) -> ApiError {
    let ReadError::Unavailable { source, .. } = &error else { return ApiError::internal(error) };
    match source.get_ref().and_then(|error| error.downcast_ref::<StorageError>()) {
        Some(StorageError::Store(StoreError::Unavailable(_))) => ApiError::Unavailable(Box::new(error)),
        Some(StorageError::NotFound) => results_gone(),
        _ => ApiError::internal(error),
    }
}
