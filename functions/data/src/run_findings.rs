//! The reasons and samples of a run, which lie among its results.

use api::{
    problem::ApiError,
    questioned_run::{RunNeeds, not_kept},
    stored_results::read_object,
};
use shared::run_summary::RunFindings;
use stores::keys;

use crate::known_runs::{KnownRun, KnownRuns};

impl KnownRuns {
    /// The reasons and samples of a run; `None` when it kept none.
    ///
    /// # Errors
    /// [`ApiError::ResultsGone`] when the results were removed; [`ApiError::Unavailable`] or [`ApiError::Internal`] when the storage
    /// fails.
    pub async fn findings<'k>(&self, known: &'k KnownRun) -> Result<Option<&'k RunFindings>, ApiError> {
        let Some(version) = &known.findings else { return Ok(None) };
        let read = async || {
            let json = read_object(&self.storage, known.run.run_id, keys::FINDINGS_FILE, version).await?;
            serde_json::from_slice(&json).map_err(ApiError::internal)
        };
        known.read_findings.get_or_try_init(read).await.map(Some)
    }

    /// The reasons and samples of a completed run.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] when the run is not completed; [`ApiError::NotKept`] when an earlier version made the run; those of
    /// [`Self::findings`].
    pub async fn kept_findings<'k>(&self, known: &'k KnownRun) -> Result<&'k RunFindings, ApiError> {
        RunNeeds::Totals.check(&known.run)?;
        self.findings(known).await?.ok_or_else(|| not_kept("reasons_not_kept", "The reasons"))
    }
}
