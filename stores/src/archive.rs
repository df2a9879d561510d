//! The archive of a run as one ZIP.

use std::io::{self, Write};

use futures_util::StreamExt as _;
use tokio::runtime::Handle;
use uuid::Uuid;
use zip::{CompressionMethod, ZipWriter, result::ZipError, write::SimpleFileOptions};

use crate::{
    keys,
    storage::{FileInfo, StorageBackend as _, StorageError, s3::S3Storage},
};

/// Level of compression: the fastest, because a client waits.
const LEVEL: i64 = 1;

/// Why a ZIP could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file could not be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The ZIP could not be written.
    #[error("the archive could not be packed: {0}")]
    Zip(#[from] ZipError),
}

/// The files of a run's archive, in one version.
#[derive(Debug, Clone)]
pub struct ArchiveFiles {
    folder: String,
    /// The files, each with its path in the archive.
    files: Vec<(String, FileInfo)>,
}

impl ArchiveFiles {
    /// Finds the files of a run's archive.
    ///
    /// # Errors
    /// [`StorageError::Store`] when the storage fails.
    pub async fn find(storage: &S3Storage, run_id: Uuid) -> Result<Self, StorageError> {
        let folder = keys::archive(run_id);
        let entries = storage.list(&folder, true).await?;
        let path = |key: &str| key.strip_prefix(&folder).map(|path| path.trim_start_matches('/').to_owned());
        let files = entries.into_iter().filter_map(|entry| Some((path(&entry.key)?, entry.file?))).collect();
        Ok(Self { folder, files })
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The files, each with its path in the archive.
    pub fn into_files(self) -> Vec<(String, FileInfo)> {
        self.files
    }

    /// Size of all files together, in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, info)| info.size).sum()
    }

    /// Packs the files. The caller runs this off the async threads. `wanted` is called from time to time; its error ends the work.
    ///
    /// # Errors
    /// [`PackError::Storage`] when a file cannot be read; [`PackError::Zip`] when the ZIP cannot be written or is not wanted.
    pub fn pack(
        &self,
        out: &mut dyn Write,
        storage: &S3Storage,
        runtime: &Handle,
        wanted: impl Fn() -> io::Result<()>,
    ) -> Result<(), PackError> {
        let mut zip = ZipWriter::new_stream(out);
        for (path, info) in &self.files {
            let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
            let options = options.compression_level(Some(LEVEL)).large_file(info.size > u64::from(u32::MAX) / 2);
            zip.start_file(path.as_str(), options)?;
            let key = format!("{}/{path}", self.folder);
            let mut body = runtime.block_on(storage.get(&key, None, Some(&info.etag)))?.body;
            while let Some(bytes) = runtime.block_on(body.next()) {
                wanted().map_err(ZipError::Io)?;
                zip.write_all(&bytes?).map_err(ZipError::Io)?;
            }
        }
        zip.finish()?;
        Ok(())
    }
}
