//! The archive of a run as one ZIP. It is made when it is first asked for and kept beside the run's results: what is in it
//! never changes, and it may be far larger than an answer.

use std::{io::Write, sync::Arc};

use futures_util::StreamExt as _;
use shared::{
    api::problem::ApiError,
    run::RunStatus,
    storage::{FileInfo, StorageBackend as _, StorageError, s3::S3Storage, uploads::Uploads},
    stores::{keys, runs::StoredRun},
};
use tokio::{runtime::Handle, sync::Mutex};
use uuid::Uuid;
use zip::{CompressionMethod, ZipWriter, result::ZipError, write::SimpleFileOptions};

/// The level of compression: the fastest, because somebody waits for it.
const LEVEL: i64 = 1;

/// Archives as ZIPs.
#[derive(Clone)]
pub struct ArchiveZips {
    storage: S3Storage,
    /// One is made at a time, so that many who ask for the same do not each make it.
    making: Arc<Mutex<()>>,
}

/// A file of an archive.
type Archived = (String, FileInfo);

/// Why a ZIP could not be made.
#[derive(Debug, thiserror::Error)]
enum MakeError {
    /// A file could not be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It could not be written.
    #[error("the archive could not be packed: {0}")]
    Zip(#[from] ZipError),
}

impl ArchiveZips {
    /// Those of a bucket.
    pub fn new(storage: S3Storage) -> Self {
        Self { storage, making: Arc::default() }
    }

    /// The files of a run's archive, with their paths in it.
    ///
    /// # Errors
    /// The storage fails.
    pub async fn files(&self, run_id: Uuid) -> Result<Vec<Archived>, StorageError> {
        let folder = keys::archive(run_id);
        let entries = self.storage.list(&folder, true).await?;
        let path = |key: &str| key.strip_prefix(&folder).map(|path| path.trim_start_matches('/').to_owned());
        Ok(entries.into_iter().filter_map(|entry| Some((path(&entry.key)?, entry.file?))).collect())
    }

    /// Where the ZIP of a run's archive is.
    ///
    /// # Errors
    /// There is nothing in the archive yet, or the storage fails.
    pub async fn of(&self, run: &StoredRun) -> Result<String, ApiError> {
        let missing = || ApiError::NotFound(without_archive(run.status).into());
        let key = match run.status {
            RunStatus::Completed => format!("{}/{}", keys::results(run.run_id), keys::ARCHIVE_ZIP),
            // What a failed run left behind is packed each time, and not kept for long.
            RunStatus::Failed => keys::answer(Uuid::new_v4(), keys::ARCHIVE_ZIP),
            RunStatus::Pending | RunStatus::Running => return Err(missing()),
        };
        if self.storage.info(&key).await?.is_some() {
            return Ok(key);
        }
        // Whoever asked may go away before it is made; the next one finds it then.
        let making = tokio::spawn(self.clone().make(run.run_id, key.clone()));
        let made = making.await.map_err(ApiError::internal)??;
        if made { Ok(key) } else { Err(missing()) }
    }

    /// Makes a ZIP, unless it has been made in the meantime; false when there is nothing to be in it.
    async fn make(self, run_id: Uuid, key: String) -> Result<bool, ApiError> {
        let _alone = self.making.lock().await;
        if self.storage.info(&key).await?.is_some() {
            return Ok(true);
        }
        let files = self.files(run_id).await?;
        if files.is_empty() {
            return Ok(false);
        }
        let uploads = Uploads::new(self.storage.clone(), move |_| key.clone());
        let (out, storage, runtime) = (uploads.create(keys::ARCHIVE_ZIP), self.storage.clone(), Handle::current());
        let folder = keys::archive(run_id);
        let packing = tokio::task::spawn_blocking(move || pack(out, &folder, &files, &storage, &runtime));
        let packed = packing.await.map_err(ApiError::internal)?;
        // A file that was not written to its end does not appear.
        match (packed, uploads.complete().await) {
            (Ok(()), Ok(_)) => Ok(true),
            (Err(MakeError::Storage(error)), _) => Err(error.into()),
            (_, Err((_, error @ StorageError::Store(_)))) => Err(error.into()),
            (Err(error), _) => Err(ApiError::internal(error)),
            (Ok(()), Err((_, error))) => Err(ApiError::internal(error)),
        }
    }
}

/// Why a run has no archive.
fn without_archive(status: RunStatus) -> &'static str {
    if status.is_final() {
        "The run has no archive: it was a dry run, or it failed before its archive was written."
    } else {
        "There is no archive yet: it is written when the run ends."
    }
}

/// Packs the files of an archive, off the async threads.
fn pack(
    mut out: Box<dyn Write + Send>,
    folder: &str,
    files: &[Archived],
    storage: &S3Storage,
    runtime: &Handle,
) -> Result<(), MakeError> {
    let mut zip = ZipWriter::new_stream(&mut out);
    for (path, info) in files {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        let options = options.compression_level(Some(LEVEL)).large_file(info.size > u64::from(u32::MAX) / 2);
        zip.start_file(path.as_str(), options)?;
        let mut body = runtime.block_on(storage.get(&format!("{folder}/{path}"), None, Some(&info.etag)))?.body;
        while let Some(bytes) = runtime.block_on(body.next()) {
            zip.write_all(&bytes?).map_err(ZipError::Io)?;
        }
    }
    zip.finish()?;
    // Flushing says that the file is whole.
    out.flush().map_err(ZipError::Io)?;
    Ok(())
}
