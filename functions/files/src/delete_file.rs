//! `DELETE /api/files/{path}`: deletes a file or an empty folder.

use api::{
    caller::Caller,
    extract::ApiQuery,
    problem::{ApiError, ProblemObject},
};
use axum::{Json, extract::State as FromState, http::Uri};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use shared::paths::Area;
use stores::storage::{Found, StorageBackend as _};
use utoipa::ToSchema;

use crate::{
    State,
    download_file::AreaQuery,
    list_files::FileKind,
    place::{AreaPath, absent},
};

/// A file or a folder that was deleted.
#[derive(Serialize, ToSchema)]
pub struct Deleted {
    /// Path in the area.
    #[schema(example = "2026-02/february.csv")]
    path: String,
    /// Area.
    #[schema(value_type = String, example = "inputs")]
    area: Area,
    /// Whether it was a file or a folder.
    #[serde(rename = "type")]
    kind: FileKind,
    /// Always `deleted`.
    #[schema(example = "deleted")]
    status: &'static str,
}

/// Delete a file or an empty folder
///
/// Deletes for good. Only the role `admin` deletes in the area `outputs`. Paths of a member of a sales team begin in the folder of
/// that team.
#[utoipa::path(
    delete, path = "/api/files/{*path}", tag = "files", security(("bearer" = [])),
    params(("path" = String, Path, description = "Path in the area, with its slashes.", example = "2026-02/february.csv"), AreaQuery),
    responses(
        (status = 200, description = "The file or folder is deleted.", body = Deleted),
        (status = 400, description = "The area or the path is not allowed, or the folder is not empty.", body = ProblemObject),
        (status = 404),
    )
)]
pub async fn delete_file(
    FromState(state): FromState<State>,
    caller: Caller,
    uri: Uri,
    ApiQuery(query): ApiQuery<AreaQuery>,
) -> Result<Json<Deleted>, ApiError> {
    let path = path_in(&uri)?;
    let place = AreaPath::to_write(&caller, query.area.as_deref(), &path)?.or_as_written(&path, &state.storage).await?;
    if place.is_root() {
        return Err(ApiError::Refused("bad_path", "The root of an area stays. Name what is in it.".into()));
    }
    let kind = match state.storage.find(&place.key).await? {
        None => return Err(absent()),
        Some(Found::File(_)) => {
            state.storage.delete(&place.key).await?;
            FileKind::File
        }
        Some(Found::Folder { .. }) => {
            state.storage.delete_folder(&place.key).await?;
            FileKind::Directory
        }
    };
    Ok(Json(Deleted { path: place.path, area: place.area, kind, status: "deleted" }))
}

/// The path in the URL, percent-decoded once. Several routes lead to this handler, and only one has all of the path as its
/// parameter.
fn path_in(uri: &Uri) -> Result<String, ApiError> {
    let path = uri.path().strip_prefix("/api/files/").unwrap_or_default();
    let decoded = percent_decode_str(path).decode_utf8();
    decoded.map(Into::into).map_err(|_| ApiError::Refused("bad_path", "The address is not UTF-8 text.".into()))
}
