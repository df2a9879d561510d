//! Reads tapes block by block, and finds in each block the loan numbers that were used before.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Phase, RunError},
    phases::validate::FirstUse,
    tape::{Tape, TapeReader, block_text, records::RecordBlock, text::Fingerprint},
};

use super::{
    Job,
    cut::CutBlock,
    feed::Feed,
    loan_numbers::{LoanNumbers, NumberHasher},
    row_reader::RowReader,
    turnstile::Turnstile,
};

/// Number of loan numbers that are looked up together.
const WARMED_AT_ONCE: usize = 64;

/// A row whose loan number was used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// Index of the row: in its block, or in its part where a plan keeps the repeat.
    pub row: u64,
    /// Index of the tape with the first use, among the tapes of the run.
    pub tape: usize,
    /// Line of the first use.
    pub line: u64,
}

impl Repeat {
    /// The first use, in the form that judging takes. `names` are the names of the run's tapes. The tape is named only when the
    /// run has several.
    pub fn first_use(&self, names: &[String]) -> FirstUse {
        let source_file = if names.len() > 1 { names.get(self.tape).cloned() } else { None };
        FirstUse { source_file, line: self.line }
    }
}

/// The tapes of a run while workers read them.
pub struct Intake<'r, 't> {
    job: &'r Job<'r>,
    tapes: &'t [Tape<'r>],
    readers: &'t [RowReader<'t>],
    hasher: NumberHasher,
    feed: Feed<IntakeState<'t>>,
    numbers: Turnstile<Uses>,
    total_bytes: u64,
    bytes: AtomicU64,
}

/// The source of the next block.
struct IntakeState<'t> {
    tape: usize,
    reader: Option<TapeReader<'t>>,
    next_block: u64,
    inputs: Vec<(String, Fingerprint)>,
    /// Size in bytes of the files that have been read to their end.
    read: u64,
}

/// The loan numbers used so far.
struct Uses {
    numbers: LoanNumbers,
    /// Whether the table has its size, which is estimated from the first block.
    sized: bool,
    /// For each tape, the number of lines in the tapes before it. A place in the run is this base plus a line.
    bases: Vec<u64>,
}

