//! `POST /api/files/mkdir`: creates a folder.

use api::{
    caller::Caller,
    extract::ApiQuery,
    problem::{ApiError, ProblemObject},
    read_fields,
};
use axum::{Json, extract::State as FromState};
use serde::Serialize;
use shared::paths::Area;
use stores::storage::StorageBackend as _;
use utoipa::{IntoParams, ToSchema};

use crate::{State, place::AreaPath};

/// Which folder is to be there.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FolderQuery {
    /// Path of the folder in the area. Missing parent folders are created, too.
    #[param(example = "2026-02")]
    path: String,
    /// Area of the folder: `inputs`, `outputs` or `output_share`.
    #[param(default = "inputs")]
    area: Option<String>,
}

read_fields!(FolderQuery { path: required_text, area: text });

/// A folder that exists now.
#[derive(Serialize, ToSchema)]
pub struct FolderMade {
    /// Path in the area.
    #[schema(example = "2026-02")]
    path: String,
    /// Area.
    #[schema(value_type = String, example = "inputs")]
    area: Area,
    /// `created`, or `exists` if the folder existed before.
    #[schema(example = "created")]
    status: &'static str,
}

/// Create a folder
///
/// Creates a folder, and its parents where they are missing. Only the role `admin` writes to the area `outputs`. Paths of a member of
/// a sales team begin in the folder of that team.
#[utoipa::path(
    post, path = "/api/files/mkdir", tag = "files", security(("bearer" = [])),
    params(FolderQuery),
    responses(
        (status = 200, description = "The folder exists.", body = FolderMade),
        (status = 400, description = "The area or the path is not allowed.", body = ProblemObject),
        (status = 409, description = "A file has the path of this folder, or of one above it.", body = ProblemObject),
    )
)]
pub async fn make_folder(
    FromState(state): FromState<State>,
    caller: Caller,
    ApiQuery(query): ApiQuery<FolderQuery>,
) -> Result<Json<FolderMade>, ApiError> {
    let place = AreaPath::to_write(&caller, query.area.as_deref(), &query.path)?;
    // The root always exists, even when it is empty.
    let made = !place.is_root() && state.storage.make_folder(&place.key).await?;
    let status = if made { "created" } else { "exists" };
    Ok(Json(FolderMade { path: place.path, area: place.area, status }))
}
