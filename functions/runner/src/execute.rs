//! One run, from its claim to its end.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use shared::{
    api::layers::chain,
    clock::Clock,
    config::{DEFAULT_DISTRIBUTE_ABOVE_BYTES, DEFAULT_PART_BYTES},
    engine::{
        self, Destination, Job, Outcome, Progress, Tuning,
        distribute::{Plan, finish},
    },
    error::{Phase, RunError},
    facts::{EXCEPTIONS_FILE, FACTS_FILE},
    manifest::{MANIFEST_FILE, Manifest, archived_output, archived_tape},
    resources::Resources,
    results::{csv::OutputFile, summary::Summary},
    rules::rule_set::RuleSet,
    run::Run,
    run_summary::RunSummary,
    storage::{
        StorageBackend as _, StorageError,
        parts::ObjectParts,
        s3::S3Storage,
        tape::{ObjectTape, ReadFailure},
        uploads::{Uploaded, Uploads},
    },
    stores::{
        StoreError, keys,
        runs::{Lease, MAX_ATTEMPTS, ObjectVersion, OutputInfo, RunRequest, RunResults, Runs},
    },
    tape::{source::TapeSource, text::RawCopy},
};
use uuid::Uuid;

/// How often a worker says that it is still there, and how far it is.
const REPORT_EVERY: Duration = Duration::from_secs(2);

/// Whoever executes runs.
#[derive(Clone)]
pub struct Worker {
    /// The runs.
    pub runs: Runs,
    /// Where tapes and results are.
    pub storage: S3Storage,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How the work is cut.
    pub tuning: Tuning,
    /// When a run is done in parts, and how large they are.
    pub distribution: Distribution,
}

/// When a run is done in parts by several workers, and how large they are. It shows in no byte of any result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distribution {
    /// From how many bytes on, all tapes together.
    pub above_bytes: u64,
    /// About how many bytes a part has.
    pub part_bytes: u64,
}

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Executed {
    /// The run is completed.
    Completed,
    /// The run has failed, and says why.
    Failed,
    /// The run has failed, because it could not be seen through.
    GivenUp,
    /// Somebody else has the run, or it had ended before.
    NotOurs,
}

/// How a run gets its results.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// By this worker alone, from the tapes.
    Whole,
    /// From parts, which were planned by this owner of the run and are all there.
    InParts {
        /// Who made the plan.
        owner: Uuid,
    },
}

/// Why an execution did not come to an end of the run's.
pub(crate) enum Stop {
    /// The run fails.
    Run(RunError),
    /// The storage did not do its part. The next try may succeed.
    Storage(StoreError),
    /// The run is somebody else's by now.
    Lost,
}

impl From<RunError> for Stop {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Storage(error)
    }
}

/// What is stored of a run is not what was stored.
pub(crate) fn damaged(error: &dyn std::error::Error) -> StoreError {
    StoreError::Damaged(error.to_string())
}

impl Stop {
    /// What it is at some try of a run. At the last one there is no next: the run says what was in its way, which is not its
    /// tape.
    pub(crate) fn at_try(self, attempt: u32, run: &Run) -> Self {
        match self {
            Self::Storage(error) if attempt >= MAX_ATTEMPTS => {
                tracing::error!(run_id = %run.run_id(), error = chain(&error), "the storage failed at the last try of a run");
                Self::Run(RunError::storage(run.interrupted_phase()))
            }
            stop => stop,
        }
    }

    /// What an error of the storage stops in a phase.
    fn storage(phase: Phase, what: &str, error: StorageError) -> Self {
        match error {
            StorageError::Store(error) => Self::Storage(error),
            error => Self::Run(RunError::output(phase, what, &io::Error::other(error))),
        }
    }
}

impl Worker {
    /// On what a process has.
    pub fn new(resources: &Resources, tuning: Tuning) -> Self {
        Self {
            runs: Runs::new(resources.table.clone()),
            storage: resources.storage.clone(),
            clock: Arc::clone(&resources.clock),
            tuning,
            distribution: Distribution { above_bytes: DEFAULT_DISTRIBUTE_ABOVE_BYTES, part_bytes: DEFAULT_PART_BYTES },
        }
    }

