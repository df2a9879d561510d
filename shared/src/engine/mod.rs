//! The engine: feeds blocks of rows through the phases on all cores, in tape order.
//!
//! Each worker takes the next block and goes with it through two turnstiles: where repeated loan numbers are found, and
//! where results are appended. What lies between, reading cells, judging, writing rows, needs no order and runs beside the
//! other workers' blocks. Row groups of facts are encoded by the worker whose block completes them.
//!
//! What comes before the first turnstile is [`intake`], what comes behind the second is [`assembly`]. In [`distribute`] they
//! are further apart: in different processes, with files between them.

pub mod assembly;
pub mod block;
pub mod cut;
pub mod distribute;
mod feed;
pub mod intake;
mod latest;
pub mod loan_numbers;
mod standard;
#[cfg(test)]
mod standard_tests;
pub mod turnstile;

use std::{
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    error::{Phase, RunError},
    facts::index::ResultsIndex,
    phases::{pricing::IrrTarget, validate::FirstUse},
    results::{csv::OutputFile, summary::SummaryBuilder},
    rules::rule_set::RuleSet,
    tape::{
        Tape, TapeMapping,
        header::HeaderBudget,
        notices::Notices,
        options::TapeOptions,
        records::RecordBlock,
        source::TapeSource,
        text::{Fingerprint, RawCopy},
    },
};

use self::{
    assembly::Assembly,
    block::{RowReader, Terms, WordMemos, judge_block},
    cut::CutBlock,
    intake::Intake,
};

/// Where the results of a run go.
pub trait Destination: Sync {
    /// Opens a result file for writing, from its beginning.
    fn create(&self, file_name: &str) -> io::Result<Box<dyn Write + Send>>;
    /// Whether the run is put on record: facts, exceptions, and the hashes of all that is read and written. Without it
    /// only the four output files come out.
    fn keeps_records(&self) -> bool {
        true
    }
    /// Opens the archived copy of a tape, which is written while the tape is read; `None` when it is archived otherwise.
    fn archive_tape(&self, source_file: &str) -> io::Result<Option<RawCopy>>;
}

/// What a run works with.
pub struct Job<'r> {
    /// The tapes, in the order in which their loans come.
    pub tapes: &'r [Box<dyn TapeSource>],
    /// How the tapes are read, beyond what they say themselves.
    pub options: &'r TapeOptions,
    /// The rules.
    pub rules: &'r RuleSet,
    /// The target that prices follow from.
    pub irr_target: IrrTarget,
    /// Where the results go; `None` for a dry run.
    pub destination: Option<&'r dyn Destination>,
    /// Told now and then how far the run is.
    pub progress: &'r (dyn Fn(Progress) + Sync),
    /// How the work is cut.
    pub tuning: Tuning,
}

/// How the work is cut. It shows in no byte of any result.
#[derive(Debug, Clone, Copy)]
pub struct Tuning {
    /// How many threads work.
    pub threads: usize,
    /// About how many bytes of a tape a block has.
    pub block_bytes: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { threads, block_bytes: 512 * 1024 }
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Progress {
    /// Number of loans read so far.
    #[schema(example = 2)]
    pub loans: u64,
    /// Number of bytes read so far, over all tapes.
    #[schema(example = 270)]
    pub bytes: u64,
    /// Number of bytes in all tapes.
    #[schema(example = 270)]
    pub total_bytes: u64,
}

/// What a run gives besides its files.
#[derive(Debug)]
pub struct Outcome {
    /// Counts, sums and findings.
    pub summary: SummaryBuilder,
    /// How each tape was read.
    pub mappings: Vec<TapeMapping>,
    /// The files of the tapes, and what they were.
    pub inputs: Vec<(String, Fingerprint)>,
    /// The four output files; empty for a dry run.
    pub outputs: Vec<(OutputFile, Fingerprint)>,
    /// The stored facts and exceptions; empty for a dry run.
    pub stored: Vec<(&'static str, Fingerprint)>,
    /// Where each page of them is.
    pub index: ResultsIndex,
    /// What happened that is no fault of a loan.
    pub notices: Notices,
}

/// Runs the phases from ingest to output on all tapes of a job.
///
/// # Errors
/// A tape that cannot be used, or a result that cannot be written. What was written until then is the destination's to
/// drop.
pub fn run(job: &Job<'_>) -> Result<Outcome, RunError> {
    let tapes = open_tapes(job)?;
    let named = tapes.iter().map(|tape| (tape.name().to_owned(), tape.notices().to_vec()));
    let assembly = Assembly::new(job, named.collect())?;
    let readers = readers(job, &tapes)?;
    let terms = Terms {
        rules: job.rules,
        irr_target: &job.irr_target,
        list_rows: job.destination.is_some(),
        store_facts: job.destination.is_some_and(|destination| destination.keeps_records()),
    };
    let crew = Crew { terms, readers: &readers, intake: Intake::new(job, &tapes, &readers), assembly };
    work_together(&crew, job.tuning.threads)?;
    crew.assembly.finish(crew.intake.finish(), tapes.iter().map(Tape::mapping).collect())
}

/// Opens the tapes of a job, in their order.
///
/// # Errors
/// A tape that cannot be used, or headers that take too much together.
fn open_tapes<'j>(job: &Job<'j>) -> Result<Vec<Tape<'j>>, RunError> {
    let mut headers = HeaderBudget::default();
    let mut opened = Vec::with_capacity(job.tapes.len());
    for source in job.tapes {
        for tape in Tape::open_all(source.as_ref(), job.options)? {
            headers.add(tape.header(), tape.name())?;
            opened.push(tape);
        }
    }
    Ok(opened)
}

