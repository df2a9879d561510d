//! One run, from its claim to its end.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use shared::{
    clock::Clock,
    engine::{
        self, Destination, Job, Outcome, Progress, Tuning,
        distribute::{Plan, finish},
    },
    error::{Phase, RunError, RunErrorCode, chain},
    facts::{EXCEPTIONS_FILE, FACTS_FILE, SCHEMA, index::StoredIndex},
    folder::PROFILE,
    manifest::{MANIFEST_FILE, Manifest, archived_output, place_of_tape},
    phases::pricing::IrrTarget,
    results::csv::OutputFile,
    rules::rule_set::RuleSet,
    run::{Run, RunDetails},
    tape::{options::TapeOptions, request::ReadingRequest, source::TapeSource, text::RawCopy},
};
use stores::{
    StoreError,
    config::{DEFAULT_DISTRIBUTE_ABOVE_BYTES, DEFAULT_PART_BYTES},
    keys,
    resources::Resources,
    runs::{Lease, MAX_ATTEMPTS, ObjectVersion, OutputInfo, RunRequest, Runs, StoredRun, TapeRef},
    storage::{
        StorageBackend as _, StorageError,
        parts::ObjectParts,
        s3::S3Storage,
        tape::{ObjectTape, ReadFailure},
        uploads::{Uploaded, Uploads},
    },
};
use uuid::Uuid;

use crate::ending::Results;

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

/// What a worker finds when it looks at a run.
pub(crate) enum Looked {
    /// It waits.
    Waits(Box<Waiting>),
    /// There is nothing to do.
    Ended(Executed),
}

/// A run that a worker may go on with, as it is stored and as it was created.
pub(crate) struct Waiting {
    pub(crate) stored: StoredRun,
    pub(crate) request: RunRequest,
    pub(crate) run: Run,
    pub(crate) rules: RuleSet,
}

