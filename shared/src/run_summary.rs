//! The summary object of a run. It is the same in the API, on the command line and in the store.

use serde::Serialize;
use uuid::Uuid;

use crate::{results::summary::Summary, run::RunStatus};

/// Summary of a run, with the run's id and status.
#[derive(Debug, Serialize)]
pub struct RunSummary<'s> {
    pub run_id: Uuid,
    /// Status of the run.
    pub status: RunStatus,
    /// Results of the run. A run without results has the summary of an empty builder.
    #[serde(flatten)]
    pub summary: &'s Summary,
}
