//! `GET /api/runs/{run_id}/notebook-outputs/{output_key}/download`: downloads one output file.

use api::{
    caller::Caller,
    extract::{ApiPath, PathId},
    file_answer::stored_file,
    problem::{ApiError, ProblemObject},
};
use axum::{extract::State as FromState, response::Response};
use shared::results::outputs::OUTPUTS;
use stores::keys;

use crate::State;

/// Download an output file
///
/// Downloads one of the CSV files of a completed run. Cells that a spreadsheet would run as a formula are written so that it
/// does not.
#[utoipa::path(
    get, path = "/api/runs/{run_id}/notebook-outputs/{output_key}/download", tag = "runs", security(("bearer" = [])),
    params(
        ("run_id" = Uuid, Path, description = "Id of the run."),
        (
            "output_key" = String, Path, example = "purchase_tape",
            description = "Key of the file: `purchase_tape`, `projected_tape`, `rejection_report` or `exception_summary`.",
        ),
    ),
    responses(
        (
            status = 200, description = "The file.", body = String, content_type = "text/csv",
            example = json!("exception_type,exception_category,severity,count,rejection_criteria,sample_message\r\n…"),
        ),
        (status = 307),
        (
            status = 400, description = "No output file has this key.", body = ProblemObject, example = json!({
                "type": "about:blank", "title": "Bad Request", "status": 400, "code": "unknown_output",
                "detail": "There is no output of this key. Use one of purchase_tape, projected_tape, rejection_report, exception_summary.",
                "request_id": "6f1c9a52-8d3e-4b7a-9c41-2f0e5d7b8a90"
            }),
        ),
        (status = 404, description = "The run does not exist, belongs to another team, or has not written the file yet.", body = ProblemObject),
    )
)]
pub async fn download_output(
    FromState(state): FromState<State>,
    caller: Caller,
    PathId(run_id): PathId,
    ApiPath(names): ApiPath<(String, String)>,
) -> Result<Response, ApiError> {
    let output = OUTPUTS.iter().find(|output| output.key == names.1).ok_or_else(unknown_key)?;
    state.run_of(&caller, run_id).await?;
    let key = format!("{}/{}", keys::outputs(run_id), output.file_name);
    stored_file(&state.answers, &key, output.file_name).await
}

fn unknown_key() -> ApiError {
    let keys = OUTPUTS.each_ref().map(|output| output.key).join(", ");
    ApiError::Refused("unknown_output", format!("There is no output of this key. Use one of {keys}.").into())
}