/// What a run is to do, with all that it takes.
pub(crate) struct Assignment {
    pub(crate) run_id: Uuid,
    pub(crate) tapes: Vec<TapeRef>,
    pub(crate) irr_target: IrrTarget,
    pub(crate) rules: RuleSet,
    pub(crate) reading: ReadingRequest,
    pub(crate) options: TapeOptions,
    pub(crate) dry_run: bool,
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
    /// What it is at some try of a run. What would end the next try, too, fails the run at once; and at the last try there is no
    /// next. The run says what was in its way, which is not its tape.
    pub(crate) fn at_try(self, attempt: u32, run: &Run) -> Self {
        match self {
            Self::Storage(error @ StoreError::TooLarge(_)) => {
                tracing::error!(run_id = %run.run_id(), error = chain(&error), "the record of a run is too large");
                Self::Run(RunError::record_too_large(run.interrupted_phase()))
            }
            Self::Storage(error @ StoreError::Damaged(_)) => {
                tracing::error!(run_id = %run.run_id(), error = chain(&error), "the record of a run cannot be read");
                Self::Run(RunError::record_unreadable(run.interrupted_phase()))
            }
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
            runs: resources.runs(),
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
        let began = self.clock.now();
        let Waiting { stored, request, mut run, rules } = match Box::pin(self.look(run_id, began)).await? {
            Looked::Waits(waiting) => *waiting,
            Looked::Ended(ended) => return Ok(ended),
        };
        if stored.attempt >= MAX_ATTEMPTS {
            return self.give_up(run_id, None).await;
        }
        run.start(began).map_err(|error| damaged(&error))?;
        let lease = Lease::of_one(run_id, Uuid::new_v4());
        let Some(attempt) = self.runs.claim(&lease, &run, began).await? else { return Ok(Executed::NotOurs) };
        tracing::info!(%run_id, attempt, "a run begins");
        let mut stored = None;
        let worked = match self.assign(request, rules).await {
            Ok(assignment) => Box::pin(self.work(Way::Whole, &mut run, &assignment, &lease, &mut stored)).await,
            Err(stop) => Err(stop),
        };
        let worked = worked.and_then(|()| stored.take().ok_or(Stop::Lost)).map_err(|stop| stop.at_try(attempt, &run));
        if matches!(worked, Err(Stop::Storage(_)))
            && let Err(error) = self.runs.release(&lease).await
        {
            // What stopped the run is the error that counts. The lease ends by itself.
            tracing::warn!(%run_id, error = chain(&error), "the lease of a stopped run could not be released");
        }
        let ended = self.settle(&mut run, &lease, worked, stored).await?;
        tracing::info!(%run_id, ?ended, "a run has ended");
        Ok(ended)
    }

    /// Looks at a run that is to be worked on. One whose record cannot be read is failed: it would not be any better the next
    /// time.
    ///
    /// # Errors
    /// The store does not answer.
    pub(crate) async fn look(&self, run_id: Uuid, now: Timestamp) -> Result<Looked, StoreError> {
        match self.read(run_id).await {
            Ok(Some(waiting)) if waiting.stored.is_claimable(now) => Ok(Looked::Waits(Box::new(waiting))),
            Ok(_) => Ok(Looked::Ended(Executed::NotOurs)),
            Err(error @ StoreError::Damaged(_)) => Ok(Looked::Ended(self.fail_unreadable(run_id, None, &error).await?)),
            Err(error) => Err(error),
        }
    }

    /// A run with what it is to do.
    pub(crate) async fn read(&self, run_id: Uuid) -> Result<Option<Waiting>, StoreError> {
        let Some(stored) = self.runs.get(run_id).await? else { return Ok(None) };
        let absent = || StoreError::Damaged("it is not said what the run is to do".to_owned());
        let request = self.runs.request(run_id).await?.ok_or_else(absent)?;
        let (run, rules) = (request.run().map_err(|e| damaged(&e))?, request.rules().map_err(|e| damaged(&e))?);
        Ok(Some(Waiting { stored, request, run, rules }))
    }

    /// What a run is to do, with its tapes.
    pub(crate) async fn assign(&self, request: RunRequest, rules: RuleSet) -> Result<Assignment, Stop> {
        let irr_target = request.target().map_err(|error| damaged(&error))?;
        let tapes = self.runs.tapes(&request).await?;
        // Of a tape that came in, only the run says that the profile of its folder has mistakes.
        let (options, _) = request.reading.options().map_err(|error| {
            let message = format!("{error}. Mend the file {PROFILE} in the tape's folder, then send the tape again.");
            RunError::new(Phase::Ingest, RunErrorCode::ProfileInvalid, message)
        })?;
        let RunRequest { run_id, reading, left_out, dry_run, .. } = request;
        let options = TapeOptions { left_out, ..options };
        Ok(Assignment { run_id, tapes, irr_target, rules, reading, options, dry_run })
    }

    /// All phases. `stored` is what the results are as soon as they are there, also when something fails afterwards.
    pub(crate) async fn work(
        &self,
        way: Way,
        run: &mut Run,
        assignment: &Assignment,
        lease: &Lease,
        stored: &mut Option<Results>,
    ) -> Result<(), Stop> {
        let files = (!assignment.dry_run).then(|| Arc::new(Files::new(&self.storage, run.run_id())));
        let progress = Arc::new(Mutex::new(None));
        let failure = ReadFailure::default();
        let judging = self.judge(way, assignment, files.clone(), &progress, &failure);
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
            let keeping = Box::pin(self.keep_mapping(run.run_id(), &outcome));
            let column_mapping = self.reporting(lease, &progress, keeping).await?;
            *stored = Some(Results::dry(summary, column_mapping));
            return Ok(());
        };
        // Nothing appears for a run that somebody else has taken over meanwhile.
        if !self.runs.report(lease, None, self.clock.now()).await? {
            uploads.abort().await;
            return Err(Stop::Lost);
        }
        // Large files take a while to store and to copy: the worker says meanwhile, too, that it is still there.
        let kept = self.reporting(lease, &progress, Box::pin(self.keep(run.run_id(), &outcome, uploads))).await?;
        run.finish_phase(Phase::Output);
        let version = |name: &str| {
            let found = kept.uploaded.iter().find(|file| file.name == name);
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
            index: Some(kept.index),
            column_mapping: kept.column_mapping,
        });
        self.reporting(lease, &progress, Box::pin(self.archive(run, assignment, &outcome))).await?;
        run.finish_phase(Phase::Archive);
        Ok(())
    }

    /// The phases from ingest to output, on threads of their own.
    async fn judge(
        &self,
        way: Way,
        assignment: &Assignment,
        files: Option<Arc<Files>>,
        progress: &Arc<Mutex<Option<Progress>>>,
        failure: &ReadFailure,
    ) -> Result<Outcome, Stop> {
        let progress = Arc::clone(progress);
        let parts = match way {
            Way::Whole => None,
            Way::InParts { owner } => Some(self.parts(assignment.run_id, owner, failure)),
        };
        let note = move |now| *progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        let judged = self.with_engine(assignment, files, note, failure, move |job| match parts {
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
        assignment: &Assignment,
        files: Option<Arc<Files>>,
        progress: impl Fn(Progress) + Send + Sync + 'static,
        failure: &ReadFailure,
        work: impl FnOnce(&Job<'_>) -> R + Send + 'static,
    ) -> Result<R, Stop> {
        let tape = |tape| Box::new(ObjectTape::new(self.storage.clone(), tape, failure.clone())) as Box<dyn TapeSource>;
        let tapes: Vec<Box<dyn TapeSource>> = assignment.tapes.iter().cloned().map(tape).collect();
        let (rules, irr_target, tuning) = (assignment.rules.clone(), assignment.irr_target, self.tuning);
        let options = assignment.options.clone();
        let worked = tokio::task::spawn_blocking(move || {
            let destination = files.as_deref().map(|files| files as &dyn Destination);
            work(&Job { tapes: &tapes, options: &options, rules: &rules, irr_target, destination, progress: &progress, tuning })
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

    /// Makes the files appear, and notes where the pages of facts and exceptions are, and how the tapes were read.
    async fn keep(&self, run_id: Uuid, outcome: &Outcome, uploads: Uploads) -> Result<Kept, Stop> {
        let uploaded = uploads.complete().await.map_err(|(name, error)| Stop::storage(Phase::Output, &name, error))?;
        let index = StoredIndex { schema: SCHEMA, index: outcome.index.clone() };
        let index = self.keep_json(run_id, keys::INDEX_FILE, &index).await?;
        Ok(Kept { uploaded, index, column_mapping: self.keep_mapping(run_id, outcome).await? })
    }

    /// Copies what went in and what came out into the archive, with the manifest.
    async fn archive(&self, run: &Run, assignment: &Assignment, outcome: &Outcome) -> Result<(), Stop> {
        let folder = keys::archive(run.run_id());
        for tape in &assignment.tapes {
            let place = format!("{folder}/{}", place_of_tape(&tape.source_file));
            let copied = self.storage.copy(&tape.key, &place, Some(&tape.etag)).await;
            copied.map_err(|error| Stop::storage(Phase::Archive, &tape.source_file, error))?;
        }
        let outputs = keys::outputs(run.run_id());
        for (file, _) in &outcome.outputs {
            let (from, to) = (format!("{outputs}/{}", file.file_name()), format!("{folder}/{}", archived_output(*file)));
            let copied = self.storage.copy(&from, &to, None).await;
            copied.map_err(|error| Stop::storage(Phase::Archive, file.file_name(), error))?;
        }
        let manifest =
            Manifest { reading: assignment.reading.clone(), ..Manifest::new(run, &assignment.rules, outcome)? }.to_json()?;
        let put = self.storage.put_bytes(&format!("{folder}/{MANIFEST_FILE}"), manifest.into(), "application/json").await;
        put.map_err(|error| Stop::storage(Phase::Archive, MANIFEST_FILE, error)).map(drop)
    }

    /// Stores how the tapes were read.
    async fn keep_mapping(&self, run_id: Uuid, outcome: &Outcome) -> Result<ObjectVersion, Stop> {
        self.keep_json(run_id, keys::COLUMN_MAPPING_FILE, &RunDetails::of(outcome)).await
    }

    /// Stores something among the results of a run.
    async fn keep_json(&self, run_id: Uuid, name: &str, value: &impl Serialize) -> Result<ObjectVersion, Stop> {
        let json = serde_json::to_vec(value)
            .map_err(|error| RunError::internal(Phase::Output, format!("{name} could not be put together: {error}")))?;
        let key = format!("{}/{name}", keys::results(run_id));
        let put = self.storage.put_bytes(&key, Bytes::from(json), "application/json").await;
        let info = put.map_err(|error| Stop::storage(Phase::Output, name, error))?;
        Ok(ObjectVersion { size: info.size, etag: info.etag })
    }
}

/// What was stored of a run besides its archive.
struct Kept {
    uploaded: Vec<Uploaded>,
    index: ObjectVersion,
    column_mapping: ObjectVersion,
}

fn run_progress(run: &mut Run, progress: &Mutex<Option<Progress>>) {
    if let Some(progress) = *progress.lock().unwrap_or_else(PoisonError::into_inner) {
        run.report(progress);
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
