//! `GET /api/runs/{run_id}/reasons`: why a run rejects and holds loans, with balances.

use api::{
    caller::Caller,
    extract::PathId,
    problem::{ApiError, ProblemObject},
};
use axum::{Json, extract::State as FromState};
use serde_json::value::RawValue;
use shared::results::summary::Reasons;

use crate::State;

/// Show the reasons of a run
///
/// Shows why a completed run rejects and holds loans: number and balance of the loans for each reason, the loans with no other
/// reason, and by how much these loans miss their limits. Dry runs have reasons, too. Waived exceptions are left out.
#[utoipa::path(
    get, path = "/api/runs/{run_id}/reasons", tag = "data", security(("bearer" = [])),
    params(("run_id" = Uuid, Path, description = "Id of the run.")),
    responses(
        (status = 200, description = "The reasons.", body = Reasons),
        (
            status = 404,
            description = "The run does not exist, belongs to another team, or an earlier version of Loan Engine did not keep its reasons \
                           (`reasons_not_kept`).",
            body = ProblemObject
        ),
        (status = 409, description = "The run is not completed (`run_not_completed`).", body = ProblemObject),
        (status = 410),
    )
)]
pub async fn get_reasons(
    FromState(state): FromState<State>,
    caller: Caller,
    PathId(run_id): PathId,
) -> Result<Json<Box<RawValue>>, ApiError> {
    let known = state.known.of(&caller, run_id).await?;
    Ok(Json(state.known.kept_findings(&known).await?.reasons.clone()))
}
