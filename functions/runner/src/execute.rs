//! Executes one run, from its claim to its end.

use std::{
    io,
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
    manifest::{MANIFEST_FILE, archived_output, files_of, place_of_tape},
    phases::pricing::IrrTarget,
    rules::rule_set::RuleSet,
    run::{Run, RunDetails},
    run_summary::RunFindings,
    tape::{options::TapeOptions, request::ReadingRequest, source::TapeSource},
    waivers::Waivers,
};
use stores::{
    StoreError,
    config::{DEFAULT_DISTRIBUTE_ABOVE_BYTES, DEFAULT_PART_BYTES},
    export_turns::ExportTurns,
    jobs::Jobs,
    keys,
    resources::Resources,
    runs::{KeptHistory, Lease, MAX_ATTEMPTS, ObjectVersion, OutputInfo, RunRequest, Runs, StoredRun, TapeRef},
    storage::{
        StorageBackend as _, StorageError,
        parts::ObjectParts,
        s3::S3Storage,
        tape::{ObjectTape, ReadFailure},
        uploads::{Uploaded, Uploads},
    },
};
use uuid::Uuid;

use crate::{ending::Results, files::Files};

/// Interval at which a worker reports that it is alive, and its progress.
pub(crate) const REPORT_EVERY: Duration = Duration::from_secs(2);

/// Executes runs, and makes the files of jobs.
#[derive(Clone)]
pub struct Worker {
    pub runs: Runs,
    pub jobs: Jobs,
    /// The turns that jobs share with exports.
    pub turns: ExportTurns,
    /// Storage of tapes and results.
    pub storage: S3Storage,
    pub clock: Arc<dyn Clock>,
    /// How the engine divides the work.
    pub tuning: Tuning,
    pub distribution: Distribution,
}

/// When several workers process a run in parts, and how large the parts are. The results are the same, byte for byte, with any
/// values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distribution {
    /// Number of bytes of all tapes together from which on a run is done in parts.
    pub above_bytes: u64,
    /// Approximate number of bytes of a part.
    pub part_bytes: u64,
}

/// Result of an execution, or of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Executed {
    /// The run is completed, or the file of the job is made.
    Completed,
    /// The run or the job has failed and has an error.
    Failed,
    /// The run or the job has failed, because no worker could finish it.
    GivenUp,
    /// Another worker has the run or the job, or it had ended before.
    NotOurs,
}

/// What a worker finds when it looks at a run.
pub(crate) enum Looked {
    /// The run waits for a worker.
    Waits(Box<Waiting>),
    /// The worker has nothing to do.
    Ended(Executed),
}

/// A run that a worker may continue, as stored and as created.
pub(crate) struct Waiting {
    pub(crate) stored: StoredRun,
    pub(crate) request: RunRequest,
    pub(crate) run: Run,
}

/// A run's work, with everything that the engine needs.
pub(crate) struct Assignment {
    pub(crate) run_id: Uuid,
    pub(crate) tapes: Vec<TapeRef>,
    pub(crate) irr_target: IrrTarget,
    pub(crate) pdate: jiff::civil::Date,
    pub(crate) rules: Arc<RuleSet>,
    pub(crate) waivers: Option<Arc<Waivers>>,
    pub(crate) reading: ReadingRequest,
    pub(crate) options: TapeOptions,
    pub(crate) dry_run: bool,
    pub(crate) check_history: bool,
}

/// How the results of a run are made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    /// This worker makes them alone, from the tapes.
    Whole,
    /// This worker makes them from parts, all of which are processed.
    InParts {
        /// Lease owner that made the plan.
        owner: Uuid,
    },
}

/// Why an execution stopped before the run was completed.
pub(crate) enum Abort {
    /// The run fails.
    Run(RunError),
    /// A store failed. The next attempt may succeed.
    Storage(StoreError),
    /// Another worker has the run by now.
    Lost,
}

