//! `GET /api/summary/{run_id}`: shows what a run found, in totals.

use api::{caller::Caller, extract::PathId, problem::ApiError};
use axum::{
    extract::State as FromState,
    http::{HeaderValue, header},
    response::IntoResponse,
};
use shared::{run::RunStatus, run_summary::RunSummary};

use crate::State;

/// Show the summary of a run
///
/// Shows what a run found, in totals: loans by disposition, exceptions by kind, and strats. All totals are 0 before the run is
/// completed.
#[utoipa::path(
    get, path = "/api/summary/{run_id}", tag = "data", security(("bearer" = [])),
    params(("run_id" = Uuid, Path, description = "Id of the run.")),
    responses(
        (status = 200, description = "The summary.", body = RunSummary),
        (status = 404),
    )
)]
pub async fn get_summary(
    FromState(state): FromState<State>,
    caller: Caller,
    PathId(run_id): PathId,
) -> Result<impl IntoResponse, ApiError> {
    let known = state.known.of(&caller, run_id).await?;
    let samples = match state.known.findings(&known).await {
        Ok(Some(findings)) => findings.samples.get(),
        Ok(None) if known.run.status == RunStatus::Completed => "null",
        Ok(None) => "[]",
        // The summary outlives the results of its run.
        Err(ApiError::ResultsGone(_)) => "null",
        Err(error) => return Err(error),
    };
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((json, with_samples(&known.summary, samples)))
}

/// A summary with its samples as the last member. The record of a run keeps the summary without them.
fn with_samples(summary: &[u8], samples: &str) -> Vec<u8> {
    let members = summary.strip_suffix(b"}").unwrap_or(summary);
    [members, b",\"samples\":", samples.as_bytes(), b"}"].concat()
}
