//! Files of a run, as the API shows them.

use jiff::Timestamp;
use serde::Serialize;
use shared::{clock::moment, start_run::file_name, storage::FileInfo};
use utoipa::ToSchema;

/// A file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunFile)]
pub struct FileObject {
    /// Its name.
    name: String,
    /// Where it is.
    path: String,
    /// Always `file`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Its size in bytes.
    size: u64,
    /// When it was stored.
    #[serde(serialize_with = "moment::serialize")]
    #[schema(value_type = String, format = DateTime)]
    last_modified: Timestamp,
}

impl FileObject {
    /// The file at a path.
    pub fn new(path: String, info: &FileInfo) -> Self {
        let name = file_name(&path).to_owned();
        Self { name, path, kind: "file", size: info.size, last_modified: info.last_modified }
    }

    /// The first part of its path: the folder at the top, or the file itself.
    pub fn top(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }
}
