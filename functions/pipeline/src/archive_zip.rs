//! The archive of a run as one ZIP. The first request makes it, in the turn of an export, and it is kept with the run's results:
//! its content never changes, and it may be far larger than an answer.

use std::{io::Write, sync::Arc};

use api::{
    exports::{ExportError, ExportFile, Exports, StillWanted, while_wanted},
    file_answer::{FileAnswers, attachment, stored_file},
    problem::ApiError,
};
use axum::response::Response;
use futures_util::StreamExt as _;
use shared::run::RunStatus;
use stores::{
    export_turns::ExportTurns,
    keys,
    resources::Resources,
    runs::StoredRun,
    storage::{FileInfo, StorageBackend as _, StorageError, s3::S3Storage, uploads::Uploads},
};
use tokio::{runtime::Handle, sync::Mutex};
use uuid::Uuid;
use zip::{CompressionMethod, ZipWriter, result::ZipError, write::SimpleFileOptions};

/// Level of compression: the fastest, because the client waits.
const LEVEL: i64 = 1;

/// Makes, keeps and sends archives as ZIPs.
#[derive(Clone)]
pub struct ArchiveZips {
    storage: S3Storage,
    answers: FileAnswers,
    exports: Exports,
    turns: ExportTurns,
    /// One ZIP is made at a time, so that many requests for the same ZIP make it only once.
    making: Arc<Mutex<()>>,
}

/// A file of an archive, with its path in the archive.
type Archived = (String, FileInfo);

/// Why a ZIP could not be made.
#[derive(Debug, thiserror::Error)]
enum MakeError {
    /// A file could not be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The ZIP could not be written.
    #[error("the archive could not be packed: {0}")]
    Zip(#[from] ZipError),
}

impl From<MakeError> for ExportError {
    fn from(error: MakeError) -> Self {
        match error {
            MakeError::Storage(error) => Self::Read(error.into()),
            MakeError::Zip(ZipError::Io(error)) => Self::Write(error),
            error @ MakeError::Zip(_) => Self::Make(Box::new(error)),
        }
    }
}

impl ArchiveZips {
    /// Uses the bucket and the export turns of the process.
    pub fn new(resources: &Resources) -> Self {
        Self {
            storage: resources.storage.clone(),
            answers: FileAnswers::new(resources),
            exports: Exports::new(resources),
            turns: resources.export_turns.clone(),
            making: Arc::default(),
        }
    }

    /// The files of a run's archive, with their paths in it.
    ///
    /// # Errors
    /// [`StorageError::Store`] when the storage fails.
    pub async fn files(&self, run_id: Uuid) -> Result<Vec<Archived>, StorageError> {
        let folder = keys::archive(run_id);
        let entries = self.storage.list(&folder, true).await?;
        let path = |key: &str| key.strip_prefix(&folder).map(|path| path.trim_start_matches('/').to_owned());
        Ok(entries.into_iter().filter_map(|entry| Some((path(&entry.key)?, entry.file?))).collect())
    }

    /// Answers with the ZIP of a run's archive.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when the run has no archive, or none yet; [`ApiError::Busy`] when no turn becomes free in time;
    /// [`ApiError::Unavailable`] or [`ApiError::Internal`] when the ZIP cannot be made or stored.
    pub async fn answer(&self, run: &StoredRun) -> Result<Response, ApiError> {
        let name = format!("{}.zip", run.run_id);
        match run.status {
            RunStatus::Completed => {
                let key = format!("{}/{}", keys::results(run.run_id), keys::ARCHIVE_ZIP);
                if self.storage.info(&key).await?.is_none() {
                    self.keep(run, &key).await?;
                }
                stored_file(&self.answers, &key, &name).await
            }
            // The archive of a failed run is packed for each request and not kept.
            RunStatus::Failed => {
                let (files, archive) = (self.files_to_pack(run).await?, keys::archive(run.run_id));
                let (storage, runtime) = (self.storage.clone(), Handle::current());
                // The file itself checks whether the client still waits.
                let pack = move |file: &mut ExportFile<'_>| {
                    Ok(pack(file, &archive, &files, &storage, &runtime, &StillWanted::default())?)
                };
                self.exports.answer(&name, &attachment(&name), pack).await
            }
            RunStatus::Pending | RunStatus::Running => Err(ApiError::NotFound(without_archive(run.status).into())),
        }
    }

    /// Makes and stores the ZIP of a run when its turn comes, unless another request has made it in the meantime.
    async fn keep(&self, run: &StoredRun, key: &str) -> Result<(), ApiError> {
        let (turn, alone) = self.turns.take_after(Arc::clone(&self.making).lock_owned()).await?;
        if self.storage.info(key).await?.is_some() {
            return Ok(());
        }
        let (files, archive, storage) = (self.files_to_pack(run).await?, keys::archive(run.run_id), self.storage.clone());
        let key = key.to_owned();
        let made = while_wanted(move |wanted| async move {
            let made = store(storage, archive, key, files, wanted).await;
            drop((turn, alone));
            made
        });
        made.await?
    }

    async fn files_to_pack(&self, run: &StoredRun) -> Result<Vec<Archived>, ApiError> {
        let files = self.files(run.run_id).await?;
        if files.is_empty() { Err(ApiError::NotFound(without_archive(run.status).into())) } else { Ok(files) }
    }
}

/// Packs an archive and stores the ZIP under a key.
async fn store(
    storage: S3Storage,
    archive: String,
    key: String,
    files: Vec<Archived>,
    wanted: StillWanted,
) -> Result<(), ApiError> {
    let uploads = Uploads::new(storage.clone(), move |_| key.clone());
    let (mut out, runtime) = (uploads.create(keys::ARCHIVE_ZIP), Handle::current());
    let packing = tokio::task::spawn_blocking(move || {
        pack(&mut out, &archive, &files, &storage, &runtime, &wanted)?;
        // The flush marks the file as whole.
        out.flush().map_err(ExportError::Write)
    });
    let packed = packing.await.map_err(ApiError::internal)?;
    // An incomplete file does not appear in the storage.
    match (packed, uploads.complete().await) {
        (Ok(()), Ok(_)) => Ok(()),
        (Err(error @ ExportError::Read(_)), _) => Err(error.into()),
        (_, Err((_, error @ StorageError::Store(_)))) => Err(error.into()),
        (Err(error), _) => Err(error.into()),
        (Ok(()), Err((_, error))) => Err(ApiError::internal(error)),
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

/// Packs the files of an archive. The caller runs this off the async threads.
fn pack(
    out: &mut dyn Write,
    folder: &str,
    files: &[Archived],
    storage: &S3Storage,
    runtime: &Handle,
    wanted: &StillWanted,
) -> Result<(), MakeError> {
    let mut zip = ZipWriter::new_stream(out);
    for (path, info) in files {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        let options = options.compression_level(Some(LEVEL)).large_file(info.size > u64::from(u32::MAX) / 2);
        zip.start_file(path.as_str(), options)?;
        let mut body = runtime.block_on(storage.get(&format!("{folder}/{path}"), None, Some(&info.etag)))?.body;
        while let Some(bytes) = runtime.block_on(body.next()) {
            wanted.check().map_err(ZipError::Io)?;
            zip.write_all(&bytes?).map_err(ZipError::Io)?;
        }
    }
    zip.finish()?;
    Ok(())
}
