//! `POST /api/files/mkdir`: makes a folder.

use axum::{Json, extract::State as FromState};
use serde::Serialize;
use shared::{
    api::{
        extract::ApiQuery,
        problem::{ApiError, ProblemObject},
    },
    auth::user::Caller,
    paths::Area,
    read_fields,
    storage::StorageBackend as _,
};
use utoipa::{IntoParams, ToSchema};

use crate::{State, place::Place};

/// Which folder is to be there.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FolderQuery {
    /// The path in the area. Folders in between are made, too.
    path: String,
    /// `inputs`, `outputs` or `output_share`.
    #[param(default = "inputs")]
    area: Option<String>,
}

read_fields!(FolderQuery { path: required_text, area: text });

/// A folder that is there.
#[derive(Serialize, ToSchema)]
pub struct FolderMade {
    /// The path in the area.
    path: String,
    /// The area.
    #[schema(value_type = String)]
    area: Area,
    /// `created`, or `exists` when it was there before.
    status: &'static str,
}

/// Make a folder
#[utoipa::path(
    post, path = "/api/files/mkdir", tag = "files", security(("bearer" = [])),
    params(FolderQuery),
    responses(
        (status = 200, body = FolderMade),
        (status = 400, description = "The area or the path is against the rules, or a file is in the way", body = ProblemObject),
        (status = 401, body = ProblemObject),
        (status = 403, body = ProblemObject),
        (status = 422, body = ProblemObject),
    )
)]
pub async fn make_folder(
    FromState(state): FromState<State>,
    caller: Caller,
    ApiQuery(query): ApiQuery<FolderQuery>,
) -> Result<Json<FolderMade>, ApiError> {
    let place = Place::to_write(&caller, query.area.as_deref(), &query.path)?;
    // The root is there, whether or not something is in it.
    let made = !place.is_root() && state.storage.make_folder(&place.key).await?;
    let status = if made { "created" } else { "exists" };
    Ok(Json(FolderMade { path: place.path, area: place.area, status }))
}
