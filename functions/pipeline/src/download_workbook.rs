//! `GET /api/runs/{run_id}/workbook`: the decisions of a run as one workbook.

use axum::{extract::State as FromState, response::Response};
use shared::{
    api::{
        extract::PathId,
        file_answer::stored_file,
        problem::{ApiError, ProblemObject},
    },
    auth::user::Caller,
    results::workbook::WORKBOOK_FILE,
};

use crate::State;

/// Download the decision workbook of a run
///
/// An XLSX file with the sheets Summary, To purchase, Projected, Rejected and Exceptions. It is made when it is first asked for, and
/// is the same file from then on. Only a completed run that was no dry run has one.
#[utoipa::path(
    get, path = "/api/runs/{run_id}/workbook", tag = "runs", security(("bearer" = [])),
    params(("run_id" = Uuid, Path, description = "The run", example = "5f0c8d1e-3a77-4b52-9c1e-2f6d8a90b3c4")),
    responses(
        (
            status = 200, description = "The workbook, as the attachment `decision_workbook.xlsx`",
            content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        ),
        (status = 307, description = "A large workbook is at the address in `Location`"),
        (status = 401, body = ProblemObject),
        (status = 403, body = ProblemObject),
        (
            status = 404, description = "No such run, or a run without a workbook: it has not completed, or it was a dry run",
            body = ProblemObject
        ),
    )
)]
pub async fn download_workbook(
    FromState(state): FromState<State>,
    caller: Caller,
    PathId(run_id): PathId,
) -> Result<Response, ApiError> {
    let run = state.run_of(&caller, run_id).await?;
    let key = state.workbooks.of(run).await?;
    stored_file(&state.storage, &key, WORKBOOK_FILE).await
}
