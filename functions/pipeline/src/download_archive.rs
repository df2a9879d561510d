//! `GET /api/runs/{run_id}/archive/download`: a file of a run's archive, or all of it as a ZIP.

use axum::{extract::State as FromState, response::Response};
use serde::Deserialize;
use shared::{
    api::{
        extract::{ApiQuery, PathId},
        file_answer::stored_file,
        problem::{ApiError, ProblemObject},
    },
    auth::user::Caller,
    paths::safe_join,
    start_run::file_name,
    stores::keys,
};
use utoipa::IntoParams;

use crate::State;

/// What is wanted of an archive.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ArchiveQuery {
    /// A file of it, such as `input/tape.csv`; without it the whole archive, as a ZIP.
    path: Option<String>,
}

/// Download the archive of a run, or a file of it
#[utoipa::path(
    get, path = "/api/runs/{run_id}/archive/download", tag = "runs", security(("bearer" = [])),
    params(("run_id" = Uuid, Path, description = "The run"), ArchiveQuery),
    responses(
        (status = 200, description = "The file", content_type = "*/*"),
        (status = 307, description = "A large file is at the address in `Location`"),
        (status = 400, description = "A path that leads out of the archive", body = ProblemObject),
        (status = 401, body = ProblemObject),
        (status = 403, body = ProblemObject),
        (status = 404, description = "No such run, or no such file in its archive", body = ProblemObject),
        (status = 429, description = "Too many files are being made; see `Retry-After`", body = ProblemObject),
    )
)]
pub async fn download_archive(
    FromState(state): FromState<State>,
    caller: Caller,
    PathId(run_id): PathId,
    ApiQuery(query): ApiQuery<ArchiveQuery>,
) -> Result<Response, ApiError> {
    let key = query.path.map(|path| safe_join(&keys::archive(run_id), &[&path])).transpose()?;
    let run = state.run_of(&caller, run_id).await?;
    match key {
        Some(key) => stored_file(&state.answers, &key, file_name(&key)).await,
        None => state.zips.answer(&run).await,
    }
}
