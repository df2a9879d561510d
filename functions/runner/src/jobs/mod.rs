//! Makes the files of jobs: what takes longer than an answer may take.

mod archive_zip;
mod comparison;
mod seller_return;

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use shared::error::chain;
use stores::{
    StoreError,
    jobs::{JobClaim, JobFailure, JobFile, JobLease, JobRequest},
    keys,
    runs::{MAX_ATTEMPTS, Runs},
    storage::{StorageError, s3::S3Storage, uploads::Uploads},
};
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::execute::{Executed, REPORT_EVERY, Worker};

/// Writes the file of a job, outside the async threads.
fn write_file(request: &JobRequest, out: &mut dyn Write, sources: &Sources) -> Result<(), MakeError> {
    match request {
        JobRequest::ArchiveZip { run_id } => archive_zip::write(out, *run_id, sources),
        JobRequest::SellerReturn { run_id } => seller_return::write(out, *run_id, sources),
        JobRequest::Compare(request) => comparison::write(out, request, sources),
    }
}

/// What the file of a job is made from.
pub(crate) struct Sources {
    pub(crate) runs: Runs,
    pub(crate) storage: S3Storage,
    pub(crate) runtime: Handle,
    /// How many threads work.
    pub(crate) threads: usize,
}

impl Sources {
    /// Waits for a request to a store.
    pub(crate) fn wait<F: Future>(&self, request: F) -> F::Output {
        self.runtime.block_on(request)
    }
}

/// Why the file of a job could not be made.
#[derive(Debug)]
pub(crate) enum MakeError {
    /// The job fails, for a reason that concerns the client.
    Failed(JobFailure),
    /// A store failed. The next attempt may succeed.
    Store(StoreError),
    /// The file could not be written, or another worker has the job by now.
    Write(io::Error),
    /// A fault of the product.
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

impl MakeError {
    /// Something that the file is made from no longer exists.
    pub(crate) fn gone() -> Self {
        Self::Failed(JobFailure::Gone)
    }
}

impl From<StoreError> for MakeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<StorageError> for MakeError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Store(error) => Self::Store(error),
            StorageError::NotFound => Self::gone(),
            error => Self::Internal(Box::new(error)),
        }
    }
}

impl From<io::Error> for MakeError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// Whether the worker still has its job.
#[derive(Clone, Default)]
struct Lost(Arc<AtomicBool>);

/// The file of a job while it is written. Writing fails when the worker has lost the job.
struct JobOutput {
    upload: Box<dyn Write + Send>,
    lost: Lost,
}

