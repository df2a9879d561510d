//! `GET /api/runs/{run_id}/archive`: what the archive of a run keeps.

use axum::{Json, extract::State as FromState};
use serde::Serialize;
use shared::{
    api::{
        extract::PathId,
        problem::{ApiError, ProblemObject},
    },
    auth::user::Caller,
    manifest::{INPUT_FOLDER, MANIFEST_FILE, OUTPUT_FOLDER},
};
use utoipa::ToSchema;

use crate::{State, stored_files::FileObject};

/// What an archive keeps. Each path is what the download takes.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct ArchiveObject {
    /// The tapes that went in.
    input: Vec<FileObject>,
    /// The output files.
    output: Vec<FileObject>,
    /// The manifest; null when the run has not come to write it.
    manifest: Option<FileObject>,
}

/// List the archive of a run
#[utoipa::path(
    get, path = "/api/runs/{run_id}/archive", tag = "runs", security(("bearer" = [])),
    params(("run_id" = Uuid, Path, description = "The run")),
    responses(
        (status = 200, description = "What is there", body = ArchiveObject),
        (status = 401, body = ProblemObject),
        (status = 403, body = ProblemObject),
        (status = 404, body = ProblemObject),
    )
)]
pub async fn list_archive(
    FromState(state): FromState<State>,
    caller: Caller,
    PathId(run_id): PathId,
) -> Result<Json<ArchiveObject>, ApiError> {
    state.run_of(&caller, run_id).await?;
    let mut archive = ArchiveObject::default();
    for (path, info) in state.zips.files(run_id).await? {
        let file = FileObject::new(path, &info);
        match file.top() {
            INPUT_FOLDER => archive.input.push(file),
            OUTPUT_FOLDER => archive.output.push(file),
            MANIFEST_FILE => archive.manifest = Some(file),
            other => tracing::warn!(%run_id, other, "the archive has something that is none of it"),
        }
    }
    Ok(Json(archive))
}