/// How the rows of the tapes of a job are read.
///
/// # Errors
/// A tape that has to be read whole first cannot be read.
fn readers<'t>(job: &Job<'_>, tapes: &'t [Tape<'_>]) -> Result<Vec<RowReader<'t>>, RunError> {
    let reader = |tape: &'t Tape<'_>| RowReader::new(tape, job.rules, job.options).among(tapes.len());
    let mut readers: Vec<_> = tapes.iter().map(reader).collect();
    latest::find_superseded(tapes, &mut readers, job.tuning.block_bytes)?;
    Ok(readers)
}

/// The workers of a run and what they share.
struct Crew<'r, 't> {
    terms: Terms<'r>,
    readers: &'t [RowReader<'t>],
    intake: Intake<'r, 't>,
    assembly: Assembly<'r>,
}

impl Workers for Crew<'_, '_> {
    /// Block after block until there are none, or the run has failed.
    fn work(&self) -> Result<(), RunError> {
        let (mut block, mut cut, mut memos) = (RecordBlock::default(), CutBlock::default(), WordMemos::default());
        while let Some((ticket, tape)) = self.intake.next_block(&mut block)? {
            let text = self.intake.cut(tape, &block, &mut cut)?;
            let first_uses = |repeats: Vec<intake::Repeat>| -> Vec<(u32, FirstUse)> {
                let names = self.assembly.names();
                repeats.iter().map(|repeat| (repeat.row as u32, repeat.first_use(names))).collect()
            };
            let failure = cut.failure.take();
            let Some(repeats) =
                self.intake.pass(ticket, tape, &block, &cut, |repeats| failure.map_or(Ok(first_uses(repeats)), Err))
            else {
                return Ok(());
            };
            let repeats = repeats?;
            let (reader, room) = (&self.readers[tape], self.assembly.room());
            let judged = judge_block(&block, text, &cut, (tape, reader), self.terms, &repeats, room, &mut memos);
            if self.assembly.append(ticket, judged, self.intake.bytes())?.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn close(&self) {
        self.intake.close();
        self.assembly.close();
    }
}

/// Workers that share their work.
trait Workers: Sync {
    /// What one of them does, until there is nothing left to do.
    fn work(&self) -> Result<(), RunError>;
    /// Sends everyone home.
    fn close(&self);
}

/// Lets so many workers work. The first failure of one ends the work of all.
fn work_together(workers: &impl Workers, threads: usize) -> Result<(), RunError> {
    let failure = Mutex::new(None);
    let fail = |error| {
        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        workers.close();
    };
    let work = || {
        let alarm = Alarm(&fail);
        if let Err(error) = workers.work() {
            fail(error);
        }
        drop(alarm);
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    failure.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
}

/// Tells the others when a worker panics, so that nobody waits for it.
struct Alarm<'f>(&'f dyn Fn(RunError));

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)(RunError::internal(Phase::Output, "A worker of the engine stopped. Please report this run."));
        }
    }
}
