//! `GET /api/summary/{run_id}`: shows what a run found, in totals.

use api::{caller::Caller, extract::PathId, problem::ApiError};
use axum::{
    extract::State as FromState,
    http::{HeaderValue, header},
    response::IntoResponse,
};
use shared::run_summary::RunSummary;

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
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], known.summary.clone()))
}
