//! A run in parts: planned once, processed part by part wherever there is room, finished into what one worker gives.
//!
//! 1. [`plan`](plan()) reads the tapes once, as one worker would, but judges nothing. It decides everything for which a whole
//!    tape has to be seen: encoding, header, units, hashes, repeated loan numbers, and whether the tapes can be used at all. It
//!    cuts parts at the beginnings of records.
//! 2. [`process`](process()) judges the rows of one part and keeps, block by block, what a worker would append to the results.
//! 3. [`finish`](finish()) appends the blocks of all parts in order, to the very files that one worker writes.
//!
//! Parts are independent: any process may take any of them, at any time after the plan, and again.

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

/// Where a run in parts keeps what its steps hand on to each other. A file appears whole, when it is flushed, in place of the
/// one that had its name.
pub trait PartStore: Sync {
    /// Opens a file for writing.
    fn create(&self, name: &str) -> io::Result<Box<dyn Write + Send>>;
    /// Opens a file for reading, from its beginning.
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>>;
}

/// What a plan comes to.
#[derive(Debug)]
pub enum Planned {
    /// A tape cannot be split: it is a workbook, or its bytes are not UTF-8. One worker takes the run.
    Whole,
    /// The parts.
    Parts(Plan),
}

/// How a run is cut into parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The tapes, in the order in which their loans come.
    pub tapes: Vec<PlannedTape>,
    /// The parts, in order.
    pub parts: Vec<Part>,
    /// What the tapes were, where that is asked for.
    pub inputs: Vec<(String, Fingerprint)>,
    /// Whether the rows of the output files are wanted.
    pub list_rows: bool,
    /// Whether facts and exceptions are wanted.
    pub store_facts: bool,
}

/// How a tape is read: what was found out about it, so that nobody has to look again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTape {
    /// Its name.
    pub source_file: String,
    /// Its size in bytes.
    pub size: u64,
    /// What was found out about it.
    pub known: KnownTape,
}

/// A part: the records that begin in a stretch of a tape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The tape, among those of the plan.
    pub tape: usize,
    /// Where its first record begins, in bytes.
    pub start: u64,
    /// Where the first record of the next part begins, or the tape ends.
    pub end: u64,
    /// The line of its first record.
    pub line: u64,
    /// How many rows it has.
    pub rows: u64,
    /// How many of them use a loan number that was used before. Which ones, stands in a file of its own.
    pub repeats: u64,
    /// Whether some of its rows give way to a later one of their loan. Which ones, stands in a file of its own.
    #[serde(default)]
    pub supersedes: bool,
}

/// The file that holds the plan, as JSON.
pub const PLAN_FILE: &str = "plan.json";

/// The file that says which rows of a part repeat a loan number.
fn repeats_file(part: usize) -> String {
    format!("repeats-{part:05}")
}

/// The file that says which rows of a part give way to a later one of their loan.
fn superseded_file(part: usize) -> String {
    format!("superseded-{part:05}")
}

/// The file of what a part gave.
fn part_file(part: usize) -> String {
    format!("part-{part:05}")
}

impl Plan {
    /// Reads the plan of a run.
    ///
    /// # Errors
    /// It is not there, or damaged.
    pub fn load(store: &dyn PartStore) -> Result<Self, RunError> {
        let mut json = Vec::new();
        let read = store.open(PLAN_FILE).and_then(|mut file| file.read_to_end(&mut json));
        read.map_err(|error| unusable("The plan", &error))?;
        serde_json::from_slice(&json).map_err(|error| unusable("The plan", &error))
    }

    /// Keeps the plan for the steps that follow.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep(&self, store: &dyn PartStore) -> Result<(), RunError> {
        let json = serde_json::to_vec(self)
            .map_err(|error| RunError::internal(Phase::Output, format!("The plan could not be put together: {error}")))?;
        keep(store, PLAN_FILE, &json).map_err(|error| RunError::output(Phase::Output, PLAN_FILE, &error))
    }

    /// That a job has the tapes that were planned.
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

/// The error of something that an earlier step kept and that is not there as it was.
fn unusable(what: &str, why: &dyn std::fmt::Display) -> RunError {
    let message = format!("{what} of the run is missing or damaged: {why}. The tape is not at fault. Start the run again.");
    RunError::new(Phase::Output, RunErrorCode::StorageFailed, message)
}

/// Takes a job through all three steps in this process, several parts at a time, each by one thread. The results are those of
/// [`run`](super::run()), and so are the errors.
///
/// # Errors
/// A tape that cannot be used, a result that cannot be written, or a part that is not there as it was kept.
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

/// Workers that take one part after the other.
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
