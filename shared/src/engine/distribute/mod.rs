//! A run in parts: planned once, processed part by part in any process, and finished into the same files that one worker writes.
//!
//! 1. [`plan`](plan()) reads the tapes once, as one worker would, but judges nothing. It decides everything that depends on a
//!    whole tape: encoding, header, units, hashes, repeated loan numbers, superseded rows, and whether the tapes can be used at
//!    all. It cuts parts at the beginnings of records.
//! 2. [`process`](process()) judges the rows of one part and stores, block by block, what a worker would append to the results.
//! 3. [`finish`](finish()) appends the blocks of all parts in order. The files are the same, byte for byte, as those of one
//!    worker.
//!
//! Parts are independent: any process may take any part at any time after the plan, and take it again.

mod finish;
mod frames;
mod plan;
mod process;

use std::{
    io::{self, Read, Write},
    sync::atomic::{AtomicUsize, Ordering},
};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Phase, RunError, RunErrorCode},
    tape::{KnownTape, text::Fingerprint},
};

use super::{Job, Outcome, Workers, run, work_together};

pub use self::{finish::finish, frames::refuse, plan::plan, process::process};

/// Stores the files that the steps of a run in parts hand on to each other. A file appears whole when it is flushed, and replaces
/// an earlier file of the same name.
pub trait PartStore: Sync {
    /// Opens a file for writing.
    fn create(&self, name: &str) -> io::Result<Box<dyn Write + Send>>;
    /// Opens a file for reading, from its beginning.
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>>;
}

/// Result of planning.
#[derive(Debug)]
pub enum Planned {
    /// A tape cannot be split, because it is a workbook or its bytes are not UTF-8. One worker executes the run.
    Whole,
    /// The run is cut into parts.
    Parts(Plan),
}

/// How a run is cut into parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The tapes, in the order of their loans in the results.
    pub tapes: Vec<PlannedTape>,
    /// The parts, in order.
    pub parts: Vec<Part>,
    /// Name and fingerprint of each file; empty when the destination keeps no records.
    pub inputs: Vec<(String, Fingerprint)>,
    /// Whether to write the rows of the output files.
    pub list_rows: bool,
    /// Whether to store facts and exceptions.
    pub store_facts: bool,
}

/// A tape of the plan, with what the plan found out about it, so that later steps need not find it out again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTape {
    /// Name of the tape.
    pub source_file: String,
    /// Size in bytes.
    pub size: u64,
    /// Encoding, header, units and notices of the tape.
    pub known: KnownTape,
}

/// A part: the records that begin in a range of bytes of a tape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Index of the tape in the plan.
    pub tape: usize,
    /// Byte at which the first record begins.
    pub start: u64,
    /// Byte at which the first record of the next part begins, or the tape ends.
    pub end: u64,
    /// Line of the first record.
    pub line: u64,
    /// Number of rows.
    pub rows: u64,
    /// Number of rows that use a loan number that was used before. A separate file lists them.
    pub repeats: u64,
    /// Whether a later row of the same loan supersedes some of the rows. A separate file lists them.
    #[serde(default)]
    pub supersedes: bool,
}

/// Name of the file that holds the plan, as JSON.
pub const PLAN_FILE: &str = "plan.json";

/// Name of the file that lists the rows of a part that repeat a loan number.
fn repeats_file(part: usize) -> String {
    format!("repeats-{part:05}")
}

/// Name of the file that lists the superseded rows of a part.
fn superseded_file(part: usize) -> String {
    format!("superseded-{part:05}")
}

/// Name of the file with the results of a part.
fn part_file(part: usize) -> String {
    format!("part-{part:05}")
}

impl Plan {
    /// Reads the plan of a run.
    ///
    /// # Errors
    /// [`RunErrorCode::StorageFailed`] when the plan is missing or damaged.
    pub fn load(store: &dyn PartStore) -> Result<Self, RunError> {
        let mut json = Vec::new();
        let read = store.open(PLAN_FILE).and_then(|mut file| file.read_to_end(&mut json));
        read.map_err(|error| unusable("The plan", &error))?;
        serde_json::from_slice(&json).map_err(|error| unusable("The plan", &error))
    }

    /// Stores the plan for the later steps.
    ///
    /// # Errors
    /// [`RunErrorCode::OutputFailed`] when the plan cannot be written. [`RunErrorCode::Internal`] when it cannot be serialized.
    pub fn keep(&self, store: &dyn PartStore) -> Result<(), RunError> {
        let json = serde_json::to_vec(self)
            .map_err(|error| RunError::internal(Phase::Output, format!("The plan could not be put together: {error}")))?;
        keep(store, PLAN_FILE, &json).map_err(|error| RunError::output(Phase::Output, PLAN_FILE, &error))
    }

    /// Checks that a job has the planned tapes: the same names and sizes in the same order.
    fn check(&self, job: &Job<'_>) -> Result<(), RunError> {
        let planned = self.tapes.iter().map(|tape| (tape.source_file.as_str(), tape.size));
        if job.tapes.iter().map(|source| (source.name(), source.size())).eq(planned) {
            return Ok(());
        }
        let message = "The tapes are not those that were planned. Start the run again.";
        Err(RunError::internal(Phase::Ingest, message))
    }
}

/// Writes a whole file.
fn keep(store: &dyn PartStore, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut file = store.create(name)?;
    file.write_all(bytes)?;
    file.flush()
}

/// The error for a file of an earlier step that is missing or damaged.
fn unusable(what: &str, why: &dyn std::fmt::Display) -> RunError {
    let message = format!("{what} of the run is missing or damaged: {why}. The tape is not at fault. Start the run again.");
    RunError::new(Phase::Output, RunErrorCode::StorageFailed, message)
}

/// Takes a job through all three steps in this process, several parts at a time, each on one thread. Results and errors are those
/// of [`run`](super::run()).
///
/// # Errors
/// Those of [`run`](super::run()), and [`RunErrorCode::StorageFailed`] when a stored part is missing or damaged.
pub fn run_in_parts(job: &Job<'_>, part_bytes: u64, store: &dyn PartStore) -> Result<Outcome, RunError> {
    let Planned::Parts(plan) = plan(job, part_bytes, store)? else { return run(job) };
    let crew = PartCrew {
        job: Job { tuning: super::Tuning { threads: 1, ..job.tuning }, ..*job },
        plan: &plan,
        store,
        next: AtomicUsize::new(0),
    };
    work_together(&crew, job.tuning.threads)?;
    finish(job, &plan, store)
}

/// Workers that process one part after the other.
struct PartCrew<'r> {
    job: Job<'r>,
    plan: &'r Plan,
    store: &'r dyn PartStore,
    next: AtomicUsize,
}

impl Workers for PartCrew<'_> {
    fn work(&self) -> Result<(), RunError> {
        loop {
            let part = self.next.fetch_add(1, Ordering::Relaxed);
            if part >= self.plan.parts.len() {
                return Ok(());
            }
            process(&self.job, self.plan, part, self.store)?;
        }
    }

    fn close(&self) {
        self.next.store(self.plan.parts.len(), Ordering::Relaxed);
    }
}
