//! A file that appeared in a folder for incoming tapes starts a run, once for each version of it.

use shared::{folder::FileKind, tape::request::ReadingRequest};
use stores::{
    StoreError,
    runs::{Created, RequestError, TapeRef},
    start_run::{self, FindError, Terms, file_name, folder_profile, has_header, incoming, run_of_object},
    storage::{StorageBackend as _, StorageError},
};
use uuid::Uuid;

use crate::execute::Worker;

/// An object that appeared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its key.
    pub key: String,
    /// Which write of that key it was: the same, however often it is told.
    pub version: String,
    /// Which content it has.
    pub etag: String,
}

impl Worker {
    /// Creates the pending run of a file that came in, which fails when the file is no tape. `None` when there is none to create:
    /// the object is not in such a folder, is gone or replaced by now, or its run is there already.
    ///
    /// # Errors
    /// A store does not answer.
    pub async fn receive(&self, arrival: &Arrival) -> Result<Option<Uuid>, StoreError> {
        let Some(sales_team_id) = incoming(&arrival.key) else { return Ok(None) };
        let run_id = run_of_object(&arrival.key, &arrival.version);
        let info = match self.storage.info(&arrival.key).await {
            Ok(info) => info.filter(|info| info.etag == arrival.etag),
            Err(StorageError::Store(error)) => return Err(error),
            Err(_) => None,
        };
        let Some(info) = info else {
            tracing::info!(%run_id, "a file that came in is gone or was replaced");
            return Ok(None);
        };
        let tape = start_run::tape(file_name(&arrival.key).to_owned(), arrival.key.clone(), &info);
        let Some(reading) = self.reading_of(&tape).await? else {
            tracing::info!(%run_id, "a text that came in has no header row");
            return Ok(None);
        };
        let terms = Terms { sales_team_id, reading, ..Terms::default() };
        let request = start_run::request(run_id, terms, vec![tape], self.clock.now());
        let run = request.run().map_err(|error: RequestError| StoreError::Damaged(error.to_string()))?;
        match self.runs.create(&run, &request, None).await? {
            Created::Done => Ok(Some(run_id)),
            Created::Exists | Created::KeyUsed => Ok(None),
            Created::NoSuchTeam => {
                tracing::warn!(%run_id, "a file came in for a team that does not exist");
                Ok(None)
            }
        }
    }

    /// How a tape that came in is to be read: as the profile of its folder says. `None` for a text that is no tape.
    async fn reading_of(&self, tape: &TapeRef) -> Result<Option<ReadingRequest>, StoreError> {
        let failed = |error: FindError| match error {
            FindError::Storage(StorageError::Store(error)) => error,
            error => StoreError::Damaged(error.to_string()),
        };
        let profile = folder_profile(&self.storage, std::slice::from_ref(tape)).await.map_err(failed)?;
        let reading = ReadingRequest { profile, ..ReadingRequest::default() };
        // Under a profile with mistakes any text starts a run, which says so.
        if FileKind::of(&tape.source_file) == FileKind::Text
            && let Ok((options, _)) = reading.options()
        {
            match has_header(&self.storage, tape, &options).await {
                Ok(true) => {}
                // It is no tape, gone, or replaced, which is an arrival of its own.
                Ok(false) | Err(FindError::Storage(StorageError::NotFound | StorageError::Changed)) => return Ok(None),
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(Some(reading))
    }
}
