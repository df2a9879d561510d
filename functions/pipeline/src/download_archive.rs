//! `GET /api/runs/{run_id}/archive/download`: a file of a run's archive, or all of it as a ZIP.

use axum::{extract::State as FromState, response::Response};
use shared::{
    api::{
        extract::{ApiQuery, PathId},
        file_answer::stored_file,
        problem::{ApiError, ProblemObject},
    },
    auth::user::Caller,
    paths::safe_join,
    read_fields,
    start_run::file_name,
    stores::keys,
};
use utoipa::IntoParams;

use crate::State;

/// What is wanted of an archive.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ArchiveQuery {
    /// A file of it, such as `input/tape.csv`; without it the whole archive, as a ZIP.
    path: Option<String>,
}

read_fields!(ArchiveQuery { path: text });

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
    )
)]
pub async fn download_archive(
    FromState(state): FromState<State>,
    caller: Caller,
    ApiQuery(query): ApiQuery<ArchiveQuery>,
    PathId(run_id): PathId,
) -> Result<Response, ApiError> {
    let path = query.path.filter(|path| !path.is_empty());
    let key = path.map(|path| safe_join(&keys::archive(run_id), &[&path])).transpose()?;
    let run = state.run_of(&caller, run_id).await?;
    match key {
        Some(key) => stored_file(&state.storage, &key, file_name(&key)).await,
        None => {
            let zip = state.zips.of(&run).await?;
            stored_file(&state.storage, &zip, &format!("{run_id}.zip")).await
        }
    }
}
