//! Starts a run for each file in a folder for incoming tapes, once per version of the file.

use shared::{folder::FileKind, tape::request::ReadingRequest};
use stores::{
    StoreError,
    runs::{Created, TapeRef},
    start_run::{self, FindError, RunOrder, file_name, folder_profile, has_header, incoming, run_of_object},
    storage::{StorageBackend as _, StorageError},
};
use uuid::Uuid;

use crate::execute::Worker;

/// A new object, from a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    pub key: String,
    /// Identifies the write of the key. It is the same in every notification of that write.
    pub version: String,
    /// ETag of the content.
    pub etag: String,
}

impl Worker {
    /// Creates the pending run of an incoming file. The run fails later when the file is not a tape. `None` when there is no
    /// run to create: the object is not in a folder for incoming tapes, is gone or replaced by now, or is a text file without a
    /// header row; its team does not exist; or its run exists already.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB or S3 does not answer; [`StoreError::Damaged`] when the file or its profile
    /// cannot be read.
    pub async fn receive(&self, arrival: &Arrival) -> Result<Option<Uuid>, StoreError> {
        let Some(sales_team_id) = incoming(&arrival.key) else { return Ok(None) };
        let run_id = run_of_object(&arrival.key, &arrival.version);
        let info = match self.storage.info(&arrival.key).await {
            Ok(info) => info.filter(|info| info.etag == arrival.etag),
            Err(StorageError::Store(error)) => return Err(error),
            Err(_) => None,
        };
        let Some(info) = info else {
            tracing::info!(%run_id, "an incoming file is gone or was replaced");
            return Ok(None);
        };
        let tape = start_run::tape(file_name(&arrival.key).to_owned(), arrival.key.clone(), &info);
        let Some(reading) = self.reading_of(&tape).await? else {
            tracing::info!(%run_id, "an incoming text file has no header row");
            return Ok(None);
        };
        let order = RunOrder { sales_team_id, reading, ..RunOrder::default() };
        let request = start_run::request(run_id, order, vec![tape], self.clock.now());
        match self.runs.create(&request.run(), &request, None).await? {
            Created::Done => Ok(Some(run_id)),
            Created::Exists | Created::KeyUsed => Ok(None),
            Created::NoSuchTeam => {
                tracing::warn!(%run_id, "the team of an incoming file does not exist");
                Ok(None)
            }
        }
    }

    /// How to read an incoming tape: with the profile of its folder, if there is one. `None` for a text file that is not a tape.
    async fn reading_of(&self, tape: &TapeRef) -> Result<Option<ReadingRequest>, StoreError> {
        let failed = |error: FindError| match error {
            FindError::Storage(StorageError::Store(error)) => error,
            error => StoreError::Damaged(error.to_string()),
        };
        let profile = folder_profile(&self.storage, std::slice::from_ref(tape)).await.map_err(failed)?;
        let reading = ReadingRequest { profile, ..ReadingRequest::default() };
        // If the profile is not valid, any text file starts a run, and the run reports the profile.
        if FileKind::of(&tape.source_file) == FileKind::Text
            && let Ok((options, _)) = reading.options()
        {
            match has_header(&self.storage, tape, &options).await {
                Ok(true) => {}
                // The file is not a tape, is gone, or was replaced. A replacement has its own notification.
                Ok(false) | Err(FindError::Storage(StorageError::NotFound | StorageError::Changed)) => return Ok(None),
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(Some(reading))
    }
}
