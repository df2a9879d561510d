//! `GET /api/files/list`: lists a folder.

use std::collections::BTreeSet;

use api::{
    caller::Caller,
    extract::ApiQuery,
    file_answer::made_file,
    problem::{ApiError, ProblemObject},
    read_fields,
};
use axum::{extract::State as FromState, response::Response};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::Serialize;
use shared::{clock::moment, paths::Area};
use stores::storage::{Entry, StorageBackend as _, StorageError};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{State, place::AreaPath};

/// Number of folders of runs that are listed at the same time.
const LISTED_AT_ONCE: usize = 16;

/// Which folder is wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Path of the folder. Without it: the root of the area.
    #[param(example = "2026-02")]
    path: Option<String>,
    /// Whether to list the files in subfolders, too.
    #[param(default = false)]
    recursive: Option<bool>,
    /// Area of the file: `inputs`, `outputs` or `output_share`.
    #[param(default = "inputs")]
    area: Option<String>,
}

read_fields!(ListQuery { path: text, recursive: optional, area: text });

/// Files and folders in a folder.
#[derive(Serialize, ToSchema)]
pub struct FileList {
    /// Path of the folder in the area. Empty: the root of the area.
    #[schema(example = "2026-02")]
    path: String,
    /// Area.
    #[schema(value_type = String, example = "inputs")]
    area: Area,
    /// Whether the list includes the files in subfolders.
    recursive: bool,
    /// Number of files and folders in the list.
    #[schema(example = 1)]
    count: usize,
    /// Files and folders, sorted by path.
    files: Vec<FileObject>,
}

/// A file or a folder.
#[derive(Serialize, ToSchema)]
#[schema(as = File)]
pub struct FileObject {
    /// Name: the last part of the path.
    #[schema(example = "february.csv")]
    name: String,
    /// Path in the area.
    #[schema(example = "2026-02/february.csv")]
    path: String,
    /// Whether it is a file or a folder.
    #[serde(rename = "type")]
    kind: FileKind,
    /// Size in bytes. Null: it is a folder.
    #[schema(required, example = 270)]
    size: Option<u64>,
    /// When the file was stored. Null: it is a folder.
    #[serde(serialize_with = "moment::serialize_option")]
    #[schema(required, value_type = Option<String>, format = DateTime)]
    last_modified: Option<Timestamp>,
}

/// What a path names: a `file` or a folder (`directory`).
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
/// Lists the files and folders in a folder. A folder that does not exist is empty. Paths of a member of a sales team begin in the
/// folder of that team; in the area `outputs` the member sees the runs of that team.
#[utoipa::path(
    get, path = "/api/files/list", tag = "files", security(("bearer" = [])),
    params(ListQuery),
    responses(
        (status = 200, description = "The files and folders.", body = FileList),
        (status = 307),
        (status = 400, description = "The area or the path is not allowed.", body = ProblemObject),
    )
)]
pub async fn list_files(
    FromState(state): FromState<State>,
    caller: Caller,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Response, ApiError> {
    let path = query.path.as_deref().unwrap_or_default();
    let place = AreaPath::to_read(&caller, query.area.as_deref(), path)?.or_as_written(path, &state.storage).await?;
    let recursive = query.recursive.unwrap_or(false);
    let files = entries(&state, &place, recursive).await?;
    let list = FileList { path: place.path, area: place.area, recursive, count: files.len(), files };
    let json = serde_json::to_vec(&list).map_err(ApiError::internal)?;
    made_file(&state.answers, json.into(), "list.json", "inline").await
}

async fn entries(state: &State, place: &AreaPath, recursive: bool) -> Result<Vec<FileObject>, ApiError> {
    if !place.is_visible(&state.runs).await? {
        return Ok(Vec::new());
    }
    let entries = match place.runs_to_see(&state.runs).await? {
        None => state.storage.list(&place.key, recursive).await?,
        Some(runs) => of_runs(state, place, runs, recursive).await?,
    };
    Ok(entries.into_iter().map(|entry| object(place, entry)).collect())
}

/// The folders of these runs, and with `recursive` what is in them. Each folder is listed by itself: the folders of other teams
/// cost nothing.
async fn of_runs(state: &State, place: &AreaPath, runs: BTreeSet<Uuid>, recursive: bool) -> Result<Vec<Entry>, StorageError> {
    let list_folder = async |run: Uuid| -> Result<_, StorageError> {
        let key = format!("{}/{run}", place.key);
        let files = state.storage.list(&key, true).await?;
        let folder = (!files.is_empty()).then_some(Entry { key, file: None });
        Ok(folder.into_iter().chain(files.into_iter().filter(move |_| recursive)))
    };
    let folders: Vec<_> = stream::iter(runs.into_iter().map(list_folder)).buffered(LISTED_AT_ONCE).try_collect().await?;
    Ok(folders.into_iter().flatten().collect())
}

fn object(place: &AreaPath, entry: Entry) -> FileObject {
    let path = place.path_of(&entry.key);
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    let (kind, size, last_modified) = match entry.file {
        Some(file) => (FileKind::File, Some(file.size), Some(file.last_modified)),
        None => (FileKind::Directory, None, None),
    };
    FileObject { name, path, kind, size, last_modified }
}