impl<'r, 't> Intake<'r, 't> {
    /// An intake that starts at the first of these tapes.
    pub fn new(job: &'r Job<'r>, tapes: &'t [Tape<'r>], readers: &'t [RowReader<'t>]) -> Self {
        Self {
            job,
            tapes,
            readers,
            hasher: NumberHasher::random(),
            feed: Feed::new(IntakeState { tape: 0, reader: None, next_block: 0, inputs: Vec::new(), read: 0 }),
            numbers: Turnstile::new(Uses { numbers: LoanNumbers::with_room(0), sized: false, bases: vec![0; tapes.len()] }),
            total_bytes: job.tapes.iter().map(|source| source.size()).sum(),
            bytes: AtomicU64::new(0),
        }
    }

    /// Reads the next block. Returns its ticket and the index of its tape; `None` after the last block, and after a failure.
    ///
    /// # Errors
    /// The error of a tape that cannot be read. `OutputFailed` when the archived copy cannot be created or written.
    pub fn next_block(&self, block: &mut RecordBlock) -> Result<Option<(u64, usize)>, RunError> {
        self.feed.next(|feed| self.read(feed, block))
    }

    fn read(&self, feed: &mut IntakeState<'t>, block: &mut RecordBlock) -> Result<Option<(u64, usize)>, RunError> {
        while let Some(tape) = self.tapes.get(feed.tape) {
            let reader = match &mut feed.reader {
                Some(reader) => reader,
                none => {
                    let archive = self.job.destination.filter(|_| tape.is_first());
                    let copy = archive.map_or(Ok(None), |destination| destination.archive_tape(tape.source().name()));
                    let copy = copy.map_err(|error| RunError::output(Phase::Archive, "The archived tape", &error))?;
                    let fingerprint = self.job.destination.is_none_or(|destination| destination.keeps_records());
                    none.insert(tape.read(self.job.tuning.block_bytes, fingerprint, copy)?)
                }
            };
            if reader.next_block(block)? {
                self.bytes.store(feed.read + reader.offset(), Ordering::Relaxed);
                let ticket = feed.next_block;
                feed.next_block += 1;
                return Ok(Some((ticket, feed.tape)));
            }
            feed.inputs.extend(reader.finish()?.map(|fingerprint| (tape.source().name().to_owned(), fingerprint)));
            // A file counts as read once its last tape is: a workbook may be several tapes.
            if self.tapes.get(feed.tape + 1).is_none_or(Tape::is_first) {
                feed.read += tape.source().size();
            }
            feed.reader = None;
            feed.tape += 1;
        }
        Ok(None)
    }

    /// Cuts a block into fields. Returns its text.
    ///
    /// # Errors
    /// `TapeChanged` when the block is not UTF-8.
    pub fn cut<'b>(&self, tape: usize, block: &'b RecordBlock, cut: &mut CutBlock) -> Result<&'b str, RunError> {
        let text = block_text(block, self.tapes[tape].source())?;
        cut.cut(block, text, &self.readers[tape], &self.hasher);
        Ok(text)
    }

    /// Waits for the block's turn, notes its loan numbers, and calls `then` with the rows whose number was used before. `then`
    /// runs in tape order. `None` when the run has already failed.
    ///
    /// # Errors
    /// Those of `then`. After an error no later block passes.
    pub fn pass<R>(
        &self,
        ticket: u64,
        tape: usize,
        block: &RecordBlock,
        cut: &CutBlock,
        then: impl FnOnce(Vec<Repeat>) -> Result<R, RunError>,
    ) -> Option<Result<R, RunError>> {
        self.numbers.pass_or_close(ticket, |uses| then(uses.note(tape, block, cut, self.total_bytes)))
    }

    /// Number of bytes of the tapes that have been read.
    pub fn bytes(&self) -> &AtomicU64 {
        &self.bytes
    }

    /// Ends the waiting of all workers, because the run has failed.
    pub fn close(&self) {
        self.numbers.close();
    }

    /// Name and fingerprint of each file, once all tapes have been read.
    pub fn finish(self) -> Vec<(String, Fingerprint)> {
        self.feed.into_source().inputs
    }
}

impl Uses {
    /// Notes the loan numbers of a block. Returns the rows whose number was used before. `total_bytes` is the size of all tapes.
    fn note(&mut self, tape: usize, block: &RecordBlock, cut: &CutBlock, total_bytes: u64) -> Vec<Repeat> {
        if !self.sized {
            self.sized = true;
            let loans = total_bytes.saturating_mul(cut.rows() as u64) / (block.text.len() as u64).max(1);
            self.numbers = LoanNumbers::with_room(loans);
        }
        let base = self.bases[tape];
        let mut repeats = Vec::new();
        for keys in cut.keys.chunks(WARMED_AT_ONCE) {
            self.numbers.warm(keys);
            for (row, key) in keys {
                // Past four billion lines the place of the first use is lost, but a repeated number is still found.
                let place = u32::try_from(base + cut.line(block, *row)).unwrap_or(u32::MAX);
                if let Some(first) = self.numbers.first_use(*key, place) {
                    let first_tape = self.bases[..=tape].partition_point(|base| *base < u64::from(first)).saturating_sub(1);
                    let line = u64::from(first) - self.bases[first_tape];
                    repeats.push(Repeat { row: u64::from(*row), tape: first_tape, line });
                }
            }
        }
        // Blocks come in order, so the next tape starts where the last block of this one ends.
        if let Some(last) = block.records.last() {
            self.bases[tape + 1..].fill(base + last.line);
        }
        repeats
    }
}
