//! `GET /api/runs/{run_id}/archive`: lists the archive of a run.

use api::{caller::Caller, extract::PathId, problem::ApiError};
use axum::{Json, extract::State as FromState};
use serde::Serialize;
use shared::manifest::{INPUT_FOLDER, MANIFEST_FILE, OUTPUT_FOLDER, RULES_FOLDER, WAIVERS_FOLDER};
use stores::archive::ArchiveFiles;
use utoipa::ToSchema;

use crate::{State, stored_files::FileObject};

/// Files in the archive of a run. The download takes their paths.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(example = json!({
    "input": [{
        "name": "february.csv", "path": "input/february.csv", "type": "file", "size": 270,
        "last_modified": "2026-02-02T09:58:01.300Z"
    }],
    "output": [{
        "name": "purchase_tape.csv", "path": "output/purchase_tape.csv", "type": "file", "size": 214,
        "last_modified": "2026-02-02T09:58:01.300Z"
    }],
    "manifest": {
        "name": "manifest.json", "path": "manifest.json", "type": "file", "size": 3120,
        "last_modified": "2026-02-02T09:58:01.300Z"
    }
}))]
pub struct ArchiveObject {
    /// Tapes of the run.
    input: Vec<FileObject>,
    /// Output files of the run.
    output: Vec<FileObject>,
    /// Files of a rule set that names other files. Absent for any other rule set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    rules: Vec<FileObject>,
    /// File of waivers of the run. Absent for a run without waivers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    waivers: Vec<FileObject>,
    /// Manifest of the run. Null: the run has not written it yet.
    #[schema(required)]
    manifest: Option<FileObject>,
}

/// List an archive
///
/// Lists the files that the archive of a run holds. Without a manifest the archive is not complete.
#[utoipa::path(
    get, path = "/api/runs/{run_id}/archive", tag = "runs", security(("bearer" = [])),
    params(("run_id" = Uuid, Path, description = "Id of the run.")),
    responses(
        (status = 200, description = "The files of the archive.", body = ArchiveObject),
        (status = 404),
    )
)]
pub async fn list_archive(
    FromState(state): FromState<State>,
    caller: Caller,
    PathId(run_id): PathId,
) -> Result<Json<ArchiveObject>, ApiError> {
    state.run_of(&caller, run_id).await?;
    let mut archive = ArchiveObject::default();
    for (path, info) in ArchiveFiles::find(&state.storage, run_id).await?.into_files() {
        let file = FileObject::new(path, &info);
        match file.top() {
            INPUT_FOLDER => archive.input.push(file),
            OUTPUT_FOLDER => archive.output.push(file),
            RULES_FOLDER => archive.rules.push(file),
            WAIVERS_FOLDER => archive.waivers.push(file),
            MANIFEST_FILE => archive.manifest = Some(file),
            other => tracing::warn!(%run_id, other, "the archive of a run holds an unknown file"),
        }
    }
    Ok(Json(archive))
}
