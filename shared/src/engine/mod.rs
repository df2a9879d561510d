//! The engine: takes blocks of rows through the phases on all cores, and keeps tape order.
//!
//! Each worker takes the next block and passes two turnstiles with it: one where repeated loan numbers are found, one where
//! results are appended. The work between them (reading cells, judging, writing rows) needs no order and runs in parallel with
//! the blocks of the other workers. The worker whose block completes a row group of facts encodes that row group.
//!
//! [`intake`] is the part before the first turnstile, [`assembly`] the part after the second. In [`distribute`] the two run in
//! different processes, with files between them.

pub mod assembly;
pub mod block;
pub mod cut;
mod declared;
pub mod distribute;
mod feed;
pub mod intake;
mod latest;
pub mod loan_numbers;
mod price_parts;
pub mod row_reader;
mod standard;
#[cfg(test)]
mod standard_tests;
pub mod turnstile;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    error::{Phase, RunError},
    facts::index::ResultsIndex,
    phases::{
        pricing::{IrrTarget, Pricing},
        validate::FirstUse,
    },
    results::{
        outputs::Output,
        summary::{Samples, SummaryBuilder},
    },
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
    waivers::Waivers,
};

use self::{
    assembly::Assembly,
    block::{JudgingContext, WorkerCaches, judge_block},
    cut::CutBlock,
    intake::Intake,
    row_reader::RowReader,
};

/// Receives the result files of a run.
pub trait Destination: Sync {
    /// Opens a result file for writing, from its beginning.
    fn create(&self, file_name: &str) -> io::Result<Box<dyn Write + Send>>;
    /// Whether the run keeps records: facts, exceptions, and the hashes of all files read and written. Without them the run
    /// writes only the output files.
    fn keeps_records(&self) -> bool {
        true
    }
    /// Opens the archived copy of a tape, which is written while the tape is read; `None` when the tape is archived in another
    /// way or not at all.
    fn archive_tape(&self, source_file: &str) -> io::Result<Option<RawCopy>>;
}

/// Input of a run.
pub struct Job<'r> {
    /// The tapes, in the order of their loans in the results.
    pub tapes: &'r [Box<dyn TapeSource>],
    /// How the tapes are read, beyond what can be found out from them.
    pub options: &'r TapeOptions,
    pub rules: &'r RuleSet,
    /// The IRR target, from which spreads and prices follow.
    pub irr_target: IrrTarget,
    /// The date on which the loans are bought.
    pub pdate: Date,
    /// The waivers of the run; `None` for a run without a file of waivers.
    pub waivers: Option<&'r Arc<Waivers>>,
    /// Receives the result files; `None` for a dry run.
    pub destination: Option<&'r dyn Destination>,
    /// Called with the progress of the run, after each block.
    pub progress: &'r (dyn Fn(Progress) + Sync),
    /// Threads and block size.
    pub tuning: Tuning,
}

impl Job<'_> {
    fn pricing(&self) -> Pricing {
        Pricing::new(self.rules, self.irr_target, self.pdate)
    }
}

