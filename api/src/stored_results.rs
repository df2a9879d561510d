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
/// [`ApiError::NotFound`] when the results were removed, or another version of Loan Engine stored them; [`ApiError::Unavailable`]
/// or [`ApiError::Internal`] when the storage fails.
pub async fn read_index(storage: &S3Storage, run_id: Uuid, version: &ObjectVersion) -> Result<ResultsIndex, ApiError> {
    let key = format!("{}/{}", keys::results(run_id), keys::INDEX_FILE);
    let download = storage.get(&key, None, Some(&version.etag)).await.map_err(vanished)?;
    let json = collect(download.body, usize::try_from(version.size).unwrap_or(usize::MAX)).await.map_err(vanished)?;
    let StoredIndex { schema, index } = serde_json::from_slice(&json).map_err(ApiError::internal)?;
    if schema == SCHEMA { Ok(index) } else { Err(of_another_version()) }
}

/// The answer for results that the storage does not return. Results are removed some time after their run, while the run stays:
/// 404. Results other than those that the run stored are a fault of the product: 500.
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

/// The answer when facts or exceptions cannot be read.
pub fn unreadable(error: ReadError) -> ApiError {
    let ReadError::Unavailable { source, .. } = &error else { return ApiError::internal(error) };
    match source.get_ref().and_then(|error| error.downcast_ref::<StorageError>()) {
        Some(StorageError::Store(StoreError::Unavailable(_))) => ApiError::Unavailable(Box::new(error)),
        Some(StorageError::NotFound) => removed(),
        _ => ApiError::internal(error),
    }
}
