//! What a run stored of its loans, for endpoints: where its pages are, and what clients are told when it is not there any more.

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

/// Reads where the pages of a run's facts and exceptions are.
///
/// # Errors
/// 404 when the results were removed, or another version of Loan Engine stored them; the storage fails.
pub async fn read_index(storage: &S3Storage, run_id: Uuid, version: &ObjectVersion) -> Result<ResultsIndex, ApiError> {
    let key = format!("{}/{}", keys::results(run_id), keys::INDEX_FILE);
    let download = storage.get(&key, None, Some(&version.etag)).await.map_err(vanished)?;
    let json = collect(download.body, usize::try_from(version.size).unwrap_or(usize::MAX)).await.map_err(vanished)?;
    let StoredIndex { schema, index } = serde_json::from_slice(&json).map_err(ApiError::internal)?;
    if schema == SCHEMA { Ok(index) } else { Err(of_another_version()) }
}

/// Results are removed some time after their run, which stays. Others than those of the run are our fault, and nothing that was
/// asked for.
fn vanished(error: StorageError) -> ApiError {
    match error {
        StorageError::Store(error) => error.into(),
        StorageError::NotFound => removed(),
        error => ApiError::internal(error),
    }
}

fn removed() -> ApiError {
    ApiError::NotFound("The results of the run were removed; its summary was not. Start a run of the same tape for them.".into())
}

fn of_another_version() -> ApiError {
    let what = "The results of the run were stored by another version of Loan Engine, which this one cannot read; the outputs and the \
                summary can be read. Start a run of the same tape for them.";
    ApiError::NotFound(what.into())
}

/// What clients are told when facts or exceptions cannot be read.
pub fn unreadable(error: ReadError) -> ApiError {
    let ReadError::Unavailable { source, .. } = &error else { return ApiError::internal(error) };
    match source.get_ref().and_then(|error| error.downcast_ref::<StorageError>()) {
        Some(StorageError::Store(StoreError::Unavailable(_))) => ApiError::Unavailable(Box::new(error)),
        Some(StorageError::NotFound) => removed(),
        _ => ApiError::internal(error),
    }
}