impl From<RunError> for Abort {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

impl From<StoreError> for Abort {
    fn from(error: StoreError) -> Self {
        Self::Storage(error)
    }
}

/// The error for stored data of a run that cannot be read.
pub(crate) fn damaged(error: &dyn std::error::Error) -> StoreError {
    StoreError::Damaged(error.to_string())
}

impl Abort {
    /// Turns a failure of a store into the failure of the run, if no later attempt can succeed: the failure would recur, or
    /// this is the last attempt. The error of the run then names the store as the cause, not the tape.
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
                tracing::error!(run_id = %run.run_id(), error = chain(&error), "the storage failed in the last attempt of a run");
                Self::Run(RunError::storage(run.interrupted_phase()))
            }
            stop => stop,
        }
    }

    /// The stop for an error of the storage in a phase.
    pub(crate) fn storage(phase: Phase, what: &str, error: StorageError) -> Self {
        match error {
            StorageError::Store(error) => Self::Storage(error),
            error => Self::Run(RunError::output(phase, what, &io::Error::other(error))),
        }
    }
}

impl Worker {
    /// A worker with the resources of the process.
    pub fn new(resources: &Resources, tuning: Tuning) -> Self {
        Self {
            runs: resources.runs(),
            jobs: resources.jobs(),
            turns: resources.export_turns.clone(),
            storage: resources.storage.clone(),
            clock: Arc::clone(&resources.clock),
            tuning,
            distribution: Distribution { above_bytes: DEFAULT_DISTRIBUTE_ABOVE_BYTES, part_bytes: DEFAULT_PART_BYTES },
        }
    }

    /// Claims a run and takes it through all phases.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB or S3 does not answer. The caller may then execute the run again.
    pub async fn execute(&self, run_id: Uuid) -> Result<Executed, StoreError> {
        let began = self.clock.now();
        let Waiting { stored, request, mut run } = match Box::pin(self.look(run_id, began)).await? {
            Looked::Waits(waiting) => *waiting,
            Looked::Ended(ended) => return Ok(ended),
        };
        if stored.attempt >= MAX_ATTEMPTS {
            return self.give_up(run_id, None).await;
        }
        run.start(began).map_err(|error| damaged(&error))?;
        let lease = Lease::of_one(run_id, Uuid::new_v4());
        let Some(attempt) = self.runs.claim(&lease, &run, began).await? else { return Ok(Executed::NotOurs) };
        tracing::info!(%run_id, attempt, "a run has started");
        let mut stored = None;
        let worked = match self.assign(request).await {
            Ok(assignment) => Box::pin(self.work(Mode::Whole, &mut run, &assignment, &lease, &mut stored)).await,
            Err(stop) => Err(stop),
        };
        let worked = worked.and_then(|()| stored.take().ok_or(Abort::Lost)).map_err(|stop| stop.at_try(attempt, &run));
        if matches!(worked, Err(Abort::Storage(_)))
            && let Err(error) = self.runs.release(&lease).await
        {
            // Return the error that stopped the run. The lease expires by itself.
            tracing::warn!(%run_id, error = chain(&error), "the lease of a stopped run could not be released");
        }
        let ended = self.settle(&mut run, &lease, worked, stored).await?;
        tracing::info!(%run_id, ?ended, "a run has ended");
        Ok(ended)
    }

    /// Reads a run and checks whether a worker may claim it. A run that cannot be read is failed, because the next attempt
    /// could not read it either.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when neither the request of the run nor
    /// its record can be read.
    pub(crate) async fn look(&self, run_id: Uuid, now: Timestamp) -> Result<Looked, StoreError> {
        match self.read(run_id).await {
            Ok(Some(waiting)) if waiting.stored.is_claimable(now) => Ok(Looked::Waits(Box::new(waiting))),
            Ok(_) => Ok(Looked::Ended(Executed::NotOurs)),
            Err(error @ StoreError::Damaged(_)) => Ok(Looked::Ended(self.fail_unreadable(run_id, None, &error).await?)),
            Err(error) => Err(error),
        }
    }

