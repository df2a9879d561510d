//! `GET /api/files/download/{path}`: the bytes of a file.

use axum::{extract::State as FromState, response::Response};
use shared::{
    api::{
        extract::{ApiPath, ApiQuery},
        file_answer::stored_file,
        problem::{ApiError, ProblemObject},
    },
    auth::user::Caller,
    read_fields,
};
use utoipa::IntoParams;

use crate::{
    State,
    place::{Place, absent},
};

/// In which area a file is.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AreaQuery {
    /// `inputs`, `outputs` or `output_share`.
    #[param(default = "inputs")]
    pub area: Option<String>,
}

read_fields!(AreaQuery { area: text });

/// Download a file
#[utoipa::path(
    get, path = "/api/files/download/{path}", tag = "files", security(("bearer" = [])),
    params(("path" = String, Path, description = "The path in the area, slashes included"), AreaQuery),
    responses(
        (status = 200, description = "The file", content_type = "*/*"),
        (status = 307, description = "The file has more than 4 MB: `Location` has it"),
        (status = 400, description = "The area or the path is against the rules", body = ProblemObject),
        (status = 401, body = ProblemObject),
        (status = 403, body = ProblemObject),
        (status = 404, body = ProblemObject),
    )
)]
pub async fn download_file(
    FromState(state): FromState<State>,
    caller: Caller,
    ApiPath(path): ApiPath<String>,
    ApiQuery(query): ApiQuery<AreaQuery>,
) -> Result<Response, ApiError> {
    let place = Place::to_read(&caller, query.area.as_deref(), &path)?;
    if place.is_root() || !place.is_visible(&state.runs).await? {
        return Err(absent());
    }
    stored_file(&state.storage, &place.key, place.name()).await
}
