//! `GET /api/runs/{run_id}/notebook-outputs`: lists the output files of a run.

use api::{caller::Caller, extract::PathId, problem::ApiError};
use axum::{Json, extract::State as FromState};
use serde::Serialize;
use shared::results::outputs::{OUTPUTS, Output};
use stores::{keys, storage::StorageBackend as _};
use utoipa::ToSchema;

use crate::{State, stored_files::FileObject};

/// An output file of a run.
#[derive(Debug, Serialize, ToSchema)]
pub struct OutputObject {
    /// Key of the file, which the URL of its download names.
    #[schema(example = "purchase_tape")]
    key: &'static str,
    /// The file. Its path is the path in the area `outputs`.
    #[serde(flatten)]
    file: FileObject,
    /// Number of rows below the header. Null: the run failed before it counted them.
    #[schema(required, example = 1)]
    rows: Option<u64>,
}

/// List output files
///
/// Lists the output files that a run has written: up to five (the fifth, `pricing_report`, under a rule set that adjusts prices), none before the run is completed and none of a dry run.
#[utoipa::path(
    get, path = "/api/runs/{run_id}/notebook-outputs", tag = "runs", security(("bearer" = [])),
    params(("run_id" = Uuid, Path, description = "Id of the run.")),
    responses(
        (status = 200, description = "The output files.", body = Vec<OutputObject>),
        (status = 404),
    )
)]
pub async fn list_outputs(
    FromState(state): FromState<State>,
    caller: Caller,
    PathId(run_id): PathId,
) -> Result<Json<Vec<OutputObject>>, ApiError> {
    state.run_of(&caller, run_id).await?;
    let stored = state.storage.list(&keys::outputs(run_id), false).await?;
    let counted = state.runs.results(run_id).await?.map(|results| results.outputs).unwrap_or_default();
    let object = |output: &Output| {
        let path = format!("{run_id}/{}", output.file_name);
        let entry = stored.iter().find(|entry| entry.key.ends_with(&path))?;
        let rows = counted.iter().find(|info| info.key == output.key).map(|info| info.rows);
        Some(OutputObject { key: output.key, file: FileObject::new(path, entry.file.as_ref()?), rows })
    };
    Ok(Json(OUTPUTS.iter().filter_map(object).collect()))
}