    /// Reads a run and its request. `None` when the run does not exist.
    pub(crate) async fn read(&self, run_id: Uuid) -> Result<Option<Waiting>, StoreError> {
        let Some(stored) = self.runs.get(run_id).await? else { return Ok(None) };
        let absent = || StoreError::Damaged("it is not said what the run is to do".to_owned());
        let request = self.runs.request(run_id).await?.ok_or_else(absent)?;
        let run = request.run();
        Ok(Some(Waiting { stored, request, run }))
    }

    /// The work of a run, with the list of its tapes.
    pub(crate) async fn assign(&self, request: RunRequest) -> Result<Assignment, Abort> {
        let (tapes, rules) = (self.runs.tapes(&request).await?, self.runs.rules(&request).await?);
        let waivers = self.runs.waivers(&request, &rules).await?;
        // The profile of an incoming tape is checked only here, so the run has to report a profile that is not valid.
        let (options, _) = request.reading.options().map_err(|error| {
            let message = format!("{error}. Mend the file {PROFILE} in the tape's folder, then send the tape again.");
            RunError::new(Phase::Ingest, RunErrorCode::ProfileInvalid, message)
        })?;
        let pdate = request.run().parameters().pdate;
        let RunRequest { run_id, irr_target, reading, left_out, dry_run, check_history, .. } = request;
        let options = TapeOptions { left_out, ..options };
        Ok(Assignment { run_id, tapes, irr_target, pdate, rules, waivers, reading, options, dry_run, check_history })
    }

