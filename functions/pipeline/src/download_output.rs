//! `GET /api/runs/{run_id}/notebook-outputs/{output_key}/download`: one output file.

use axum::{extract::State as FromState, response::Response};
use shared::{
    api::{
        extract::{ApiPath, PathId},
        file_answer::stored_file,
        problem::{ApiError, ProblemObject},
    },
    auth::user::Caller,
    results::csv::OutputFile,
    stores::keys,
};

use crate::State;

/// Download an output file
#[utoipa::path(
    get, path = "/api/runs/{run_id}/notebook-outputs/{output_key}/download", tag = "runs", security(("bearer" = [])),
    params(
        ("run_id" = Uuid, Path, description = "The run"),
        ("output_key" = String, Path, description = "`purchase_tape`, `projected_tape`, `rejection_report` or `exception_summary`"),
    ),
    responses(
        (status = 200, description = "The file", body = String, content_type = "text/csv"),
        (status = 307, description = "A large file is at the address in `Location`"),
        (status = 400, description = "No output has this key", body = ProblemObject),
        (status = 401, body = ProblemObject),
        (status = 403, body = ProblemObject),
        (status = 404, description = "No such run, or the file is not there yet", body = ProblemObject),
    )
)]
pub async fn download_output(
    FromState(state): FromState<State>,
    caller: Caller,
    PathId(run_id): PathId,
    ApiPath(names): ApiPath<(String, String)>,
) -> Result<Response, ApiError> {
    let output = OutputFile::ALL.into_iter().find(|output| output.key() == names.1).ok_or_else(unknown_key)?;
    state.run_of(&caller, run_id).await?;
    let key = format!("{}/{}", keys::outputs(run_id), output.file_name());
    stored_file(&state.answers, &key, output.file_name()).await
}

fn unknown_key() -> ApiError {
    let keys = OutputFile::ALL.map(OutputFile::key).join(", ");
    ApiError::Refused("unknown_output", format!("There is no output of this key. Use one of {keys}.").into())
}
