//! `GET /api/files/download/{path}`: downloads a file.

use api::{
    caller::Caller,
    extract::{ApiPath, ApiQuery},
    file_answer::stored_file,
    problem::{ApiError, ProblemObject},
    read_fields,
};
use axum::{extract::State as FromState, response::Response};
use utoipa::IntoParams;

use crate::{
    State,
    place::{AreaPath, absent},
};

/// Area of a file.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AreaQuery {
    /// Area of the file: `inputs`, `outputs` or `output_share`.
    #[param(default = "inputs")]
    pub area: Option<String>,
}

read_fields!(AreaQuery { area: text });

/// Download a file
///
/// Downloads the bytes of a file. Paths of a member of a sales team begin in the folder of that team; in the area `outputs` the member
/// sees the runs of that team.
#[utoipa::path(
    get, path = "/api/files/download/{*path}", tag = "files", security(("bearer" = [])),
    params(("path" = String, Path, description = "Path in the area, with its slashes.", example = "2026-02/february.csv"), AreaQuery),
    responses(
        (status = 200, description = "The file.", content_type = "*/*"),
        (status = 307),
        (status = 400, description = "The area or the path is not allowed.", body = ProblemObject),
        (status = 404),
    )
)]
pub async fn download_file(
    FromState(state): FromState<State>,
    caller: Caller,
    ApiPath(path): ApiPath<String>,
    ApiQuery(query): ApiQuery<AreaQuery>,
) -> Result<Response, ApiError> {
    let place = AreaPath::to_read(&caller, query.area.as_deref(), &path)?.or_as_written(&path, &state.storage).await?;
    if place.is_root() || !place.is_visible(&state.runs).await? {
        return Err(absent());
    }
    stored_file(&state.answers, &place.key, place.name()).await
}