    /// Takes a run through all phases. Sets `stored` to the results as soon as they are stored, so that they are known even
    /// when a later phase fails.
    pub(crate) async fn work(
        &self,
        way: Mode,
        run: &mut Run,
        assignment: &Assignment,
        lease: &Lease,
        stored: &mut Option<Results>,
    ) -> Result<(), Abort> {
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
                // If the storage failed, replace the error: the engine blames the tape or the outputs.
                return Err(failure.take().or(aborted).map_or(error, Abort::Storage));
            }
        };
        run.record(&outcome);
        run.finish_phase(Phase::Disposition);
        let summary = outcome.summary.finish();
        let Some(uploads) = files.and_then(|files| files.take()) else {
            run.finish_phase(Phase::Output);
            let keeping = Box::pin(self.keep_found(run.run_id(), &outcome));
            let (column_mapping, findings) = self.reporting(lease, &progress, keeping).await?;
            *stored = Some(Results::dry(summary, column_mapping, findings));
            return Ok(());
        };
        // Abort if another worker has taken over the run in the meantime, so that this worker's files do not appear.
        if !self.runs.report(lease, None, self.clock.now()).await? {
            uploads.abort().await;
            return Err(Abort::Lost);
        }
        // Storing and copying large files takes a while, so the worker keeps reporting in the meantime.
        let kept = self.reporting(lease, &progress, Box::pin(self.keep(run.run_id(), &outcome, uploads))).await?;
        if assignment.check_history {
            run.remember(self.reporting(lease, &progress, Box::pin(self.seen_before(run, &kept.history))).await?);
        }
        run.finish_phase(Phase::Output);
        let version = |name: &str| {
            let found = kept.uploaded.iter().find(|file| file.name == name);
            found.map(|Uploaded { size, etag, .. }| ObjectVersion { size: *size, etag: etag.clone() })
        };
        let outputs = outcome.outputs.iter().map(|(output, is)| OutputInfo {
            key: output.key.to_owned(),
            name: output.file_name.to_owned(),
            size: is.size,
            rows: output.row_count(&outcome.summary),
        });
        *stored = Some(Results {
            summary,
            outputs: outputs.collect(),
            facts: version(FACTS_FILE),
            exceptions: version(EXCEPTIONS_FILE),
            index: Some(kept.index),
            column_mapping: kept.column_mapping,
            findings: kept.findings,
            history: Some(kept.history),
        });
        self.reporting(lease, &progress, Box::pin(self.archive(run, assignment, &outcome))).await?;
        run.finish_phase(Phase::Archive);
        Ok(())
    }

    /// Runs the phases from ingest to output, outside the async threads.
    async fn judge(
        &self,
        way: Mode,
        assignment: &Assignment,
        files: Option<Arc<Files>>,
        progress: &Arc<Mutex<Option<Progress>>>,
        failure: &ReadFailure,
    ) -> Result<Outcome, Abort> {
        let progress = Arc::clone(progress);
        let parts = match way {
            Mode::Whole => None,
            Mode::InParts { owner } => Some(self.parts(assignment.run_id, owner, failure)),
        };
        let note = move |now| *progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        let judged = self.with_engine(assignment, files, note, failure, move |job| match parts {
            None => engine::run(job),
            Some(parts) => Plan::load(&parts).and_then(|plan| finish(job, &plan, &parts)),
        });
        Ok(judged.await??)
    }

    /// The files that the steps of a run in parts hand on to each other.
    pub(crate) fn parts(&self, run_id: Uuid, owner: Uuid, failure: &ReadFailure) -> ObjectParts {
        ObjectParts::new(self.storage.clone(), keys::parts(run_id, owner), failure.clone())
    }

    /// Does work with the engine and the tapes of a run, outside the async threads.
    pub(crate) async fn with_engine<R: Send + 'static>(
        &self,
        assignment: &Assignment,
        files: Option<Arc<Files>>,
        progress: impl Fn(Progress) + Send + Sync + 'static,
        failure: &ReadFailure,
        work: impl FnOnce(&Job<'_>) -> R + Send + 'static,
    ) -> Result<R, Abort> {
        let tape = |tape| Box::new(ObjectTape::new(self.storage.clone(), tape, failure.clone())) as Box<dyn TapeSource>;
        let tapes: Vec<Box<dyn TapeSource>> = assignment.tapes.iter().cloned().map(tape).collect();
        let Assignment { irr_target, pdate, .. } = *assignment;
        let (rules, options, tuning) = (assignment.rules.clone(), assignment.options.clone(), self.tuning);
        let waivers = assignment.waivers.clone();
        let worked = tokio::task::spawn_blocking(move || {
            let destination = files.as_deref().map(|files| files as &dyn Destination);
            work(&Job {
                tapes: &tapes,
                options: &options,
                rules: &rules,
                irr_target,
                pdate,
                waivers: waivers.as_ref(),
                destination,
                progress: &progress,
                tuning,
            })
        });
        let stopped = |error| RunError::internal(Phase::Ingest, format!("The engine stopped: {error}"));
        Ok(worked.await.map_err(stopped)?)
    }

    /// Does work, and reports in the meantime that the worker is alive.
    async fn reporting<T>(
        &self,
        lease: &Lease,
        progress: &Mutex<Option<Progress>>,
        work: impl Future<Output = Result<T, Abort>>,
    ) -> Result<T, Abort> {
        let mut work = std::pin::pin!(work);
        let mut ticks = tokio::time::interval(REPORT_EVERY);
        ticks.tick().await;
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = ticks.tick() => {
                    let now = *progress.lock().unwrap_or_else(PoisonError::into_inner);
                    // The next report makes up for a failed one: the lease lasts for many reports.
                    if let Err(error) = self.runs.report(lease, now, self.clock.now()).await {
                        tracing::warn!(run_id = %lease.run_id, %error, "progress could not be reported");
                    }
                }
            }
        }
    }

    /// Makes the files appear, and stores the places of the pages of facts and exceptions, the index of loan numbers, and how the tapes
    /// were read.
    async fn keep(&self, run_id: Uuid, outcome: &Outcome, uploads: Uploads) -> Result<Kept, Abort> {
        let uploaded = uploads.complete().await.map_err(|(name, error)| Abort::storage(Phase::Output, &name, error))?;
        let index = StoredIndex { schema: SCHEMA, index: outcome.index.clone() };
        let index = self.keep_json(run_id, keys::INDEX_FILE, &index).await?;
        let history = Box::pin(self.keep_history(run_id, outcome, &uploaded)).await?;
        let (column_mapping, findings) = self.keep_found(run_id, outcome).await?;
        Ok(Kept { uploaded, index, column_mapping, findings, history })
    }

    /// Copies the tapes and the outputs into the archive, then writes the manifest.
    async fn archive(&self, run: &Run, assignment: &Assignment, outcome: &Outcome) -> Result<(), Abort> {
        let folder = keys::archive(run.run_id());
        for tape in &assignment.tapes {
            let place = format!("{folder}/{}", place_of_tape(&tape.source_file));
            let copied = self.storage.copy(&tape.key, &place, Some(&tape.etag)).await;
            copied.map_err(|error| Abort::storage(Phase::Archive, &tape.source_file, error))?;
        }
        let outputs = keys::outputs(run.run_id());
        for (output, _) in &outcome.outputs {
            let (from, to) = (format!("{outputs}/{}", output.file_name), format!("{folder}/{}", archived_output(output)));
            let copied = self.storage.copy(&from, &to, None).await;
            copied.map_err(|error| Abort::storage(Phase::Archive, output.file_name, error))?;
        }
        for (path, content) in files_of(&assignment.rules) {
            let put =
                self.storage.put_bytes(&format!("{folder}/{path}"), content.to_vec().into(), "application/octet-stream").await;
            put.map_err(|error| Abort::storage(Phase::Archive, &path, error))?;
        }
        let json = self.manifest(&folder, run, assignment, outcome).await?.into();
        let put = self.storage.put_bytes(&format!("{folder}/{MANIFEST_FILE}"), json, "application/json").await;
        put.map_err(|error| Abort::storage(Phase::Archive, MANIFEST_FILE, error)).map(drop)
    }

    /// Stores how the tapes were read, and the reasons and samples of the run. Dry runs have both, too.
    async fn keep_found(&self, run_id: Uuid, outcome: &Outcome) -> Result<(ObjectVersion, ObjectVersion), Abort> {
        let findings = RunFindings::of(outcome)
            .map_err(|error| RunError::internal(Phase::Output, format!("The reasons could not be put together: {error}")))?;
        let column_mapping = self.keep_json(run_id, keys::COLUMN_MAPPING_FILE, &RunDetails::of(outcome)).await?;
        Ok((column_mapping, self.keep_json(run_id, keys::FINDINGS_FILE, &findings).await?))
    }

    /// Stores a value as JSON among the results of a run.
    async fn keep_json(&self, run_id: Uuid, name: &str, value: &impl Serialize) -> Result<ObjectVersion, Abort> {
        let json = serde_json::to_vec(value)
            .map_err(|error| RunError::internal(Phase::Output, format!("{name} could not be put together: {error}")))?;
        let key = format!("{}/{name}", keys::results(run_id));
        let put = self.storage.put_bytes(&key, Bytes::from(json), "application/json").await;
        let info = put.map_err(|error| Abort::storage(Phase::Output, name, error))?;
        Ok(ObjectVersion { size: info.size, etag: info.etag })
    }
}

/// The stored files of a run, without its archive.
struct Kept {
    uploaded: Vec<Uploaded>,
    index: ObjectVersion,
    column_mapping: ObjectVersion,
    findings: ObjectVersion,
    history: KeptHistory,
}

fn run_progress(run: &mut Run, progress: &Mutex<Option<Progress>>) {
    if let Some(progress) = *progress.lock().unwrap_or_else(PoisonError::into_inner) {
        run.report(progress);
    }
}