    /// Claims a run and takes it through all phases.
    ///
    /// # Errors
    /// A store does not answer. The run may be tried again then.
    pub async fn execute(&self, run_id: Uuid) -> Result<Executed, StoreError> {
        let (Some(stored), Some(request)) = (self.runs.get(run_id).await?, self.runs.request(run_id).await?) else {
            return Ok(Executed::NotOurs);
        };
        let now = self.clock.now();
        if !stored.is_claimable(now) {
            return Ok(Executed::NotOurs);
        }
        if stored.attempt >= MAX_ATTEMPTS {
            return self.give_up(run_id, None).await;
        }
        let (mut run, rules) = (request.run().map_err(|e| damaged(&e))?, request.rules().map_err(|e| damaged(&e))?);
        run.start(now).map_err(|error| damaged(&error))?;
        let lease = Lease::of_one(run_id, Uuid::new_v4());
        let Some(attempt) = self.runs.claim(&lease, &run, now).await? else { return Ok(Executed::NotOurs) };
        tracing::info!(%run_id, attempt, "a run begins");
        let mut stored = None;
        let worked = self.work(Way::Whole, &mut run, &request, &rules, &lease, &mut stored).await;
        let worked = worked.and_then(|()| stored.take().ok_or(Stop::Lost)).map_err(|stop| stop.at_try(attempt, &run));
        if matches!(worked, Err(Stop::Storage(_))) {
            self.runs.release(&lease).await?;
        }
        let ended = self.settle(&mut run, &lease, worked, stored).await?;
        tracing::info!(%run_id, ?ended, "a run has ended");
        Ok(ended)
    }

    /// Fails a run that cannot be seen through, unless another worker has it than `owner`.
    ///
    /// # Errors
    /// The store does not answer.
    pub(crate) async fn give_up(&self, run_id: Uuid, owner: Option<Uuid>) -> Result<Executed, StoreError> {
        if !self.runs.give_up(run_id, owner, self.clock.now()).await? {
            return Ok(Executed::NotOurs);
        }
        tracing::error!(%run_id, "a run was given up");
        self.delete_parts(run_id).await;
        Ok(Executed::GivenUp)
    }

    /// Ends a run as its work ended.
    ///
    /// # Errors
    /// A store does not answer, or did not while the work was done: the run has not ended then.
    pub(crate) async fn settle(
        &self,
        run: &mut Run,
        lease: &Lease,
        worked: Result<Results, Stop>,
        stored: Option<Results>,
    ) -> Result<Executed, StoreError> {
        Ok(match worked {
            Ok(results) => {
                run.complete(self.clock.now()).map_err(|error| damaged(&error))?;
                let results = results.stored(run)?;
                if self.runs.complete(lease, run, &results).await? { Executed::Completed } else { Executed::NotOurs }
            }
            Err(Stop::Run(error)) => {
                tracing::info!(run_id = %lease.run_id, code = ?error.code, phase = %error.phase, "a run failed");
                run.fail(error, self.clock.now()).map_err(|error| damaged(&error))?;
                // What was stored before the failure stays readable.
                let ended = match stored {
                    Some(results) => self.runs.complete(lease, run, &results.stored(run)?).await?,
                    None => self.runs.end(lease, run).await?,
                };
                if ended { Executed::Failed } else { Executed::NotOurs }
            }
            Err(Stop::Lost) => Executed::NotOurs,
            Err(Stop::Storage(error)) => return Err(error),
        })
    }

    /// All phases. `stored` is what the results are as soon as they are there, also when something fails afterwards.
    pub(crate) async fn work(
        &self,
        way: Way,
        run: &mut Run,
        request: &RunRequest,
        rules: &RuleSet,
        lease: &Lease,
        stored: &mut Option<Results>,
    ) -> Result<(), Stop> {
        let files = (!request.dry_run).then(|| Arc::new(Files::new(&self.storage, run.run_id())));
        let progress = Arc::new(Mutex::new(None));
        let failure = ReadFailure::default();
        let judging = self.judge(way, request, rules, files.clone(), &progress, &failure);
        let judged = self.reporting(lease, &progress, judging).await;
        run_progress(run, &progress);
        let outcome = match (judged, &files) {
            (Ok(outcome), _) => outcome,
            (Err(error), files) => {
                let aborted = match files.as_ref().and_then(|files| files.take()) {
                    Some(uploads) => uploads.abort().await,
                    None => None,
                };
                // The engine took a failure of the storage for one of the tape or of its outputs.
                return Err(failure.take().or(aborted).map_or(error, Stop::Storage));
            }
        };
        run.record(&outcome);
        run.finish_phase(Phase::Disposition);
        let summary = outcome.summary.finish();
        let Some(uploads) = files.and_then(|files| files.take()) else {
            run.finish_phase(Phase::Output);
            *stored = Some(Results::dry(summary));
            return Ok(());
        };
        // Nothing appears for a run that somebody else has taken over meanwhile.
        if !self.runs.report(lease, None, self.clock.now()).await? {
            uploads.abort().await;
            return Err(Stop::Lost);
        }
        // Large files take a while to store and to copy: the worker says meanwhile, too, that it is still there.
        let (uploaded, index) = self.reporting(lease, &progress, self.keep(run.run_id(), &outcome, uploads)).await?;
        run.finish_phase(Phase::Output);
        let version = |name: &str| {
            let found = uploaded.iter().find(|file| file.name == name);
            found.map(|Uploaded { size, etag, .. }| ObjectVersion { size: *size, etag: etag.clone() })
        };
        let outputs = outcome.outputs.iter().map(|(file, is)| OutputInfo {
            key: file.key().to_owned(),
            name: file.file_name().to_owned(),
            size: is.size,
            rows: outcome.summary.rows(*file),
        });
        *stored = Some(Results {
            summary,
            outputs: outputs.collect(),
            facts: version(FACTS_FILE),
            exceptions: version(EXCEPTIONS_FILE),
            index: Some(index),
        });
        self.reporting(lease, &progress, self.archive(run, request, rules, &outcome)).await?;
        run.finish_phase(Phase::Archive);
        Ok(())
    }

