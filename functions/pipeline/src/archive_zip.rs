//! The archive of a run as one ZIP. The first request makes it, in the turn of an export, and it is kept with the run's results:
//! its content never changes, and it may be far larger than an answer. A job makes the ZIP of a large archive.

use std::{io::Write, sync::Arc};

use api::{
    exports::{ExportError, ExportFile, Exports, StillWanted, while_wanted},
    file_answer::{FileAnswers, attachment, stored_file},
    jobs::JobAnswers,
    prefer::PreferredWait,
    problem::ApiError,
};
use axum::response::Response;
use shared::run::RunStatus;
use stores::{
    archive::{ArchiveFiles, PackError},
    export_turns::ExportTurns,
    jobs::JobRequest,
    keys,
    resources::Resources,
    runs::StoredRun,
    storage::{StorageBackend as _, StorageError, s3::S3Storage, uploads::Uploads},
};
use tokio::{runtime::Handle, sync::Mutex};
use zip::result::ZipError;

/// Makes, keeps and sends archives as ZIPs.
#[derive(Clone)]
pub struct ArchiveZips {
    storage: S3Storage,
    answers: FileAnswers,
    exports: Exports,
    jobs: JobAnswers,
    turns: ExportTurns,
    by_job_above_bytes: u64,
    /// One ZIP is made at a time, so that many requests for the same ZIP make it only once.
    making: Arc<Mutex<()>>,
}

/// The error of an export for an error of its ZIP.
fn of_pack(error: PackError) -> ExportError {
    match error {
        PackError::Storage(error) => ExportError::Read(error.into()),
        PackError::Zip(ZipError::Io(error)) => ExportError::Write(error),
        error @ PackError::Zip(_) => ExportError::Make(Box::new(error)),
    }
}

impl ArchiveZips {
    /// Uses the bucket and the export turns of the process.
    pub fn new(resources: &Resources) -> Self {
        Self {
            storage: resources.storage.clone(),
            answers: FileAnswers::new(resources),
            exports: Exports::new(resources),
            jobs: JobAnswers::new(resources),
            turns: resources.export_turns.clone(),
            by_job_above_bytes: resources.zip_by_job_above_bytes,
            making: Arc::default(),
        }
    }

    /// Answers with the ZIP of a run's archive.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when the run has no archive, or none yet; [`ApiError::Busy`] when no turn becomes free in time;
    /// [`ApiError::Unavailable`] or [`ApiError::Internal`] when the ZIP cannot be made or stored.
    pub async fn answer(&self, run: &StoredRun, wait: PreferredWait) -> Result<Response, ApiError> {
        let (run_id, name) = (run.run_id, format!("{}.zip", run.run_id));
        if !run.status.is_final() {
            return Err(ApiError::NotFound(without_archive(run.status).into()));
        }
        let key = format!("{}/{}", keys::results(run_id), keys::ARCHIVE_ZIP);
        if run.status == RunStatus::Completed && self.storage.info(&key).await?.is_some() {
            return stored_file(&self.answers, &key, &name).await;
        }
        let files = self.files_to_pack(run).await?;
        if files.bytes() > self.by_job_above_bytes {
            return self.jobs.answer(&JobRequest::ArchiveZip { run_id }, wait).await;
        }
        if run.status == RunStatus::Completed {
            self.keep(&key, files).await?;
            return stored_file(&self.answers, &key, &name).await;
        }
        // The archive of a failed run is packed for each request and not kept.
        let (storage, runtime) = (self.storage.clone(), Handle::current());
        // The file itself checks whether the client still waits.
        let pack = move |file: &mut ExportFile<'_>| files.pack(file, &storage, &runtime, || Ok(())).map_err(of_pack);
        self.exports.answer(&name, &attachment(&name), pack).await
    }

    /// Makes and stores the ZIP of a run when its turn comes, unless another request has made it in the meantime.
    async fn keep(&self, key: &str, files: ArchiveFiles) -> Result<(), ApiError> {
        let (turn, alone) = self.turns.take_after(Arc::clone(&self.making).lock_owned()).await?;
        if self.storage.info(key).await?.is_some() {
            return Ok(());
        }
        let (storage, key) = (self.storage.clone(), key.to_owned());
        let made = while_wanted(move |wanted| async move {
            let made = store(storage, key, files, wanted).await;
            drop((turn, alone));
            made
        });
        made.await?
    }

    async fn files_to_pack(&self, run: &StoredRun) -> Result<ArchiveFiles, ApiError> {
        let files = ArchiveFiles::find(&self.storage, run.run_id).await?;
        if files.is_empty() { Err(ApiError::NotFound(without_archive(run.status).into())) } else { Ok(files) }
    }
}

/// Packs an archive and stores the ZIP under a key.
async fn store(storage: S3Storage, key: String, files: ArchiveFiles, wanted: StillWanted) -> Result<(), ApiError> {
    let uploads = Uploads::new(storage.clone(), move |_| key.clone());
    let (mut out, runtime) = (uploads.create(keys::ARCHIVE_ZIP), Handle::current());
    let packing = tokio::task::spawn_blocking(move || {
        files.pack(&mut out, &storage, &runtime, || wanted.check()).map_err(of_pack)?;
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
