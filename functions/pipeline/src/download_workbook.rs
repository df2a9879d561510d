//! `GET /api/runs/{run_id}/workbook`: downloads the decisions of a run as one workbook.

use api::{
    caller::Caller,
    extract::PathId,
    file_answer::stored_file,
    problem::{ApiError, ProblemObject},
};
use axum::{extract::State as FromState, response::Response};
use shared::results::workbook::WORKBOOK_FILE;

use crate::State;

/// Download the decision workbook
///
/// Downloads an XLSX file with the sheets Summary, To purchase, Projected, Rejected and Exceptions. The first request makes the
/// workbook; later requests give the same file. A run that has not completed has no workbook, and neither has a dry run.
#[utoipa::path(
    get, path = "/api/runs/{run_id}/workbook", tag = "runs", security(("bearer" = [])),
    params(("run_id" = Uuid, Path, description = "Id of the run.")),
    responses(
        (
            status = 200, description = "The workbook, as the attachment `decision_workbook.xlsx`.",
            content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        ),
        (status = 307),
        (
            status = 404, description = "The run does not exist, belongs to another team, or has no workbook.",
            body = ProblemObject
        ),
        (status = 429),
    )
)]
pub async fn download_workbook(
    FromState(state): FromState<State>,
    caller: Caller,
    PathId(run_id): PathId,
) -> Result<Response, ApiError> {
    let run = state.run_of(&caller, run_id).await?;
    let key = state.workbooks.of(run).await?;
    stored_file(&state.answers, &key, WORKBOOK_FILE).await
}