    /// The phases from ingest to output, on threads of their own.
    async fn judge(
        &self,
        way: Way,
        request: &RunRequest,
        rules: &RuleSet,
        files: Option<Arc<Files>>,
        progress: &Arc<Mutex<Option<Progress>>>,
        failure: &ReadFailure,
    ) -> Result<Outcome, Stop> {
        let progress = Arc::clone(progress);
        let parts = match way {
            Way::Whole => None,
            Way::InParts { owner } => Some(self.parts(request.run_id, owner, failure)),
        };
        let note = move |now| *progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        let judged = self.with_engine(request, rules, files, note, failure, move |job| match parts {
            None => engine::run(job),
            Some(parts) => Plan::load(&parts).and_then(|plan| finish(job, &plan, &parts)),
        });
        Ok(judged.await??)
    }

    /// What the steps of a run in parts hand on to each other.
    pub(crate) fn parts(&self, run_id: Uuid, owner: Uuid, failure: &ReadFailure) -> ObjectParts {
        ObjectParts::new(self.storage.clone(), keys::parts(run_id, owner), failure.clone())
    }

    /// Does something with the engine and the tapes of a run, on threads of their own.
    pub(crate) async fn with_engine<R: Send + 'static>(
        &self,
        request: &RunRequest,
        rules: &RuleSet,
        files: Option<Arc<Files>>,
        progress: impl Fn(Progress) + Send + Sync + 'static,
        failure: &ReadFailure,
        work: impl FnOnce(&Job<'_>) -> R + Send + 'static,
    ) -> Result<R, Stop> {
        let tape = |tape| Box::new(ObjectTape::new(self.storage.clone(), tape, failure.clone())) as Box<dyn TapeSource>;
        let tapes: Vec<Box<dyn TapeSource>> = request.tapes.iter().cloned().map(tape).collect();
        let irr_target = request.target().map_err(|error| StoreError::Damaged(error.to_string()))?;
        let (rules, tuning) = (rules.clone(), self.tuning);
        let worked = tokio::task::spawn_blocking(move || {
            let destination = files.as_deref().map(|files| files as &dyn Destination);
            work(&Job { tapes: &tapes, rules: &rules, irr_target, destination, progress: &progress, tuning })
        });
        let stopped = |error| RunError::internal(Phase::Ingest, format!("The engine stopped: {error}"));
        Ok(worked.await.map_err(stopped)?)
    }