impl Write for JobOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.lost.0.load(Ordering::Relaxed) { Err(io::ErrorKind::BrokenPipe.into()) } else { self.upload.write(bytes) }
    }

    /// Does nothing: only the end of the whole file is a flush of the upload.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Worker {
    /// Claims a job and makes its file, in the turn of an export.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB or S3 does not answer. The caller may then call the worker again.
    pub async fn make(&self, job_id: Uuid) -> Result<Executed, StoreError> {
        let _turn = self.turns.take_when_free().await;
        let lease = JobLease { job_id, owner: Uuid::new_v4() };
        let (request, attempt) = match self.jobs.claim(lease, self.clock.now()).await? {
            JobClaim::Ours(request, attempt) => (request, attempt),
            JobClaim::GivenUp => {
                note_failure(job_id, "its workers were lost");
                return Ok(Executed::GivenUp);
            }
            JobClaim::NotOurs => return Ok(Executed::NotOurs),
        };
        tracing::info!(%job_id, attempt, ?request, "a job has started");
        let lost = Lost::default();
        let made = Box::pin(self.reporting_job(lease, &lost, self.make_file(&request, lease, lost.clone()))).await;
        let ended = Box::pin(self.end_job(lease, attempt, made)).await?;
        tracing::info!(%job_id, ?ended, "a job has ended");
        Ok(ended)
    }

    /// Makes the file. `None` when another worker has the job by now.
    async fn make_file(&self, request: &JobRequest, lease: JobLease, lost: Lost) -> Result<Option<JobFile>, MakeError> {
        let (name, key) = (request.file_name(), keys::answer(lease.owner, &request.file_name()));
        let uploads = Uploads::new(self.storage.clone(), move |_| key.clone());
        let mut out = JobOutput { upload: uploads.create(&name), lost: lost.clone() };
        let (runs, storage) = (self.runs.clone(), self.storage.clone());
        let sources = Sources { runs, storage, runtime: Handle::current(), threads: self.tuning.threads };
        let request = request.clone();
        let writing = tokio::task::spawn_blocking(move || {
            write_file(&request, &mut out, &sources)?;
            out.upload.flush().map_err(MakeError::from)
        });
        let mut written = writing.await.unwrap_or_else(|error| Err(MakeError::Internal(Box::new(error))));
        // The file must not appear when another worker has the job by now.
        let mut ours = !lost.0.load(Ordering::Relaxed);
        if ours && written.is_ok() {
            match self.jobs.report(lease, self.clock.now()).await {
                Ok(still) => ours = still,
                Err(error) => written = Err(error.into()),
            }
        }
        match written {
            Ok(()) if ours => {
                let uploaded = uploads.complete().await.map_err(|(_, error)| error)?;
                Ok(uploaded.into_iter().next().map(|file| JobFile { key: file.key, size: file.size, etag: file.etag }))
            }
            written => {
                // When the storage failed, it is the cause, and the failed writing is a consequence.
                let failed = uploads.abort().await;
                if !ours {
                    return Ok(None);
                }
                written.map_err(|error| failed.map_or(error, MakeError::Store)).map(|()| None)
            }
        }
    }

    /// Does the work of a job, and reports in the meantime that the worker is alive.
    async fn reporting_job<T>(&self, lease: JobLease, lost: &Lost, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let mut ticks = tokio::time::interval(REPORT_EVERY);
        ticks.tick().await;
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = ticks.tick() => match self.jobs.report(lease, self.clock.now()).await {
                    Ok(true) => {}
                    Ok(false) => lost.0.store(true, Ordering::Relaxed),
                    // The next report makes up for a failed one: the lease lasts for many reports.
                    Err(error) => tracing::warn!(job_id = %lease.job_id, %error, "a job could not be reported"),
                }
            }
        }
    }

    /// Ends a job according to the result of its work.
    async fn end_job(
        &self,
        lease: JobLease,
        attempt: u32,
        made: Result<Option<JobFile>, MakeError>,
    ) -> Result<Executed, StoreError> {
        let error = match made {
            Ok(Some(file)) => {
                let ours = self.jobs.complete(lease, &file, self.clock.now()).await?;
                return Ok(if ours { Executed::Completed } else { Executed::NotOurs });
            }
            Ok(None) => return Ok(Executed::NotOurs),
            Err(error) => error,
        };
        let (failure, why) = match error {
            MakeError::Store(error @ (StoreError::Unavailable(_) | StoreError::Refused(_))) if attempt < MAX_ATTEMPTS => {
                if let Err(error) = self.jobs.release(lease).await {
                    // Return the error that stopped the job. The lease expires by itself.
                    tracing::warn!(job_id = %lease.job_id, error = chain(&error), "the lease of a job could not be released");
                }
                return Err(error);
            }
            MakeError::Store(error @ StoreError::Unavailable(_)) => (JobFailure::Unavailable, chain(&error)),
            MakeError::Store(error) => (JobFailure::Internal, chain(&error)),
            MakeError::Write(error) => (failure_of_disk(&error), chain(&error)),
            MakeError::Internal(error) => (JobFailure::Internal, chain(&*error)),
            MakeError::Failed(failure) => {
                tracing::info!(job_id = %lease.job_id, ?failure, "a job cannot be done");
                let ours = self.jobs.fail(lease, &failure, self.clock.now()).await?;
                return Ok(if ours { Executed::Failed } else { Executed::NotOurs });
            }
        };
        if !self.jobs.fail(lease, &failure, self.clock.now()).await? {
            return Ok(Executed::NotOurs);
        }
        note_failure(lease.job_id, &why);
        Ok(Executed::Failed)
    }
}

/// The failure of a job whose file could not be written.
fn failure_of_disk(error: &io::Error) -> JobFailure {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => JobFailure::Unavailable,
        _ => JobFailure::Internal,
    }
}

/// Logs that a job failed through a fault of the product or of a store.
fn note_failure(job_id: Uuid, why: &str) {
    tracing::error!(%job_id, error = why, "a job failed");
}
