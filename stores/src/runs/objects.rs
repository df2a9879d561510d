//! What of a run is in objects, because an item could not hold it: the list of its tapes, and how they were read.

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    StoreError, keys,
    storage::{StorageBackend as _, StorageError, collect},
};

use super::{KeptTapes, ObjectVersion, RunRequest, Runs, StoredRun, TapeList, TapeRef, stored::NO_DETAILS};

impl Runs {
    /// The `run` object of the API with its details: column mapping and notices. They are null when the results of the run were
    /// removed, or are damaged.
    ///
    /// # Errors
    /// A store does not answer.
    pub async fn whole(&self, run: &StoredRun) -> Result<Box<RawValue>, StoreError> {
        match self.details(run).await {
            Ok(details) => run.with_details(&details),
            Err(StoreError::Damaged(why)) => {
                tracing::warn!(run_id = %run.run_id, why, "the details of a run cannot be read");
                Ok(run.object().to_owned())
            }
            Err(error) => Err(error),
        }
    }

    /// How the tapes of a run were read, and what is to be said of that.
    async fn details(&self, run: &StoredRun) -> Result<Box<RawValue>, StoreError> {
        let here = || run.details.clone();
        if !run.status.is_final() || run.details.get() != NO_DETAILS {
            return Ok(here());
        }
        let Some(version) = self.results(run.run_id).await?.and_then(|results| results.column_mapping) else { return Ok(here()) };
        let key = format!("{}/{}", keys::results(run.run_id), keys::COLUMN_MAPPING_FILE);
        let json = Box::pin(self.object(&key, &version)).await?;
        RawValue::from_string(json).map_err(|error| StoreError::Damaged(error.to_string()))
    }

    /// Writes the list of a run's tapes.
    pub(super) async fn keep_tapes(&self, id: Uuid, tapes: &TapeList) -> Result<TapeList, StoreError> {
        let TapeList::Here(list) = tapes else { return Ok(tapes.clone()) };
        let json = serde_json::to_vec(list).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let put = self.storage.put_bytes(&keys::tape_list(id), json.into(), "application/json").await;
        let info = put.map_err(|error| of_object("the list of tapes", error))?;
        Ok(TapeList::Kept(KeptTapes { bytes: tapes.bytes(), list: ObjectVersion { size: info.size, etag: info.etag } }))
    }

    /// The tapes of a run, in the order in which their loans come.
    ///
    /// # Errors
    /// A store does not answer; [`StoreError::Damaged`] when their list is gone or is another one.
    pub async fn tapes(&self, request: &RunRequest) -> Result<Vec<TapeRef>, StoreError> {
        match &request.tapes {
            TapeList::Here(tapes) => Ok(tapes.clone()),
            TapeList::Kept(KeptTapes { list, .. }) => {
                let json = Box::pin(self.object(&keys::tape_list(request.run_id), list)).await?;
                serde_json::from_str(&json).map_err(|error| StoreError::Damaged(error.to_string()))
            }
        }
    }

    /// The text of a version of an object.
    async fn object(&self, key: &str, version: &ObjectVersion) -> Result<String, StoreError> {
        let failed = |error| of_object(key, error);
        let download = self.storage.get(key, None, Some(&version.etag)).await.map_err(failed)?;
        let bytes = collect(download.body, usize::try_from(version.size).unwrap_or(usize::MAX)).await.map_err(failed)?;
        String::from_utf8(bytes).map_err(|error| StoreError::Damaged(error.to_string()))
    }
}

/// What an error of an object that a run needs means: one that is gone, or was replaced, does not come back.
fn of_object(what: &str, error: StorageError) -> StoreError {
    match error {
        StorageError::Store(error) => error,
        error => StoreError::Damaged(format!("{what}: {error}")),
    }
}
