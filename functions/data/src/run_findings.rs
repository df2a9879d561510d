//! The reasons and samples of a run, which lie among its results.

use api::{problem::ApiError, stored_results::read_object};
use shared::{run::RunStatus, run_summary::RunFindings};
use stores::keys;

use crate::known_runs::{KnownRun, KnownRuns};

impl KnownRuns {
    /// The reasons and samples of a run; `None` when it kept none.
    ///
    /// # Errors
    /// [`ApiError::ResultsGone`] when the results were removed; [`ApiError::Unavailable`] or [`ApiError::Internal`] when the storage
    /// fails.
    pub async fn findings(&self, known: &KnownRun) -> Result<Option<RunFindings>, ApiError> {
        let Some(version) = &known.findings else { return Ok(None) };
        let json = read_object(&self.storage, known.run.run_id, keys::FINDINGS_FILE, version).await?;
        serde_json::from_slice(&json).map(Some).map_err(ApiError::internal)
    }

    /// The reasons and samples of a completed run.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] when the run is not completed; [`ApiError::NotKept`] when an earlier version made the run; those of
    /// [`Self::findings`].
    pub async fn kept_findings(&self, known: &KnownRun) -> Result<RunFindings, ApiError> {
        if known.run.status != RunStatus::Completed {
            let detail = "The run is not completed. Ask again when its status is `completed`.";
            return Err(ApiError::Conflict("run_not_completed", detail.into()));
        }
        let detail = "An earlier version of Loan Engine made this run and did not keep its reasons. Start a run of the same tape for them.";
        self.findings(known).await?.ok_or(ApiError::NotKept("reasons_not_kept", detail.into()))
    }
}