    /// Does something, and says meanwhile that the worker is still there.
    async fn reporting<T>(
        &self,
        lease: &Lease,
        progress: &Mutex<Option<Progress>>,
        work: impl Future<Output = Result<T, Stop>>,
    ) -> Result<T, Stop> {
        let mut work = std::pin::pin!(work);
        let mut ticks = tokio::time::interval(REPORT_EVERY);
        ticks.tick().await;
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = ticks.tick() => {
                    let now = *progress.lock().unwrap_or_else(PoisonError::into_inner);
                    // A report that does not get through is made up for by the next; the lease lasts for many.
                    if let Err(error) = self.runs.report(lease, now, self.clock.now()).await {
                        tracing::warn!(run_id = %lease.run_id, %error, "progress could not be reported");
                    }
                }
            }
        }
    }

    /// Makes the files appear, and notes where the pages of facts and exceptions are.
    async fn keep(&self, run_id: Uuid, outcome: &Outcome, uploads: Uploads) -> Result<(Vec<Uploaded>, ObjectVersion), Stop> {
        let uploaded = uploads.complete().await.map_err(|(name, error)| Stop::storage(Phase::Output, &name, error))?;
        Ok((uploaded, self.keep_index(run_id, outcome).await?))
    }

    /// Copies what went in and what came out into the archive, with the manifest.
    async fn archive(&self, run: &Run, request: &RunRequest, rules: &RuleSet, outcome: &Outcome) -> Result<(), Stop> {
        let folder = keys::archive(run.run_id());
        for tape in &request.tapes {
            let path = archived_tape(&tape.source_file)
                .map_err(|error| RunError::internal(Phase::Archive, format!("{}: {error}", tape.source_file)))?;
            let copied = self.storage.copy(&tape.key, &format!("{folder}/{path}"), Some(&tape.etag)).await;
            copied.map_err(|error| Stop::storage(Phase::Archive, &tape.source_file, error))?;
        }
        let outputs = keys::outputs(run.run_id());
        for (file, _) in &outcome.outputs {
            let (from, to) = (format!("{outputs}/{}", file.file_name()), format!("{folder}/{}", archived_output(*file)));
            let copied = self.storage.copy(&from, &to, None).await;
            copied.map_err(|error| Stop::storage(Phase::Archive, file.file_name(), error))?;
        }
        let manifest = Manifest::new(run, rules, outcome)?.to_json()?;
        let put = self.storage.put_bytes(&format!("{folder}/{MANIFEST_FILE}"), manifest.into(), "application/json").await;
        put.map_err(|error| Stop::storage(Phase::Archive, MANIFEST_FILE, error)).map(drop)
    }

    /// Stores where the pages of facts and exceptions are.
    async fn keep_index(&self, run_id: Uuid, outcome: &Outcome) -> Result<ObjectVersion, Stop> {
        let json = serde_json::to_vec(&outcome.index)
            .map_err(|error| RunError::internal(Phase::Output, format!("The index could not be put together: {error}")))?;
        let key = format!("{}/{}", keys::results(run_id), keys::INDEX_FILE);
        let put = self.storage.put_bytes(&key, Bytes::from(json), "application/json").await;
        let info = put.map_err(|error| Stop::storage(Phase::Output, keys::INDEX_FILE, error))?;
        Ok(ObjectVersion { size: info.size, etag: info.etag })
    }
}

fn run_progress(run: &mut Run, progress: &Mutex<Option<Progress>>) {
    if let Some(progress) = *progress.lock().unwrap_or_else(PoisonError::into_inner) {
        run.report(progress);
    }
}

/// What a completed run has.
pub(crate) struct Results {
    summary: Summary,
    outputs: Vec<OutputInfo>,
    facts: Option<ObjectVersion>,
    exceptions: Option<ObjectVersion>,
    index: Option<ObjectVersion>,
}

impl Results {
    /// Of a run of which nothing but the summary is kept.
    fn dry(summary: Summary) -> Self {
        Self { summary, outputs: Vec::new(), facts: None, exceptions: None, index: None }
    }

    fn stored(self, run: &Run) -> Result<RunResults, StoreError> {
        let object = RunSummary { run_id: run.run_id(), status: run.status(), summary: &self.summary };
        let json = serde_json::to_string(&object).and_then(RawValue::from_string);
        let summary = json.map_err(|error| StoreError::Damaged(error.to_string()))?;
        let Self { outputs, facts, exceptions, index, .. } = self;
        Ok(RunResults { summary, outputs, facts, exceptions, index })
    }
}

/// The files that the engine writes.
pub(crate) struct Files(Mutex<Option<Uploads>>);

impl Files {
    pub(crate) fn new(storage: &S3Storage, run_id: Uuid) -> Self {
        let (outputs, results) = (keys::outputs(run_id), keys::results(run_id));
        let key_of = move |name: &str| {
            let folder = if OutputFile::ALL.iter().any(|file| file.file_name() == name) { &outputs } else { &results };
            format!("{folder}/{name}")
        };
        Self(Mutex::new(Some(Uploads::new(storage.clone(), key_of))))
    }

    fn take(&self) -> Option<Uploads> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Destination for Files {
    fn create(&self, file_name: &str) -> io::Result<Box<dyn Write + Send>> {
        let uploads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        uploads.as_ref().map(|uploads| uploads.create(file_name)).ok_or(io::ErrorKind::BrokenPipe.into())
    }

    fn archive_tape(&self, _: &str) -> io::Result<Option<RawCopy>> {
        // The storage copies tapes by itself.
        Ok(None)
    }
}
