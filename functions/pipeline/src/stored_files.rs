//! Files of a run, as the API shows them.

use jiff::Timestamp;
use serde::Serialize;
use shared::clock::moment;
use stores::{start_run::file_name, storage::FileInfo};
use utoipa::ToSchema;

/// A file of a run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunFile)]
pub struct FileObject {
    /// Name of the file.
    #[schema(example = "purchase_tape.csv")]
    name: String,
    /// Path of the file.
    #[schema(example = "6f1c9a52-8d3e-4b7a-9c41-2f0e5d7b8a90/purchase_tape.csv")]
    path: String,
    /// Always `file`.
    #[schema(example = "file")]
    #[serde(rename = "type")]
    kind: &'static str,
    /// Size in bytes.
    #[schema(example = 214)]
    size: u64,
    /// When the file was stored.
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

    /// The first part of the path: the top folder, or the file itself.
    pub fn top(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }
}
