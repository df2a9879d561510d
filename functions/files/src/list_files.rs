//! `GET /api/files/list`: what is in a folder.

use axum::{extract::State as FromState, response::Response};
use jiff::Timestamp;
use serde::Serialize;
use shared::{
    api::{
        extract::ApiQuery,
        file_answer::made_file,
        problem::{ApiError, ProblemObject},
    },
    auth::user::Caller,
    clock::moment,
    paths::Area,
    read_fields,
    storage::{Entry, StorageBackend as _},
};
use utoipa::{IntoParams, ToSchema};

use crate::{State, place::Place};

/// Which folder is wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// The folder; the root of the area unless it is given.
    path: Option<String>,
    /// Whether what is in the folders in it is wanted, too.
    #[param(default = false)]
    recursive: Option<bool>,
    /// `inputs`, `outputs` or `output_share`.
    #[param(default = "inputs")]
    area: Option<String>,
}

read_fields!(ListQuery { path: text, recursive: optional, area: text });

/// What is in a folder.
#[derive(Serialize, ToSchema)]
pub struct FileList {
    /// The folder.
    path: String,
    /// The area.
    #[schema(value_type = String)]
    area: Area,
    /// Whether what is in the folders in it is named, too.
    recursive: bool,
    /// How many files and folders there are.
    count: usize,
    /// The files and folders, by path.
    files: Vec<FileObject>,
}

/// A file or a folder.
#[derive(Serialize, ToSchema)]
#[schema(as = File)]
pub struct FileObject {
    /// The last part of the path.
    name: String,
    /// The path in the area.
    path: String,
    /// Which of the two it is.
    #[serde(rename = "type")]
    kind: FileKind,
    /// The size of a file, in bytes.
    size: Option<u64>,
    /// When a file was stored.
    #[serde(serialize_with = "moment::serialize_option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_modified: Option<Timestamp>,
}

/// A file or a folder.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A file.
    File,
    /// A folder.
    Directory,
}

/// List a folder
///
/// A folder that does not exist is empty. A list of more than 4 MB is fetched from the address that a 307 gives.
#[utoipa::path(
    get, path = "/api/files/list", tag = "files", security(("bearer" = [])),
    params(ListQuery),
    responses(
        (status = 200, body = FileList),
        (status = 307, description = "The list is large: `Location` has it"),
        (status = 400, description = "The area or the path is against the rules", body = ProblemObject),
        (status = 401, body = ProblemObject),
        (status = 403, body = ProblemObject),
        (status = 422, body = ProblemObject),
    )
)]
pub async fn list_files(
    FromState(state): FromState<State>,
    caller: Caller,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Response, ApiError> {
    let place = Place::to_read(&caller, query.area.as_deref(), query.path.as_deref().unwrap_or_default())?;
    let recursive = query.recursive.unwrap_or(false);
    let files = entries(&state, &place, recursive).await?;
    let list = FileList { path: place.path, area: place.area, recursive, count: files.len(), files };
    let json = serde_json::to_vec(&list).map_err(ApiError::internal)?;
    made_file(&state.storage, json.into(), "list.json", "inline").await
}

async fn entries(state: &State, place: &Place, recursive: bool) -> Result<Vec<FileObject>, ApiError> {
    if !place.is_visible(&state.runs).await? {
        return Ok(Vec::new());
    }
    let folders = place.folders_to_see(&state.runs).await?;
    let entries = state.storage.list(&place.key, recursive).await?;
    let objects = entries.into_iter().map(|entry| object(place, entry));
    let seen = |object: &FileObject| {
        let first = object.path.split('/').next().unwrap_or_default();
        folders.as_ref().is_none_or(|folders| folders.contains(first))
    };
    Ok(objects.filter(seen).collect())
}

fn object(place: &Place, entry: Entry) -> FileObject {
    let path = place.path_of(&entry.key);
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    let (kind, size, last_modified) = match entry.file {
        Some(file) => (FileKind::File, Some(file.size), Some(file.last_modified)),
        None => (FileKind::Directory, None, None),
    };
    FileObject { name, path, kind, size, last_modified }
}
