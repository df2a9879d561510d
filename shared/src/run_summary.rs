//! The summary object of a run, the same over the API, on the command line and in the store.

use serde::Serialize;
use uuid::Uuid;

use crate::{results::summary::Summary, run::RunStatus};

/// A run's summary with the run that it is of.
#[derive(Debug, Serialize)]
pub struct RunSummary<'s> {
    /// The run.
    pub run_id: Uuid,
    /// How the run stands.
    pub status: RunStatus,
    /// What it found: that of an empty builder, when it has found nothing.
    #[serde(flatten)]
    pub summary: &'s Summary,
}
