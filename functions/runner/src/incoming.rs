//! A file that appeared in a folder for incoming tapes starts a run, once for each version of it.

use shared::{
    start_run::{self, Terms, file_name, incoming, run_of_object},
    storage::{StorageBackend as _, StorageError},
    stores::{
        StoreError,
        runs::{Created, RequestError},
    },
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
        let terms = Terms { sales_team_id, ..Terms::default() };
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
}