/// Threads and block size. They change no byte of any result.
#[derive(Debug, Clone, Copy)]
pub struct Tuning {
    /// Number of worker threads.
    pub threads: usize,
    /// Approximate size of a block, in bytes of the tape.
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

/// Result of a run, besides its files.
#[derive(Debug)]
pub struct Outcome {
    /// Counts, sums and findings.
    pub summary: SummaryBuilder,
    /// How each tape was read.
    pub mappings: Vec<TapeMapping>,
    /// Name and fingerprint of each file read; empty when the destination keeps no records.
    pub inputs: Vec<(String, Fingerprint)>,
    /// Fingerprints of the output files; empty for a dry run, and when the destination keeps no records.
    pub outputs: Vec<(&'static Output, Fingerprint)>,
    /// Name and fingerprint of the stored facts and exceptions; empty for a dry run, and when the destination keeps no records.
    pub stored: Vec<(&'static str, Fingerprint)>,
    /// The page index of facts and exceptions.
    pub index: ResultsIndex,
    /// Events that are not the fault of a loan.
    pub notices: Notices,
}

impl Outcome {
    /// The first exceptions of each type and severity.
    pub fn samples(&self) -> Vec<Samples> {
        let tapes: Vec<&str> = self.mappings.iter().map(|tape| tape.source_file.as_str()).collect();
        self.summary.samples(&tapes)
    }
}

/// Runs the phases from ingest to output on all tapes of a job.
///
/// # Errors
/// The error of a tape that cannot be used. `OutputFailed` when a result or the archived copy of a tape cannot be written.
/// `Internal` when the engine itself fails. The destination must discard what was written before the error.
pub fn run(job: &Job<'_>) -> Result<Outcome, RunError> {
    let tapes = open_tapes(job.tapes, job.options, job.rules)?;
    let named = tapes.iter().map(|tape| (tape.name().to_owned(), tape.notices().to_vec()));
    let assembly = Assembly::new(job, named.collect())?;
    let readers = readers(job, &tapes)?;
    let pricing = job.pricing();
    let context = JudgingContext {
        rules: job.rules,
        pricing: &pricing,
        waivers: job.waivers.map(Arc::as_ref),
        list_rows: job.destination.is_some(),
        store_facts: job.destination.is_some_and(|destination| destination.keeps_records()),
    };
    let crew = RunCrew { context, readers: &readers, intake: Intake::new(job, &tapes, &readers), assembly };
    work_together(&crew, job.tuning.threads)?;
    crew.assembly.finish(crew.intake.finish(), tapes.iter().map(Tape::mapping).collect())
}

/// Opens the tapes of a run, in their order.
///
/// # Errors
/// The error of a tape that cannot be used. `HeaderTooLarge` when the headers of all tapes together are too large.
pub fn open_tapes<'s>(
    sources: &'s [Box<dyn TapeSource>],
    options: &TapeOptions,
    rules: &RuleSet,
) -> Result<Vec<Tape<'s>>, RunError> {
    let mut headers = HeaderBudget::default();
    let mut opened = Vec::with_capacity(sources.len());
    let options = options.declaring(rules.guide().declared());
    for source in sources {
        for tape in Tape::open_all(source.as_ref(), &options)? {
            headers.add(tape.header(), tape.name())?;
            opened.push(tape);
        }
    }
    Ok(opened)
}

/// The row readers of a job's tapes. With a period column this reads all tapes twice, to find the latest rows.
///
/// # Errors
/// Those of [`latest::find_superseded`].
fn readers<'t>(job: &Job<'_>, tapes: &'t [Tape<'_>]) -> Result<Vec<RowReader<'t>>, RunError> {
    let reader = |tape: &'t Tape<'_>| RowReader::new(tape, job.rules, job.options).among(tapes.len());
    let mut readers: Vec<_> = tapes.iter().map(reader).collect();
    latest::find_superseded(tapes, &mut readers, job.tuning.block_bytes)?;
    Ok(readers)
}

/// The workers of a run and what they share.
struct RunCrew<'r, 't> {
    context: JudgingContext<'r>,
    readers: &'t [RowReader<'t>],
    intake: Intake<'r, 't>,
    assembly: Assembly<'r>,
}

impl Workers for RunCrew<'_, '_> {
    /// Judges block after block until there are none left or the run has failed.
    fn work(&self) -> Result<(), RunError> {
        let (mut block, mut cut, mut caches) = (RecordBlock::default(), CutBlock::default(), WorkerCaches::default());
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
            let judged = judge_block(&block, text, &cut, (tape, reader), self.context, &repeats, room, &mut caches);
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

/// Workers that share one piece of work.
trait Workers: Sync {
    /// The work of one worker, until nothing is left to do.
    fn work(&self) -> Result<(), RunError>;
    /// Ends the waiting of all workers, because the run has failed.
    fn close(&self);
}

/// Runs `threads` workers. The first failure of a worker ends the work of all.
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

/// Fails the run when a worker panics, so that the other workers do not wait for it.
struct Alarm<'f>(&'f dyn Fn(RunError));

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)(RunError::internal(Phase::Output, "A worker of the engine stopped. Please report this run."));
        }
    }
}
