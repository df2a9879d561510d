//! `GET /api/runs/{run_id}/archive/download`: downloads a file of a run's archive, or the whole archive as a ZIP.

use api::{
    caller::Caller,
    extract::{ApiQuery, PathId},
    file_answer::stored_file,
    jobs::Preparing,
    prefer::PreferredWait,
    problem::{ApiError, ProblemObject},
    read_fields,
};
use axum::{extract::State as FromState, response::Response};
use shared::paths::safe_join;
use stores::{keys, start_run::file_name};
use utoipa::IntoParams;

use crate::State;

/// What of an archive to download.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ArchiveQuery {
    /// Path of one file in the archive. Without it, the whole archive is downloaded as a ZIP.
    #[param(example = "input/february.csv")]
    path: Option<String>,
}

read_fields!(ArchiveQuery { path: text });

/// Download an archive or one of its files
///
/// Downloads one file of the archive, or without `path` the whole archive as a ZIP. The archive holds the tapes, the output files
/// and the manifest, with which `loan-engine replay` repeats the run byte by byte. The worker makes the ZIP of an archive above 256
/// MiB, and keeps it for a day: until it is made, the answer is 202.
#[utoipa::path(
    get, path = "/api/runs/{run_id}/archive/download", tag = "runs", security(("bearer" = [])),
    params(
        ("run_id" = Uuid, Path, description = "Id of the run."),
        ArchiveQuery,
        (
            "Prefer" = Option<String>, Header, example = "wait=25",
            description = "`wait=N` waits for a ZIP that is not made yet, at most N seconds; more than 25 count as 25."
        ),
    ),
    responses(
        (status = 200, description = "The file or the ZIP.", content_type = "*/*"),
        (status = 202, description = "The ZIP is not made yet: ask again after the seconds in `Retry-After`.", body = Preparing, headers(("Retry-After" = u64, description = "Number of seconds to wait."))),
        (status = 307),
        (status = 400, description = "The path leads out of the archive.", body = ProblemObject),
        (status = 404, description = "The run or the file does not exist, or the run belongs to another team.", body = ProblemObject),
        (status = 410, description = "The worker found that the archive was removed while it packed it.", body = ProblemObject),
        (status = 429),
    )
)]
pub async fn download_archive(
    FromState(state): FromState<State>,
    caller: Caller,
    wait: PreferredWait,
    ApiQuery(query): ApiQuery<ArchiveQuery>,
    PathId(run_id): PathId,
) -> Result<Response, ApiError> {
    // The limit on the length of a path applies to the path in the archive, without the archive's own folder.
    let path = query.path.filter(|path| !path.is_empty()).map(|path| safe_join("", &[&path])).transpose()?;
    let key = path.map(|path| format!("{}/{path}", keys::archive(run_id)).trim_end_matches('/').to_owned());
    let run = state.run_of(&caller, run_id).await?;
    match key {
        Some(key) => stored_file(&state.answers, &key, file_name(&key)).await,
        None => state.zips.answer(&run, wait).await,
    }
}
