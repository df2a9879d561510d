//! The engine: feeds blocks of rows through the phases on all cores, in tape order.
//!
//! Each worker takes the next block and goes with it through two turnstiles: where repeated loan numbers are found, and
//! where results are appended. What lies between, reading cells, judging, writing rows, needs no order and runs beside the
//! other workers' blocks. Row groups of facts are encoded by the worker whose block completes them.

pub mod block;
pub mod cut;
pub mod loan_numbers;
pub mod turnstile;

use std::{
    io::{self, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use parquet::file::writer::SerializedFileWriter;
use sha2::{Digest, Sha256};

use crate::{
    error::{Phase, RunError, RunErrorCode},
    facts::{
        EXCEPTIONS_FILE, FACTS_FILE,
        columns::{ExceptionColumns, FactColumns},
        encode::{FileSchema, GroupCollector, Part, Rows},
        index::{ResultsIndex, count_exceptions, count_facts},
        pages::EncodedColumn,
    },
    phases::{pricing::IrrTarget, validate::FirstUse},
    results::{
        csv::{LoanRows, OutputFile},
        summary::SummaryBuilder,
    },
    rules::rule_set::RuleSet,
    tape::{
        Tape, TapeMapping, TapeReader,
        records::RecordBlock,
        source::TapeSource,
        text::{Fingerprint, RawCopy},
    },
};

use self::{
    block::{JudgedBlock, RowReader, Terms, WordMemos, judge_block},
    cut::CutBlock,
    loan_numbers::{LoanNumbers, NumberHasher},
    turnstile::Turnstile,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Loans whose results are written.
    pub loans: u64,
    /// Bytes of the tapes that have been read.
    pub bytes: u64,
    /// Bytes that the tapes have in all.
    pub total_bytes: u64,
}

/// What a run gives besides its files.
#[derive(Debug)]
pub struct Outcome {
    /// Counts, sums and findings.
    pub summary: SummaryBuilder,
    /// How each tape was read.
    pub mappings: Vec<TapeMapping>,
    /// What each tape was.
    pub inputs: Vec<Fingerprint>,
    /// The four output files; empty for a dry run.
    pub outputs: Vec<(OutputFile, Fingerprint)>,
    /// The stored facts and exceptions; empty for a dry run.
    pub stored: Vec<(&'static str, Fingerprint)>,
    /// Where each page of them is.
    pub index: ResultsIndex,
}

/// Runs the phases from ingest to output on all tapes of a job.
///
/// # Errors
/// A tape that cannot be used, or a result that cannot be written. What was written until then is the destination's to
/// drop.
pub fn run(job: &Job<'_>) -> Result<Outcome, RunError> {
    let tapes = job.tapes.iter().map(|source| Tape::open(source.as_ref())).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<String> = tapes.iter().map(|tape| tape.name().to_owned()).collect();
    let readers: Vec<RowReader<'_>> = tapes.iter().map(|tape| RowReader::new(tape, job.rules)).collect();
    let sink = job.destination.map(Sink::new).transpose()?;
    let crew = Crew {
        job,
        tapes: &tapes,
        names: &names,
        readers: &readers,
        hasher: NumberHasher::random(),
        feed: Mutex::new(Feed { tape: 0, reader: None, next_block: 0, inputs: Vec::new(), read: 0 }),
        numbers: Turnstile::new(Uses { numbers: LoanNumbers::with_room(0), sized: false, bases: vec![0; tapes.len()] }),
        results: Turnstile::new(Results { summary: SummaryBuilder::default(), loans: vec![0; tapes.len()], sink }),
        facts: Turnstile::new(GroupFile::default()),
        exceptions: Turnstile::new(GroupFile::default()),
        failure: Mutex::new(None),
        bytes: AtomicU64::new(0),
        schemas: Schemas::new()?,
        spare: Mutex::new(Vec::new()),
    };
    if let Some(destination) = job.destination {
        crew.start_files(destination)?;
    }
    std::thread::scope(|scope| {
        for _ in 1..job.tuning.threads {
            scope.spawn(|| crew.work());
        }
        crew.work();
    });
    crew.finish()
}

struct Schemas {
    facts: FileSchema,
    exceptions: FileSchema,
}

impl Schemas {
    fn new() -> Result<Self, RunError> {
        let failed = |error| RunError::internal(Phase::Output, format!("The schema of the results is unsound: {error}"));
        Ok(Self { facts: FileSchema::facts().map_err(failed)?, exceptions: FileSchema::exceptions().map_err(failed)? })
    }
}

/// How many loan numbers are looked up together.
const WARMED_AT_ONCE: usize = 64;

/// The workers of a run and what they share.
struct Crew<'r, 't> {
    job: &'r Job<'r>,
    tapes: &'t [Tape<'r>],
    names: &'t [String],
    readers: &'t [RowReader<'t>],
    hasher: NumberHasher,
    feed: Mutex<Feed<'t>>,
    numbers: Turnstile<Uses>,
    results: Turnstile<Results>,
    facts: Turnstile<GroupFile>,
    exceptions: Turnstile<GroupFile>,
    failure: Mutex<Option<RunError>>,
    bytes: AtomicU64,
    schemas: Schemas,
    /// Buffers of rows that have been written, to be filled again.
    spare: Mutex<Vec<LoanRows>>,
}

/// Where the next block comes from.
struct Feed<'t> {
    tape: usize,
    reader: Option<TapeReader<'t>>,
    next_block: u64,
    inputs: Vec<Fingerprint>,
    /// Bytes of the tapes that are done.
    read: u64,
}

/// Which loan numbers have been used.
struct Uses {
    numbers: LoanNumbers,
    /// Whether the table has its size: that is estimated from the first block.
    sized: bool,
    /// For each tape, how many lines the tapes before it had: a place in the run is such a base plus a line.
    bases: Vec<u64>,
}

/// What is appended in the order of the tapes.
struct Results {
    summary: SummaryBuilder,
    /// For each tape, how many loans it had.
    loans: Vec<u64>,
    sink: Option<Sink>,
}

/// The output files, and the rows of row groups that are not full yet.
struct Sink {
    purchase: HashedFile,
    projected: HashedFile,
    rejection: HashedFile,
    facts: GroupCollector<FactColumns>,
    exceptions: GroupCollector<ExceptionColumns>,
    next_facts: u64,
    next_exceptions: u64,
}

/// A Parquet file to which row groups are appended.
#[derive(Default)]
struct GroupFile {
    writer: Option<SerializedFileWriter<HashedFile>>,
    index: ResultsIndex,
}

/// A file whose hash is taken while it is written.
pub struct HashedFile {
    out: Box<dyn Write + Send>,
    hash: Option<Sha256>,
    size: u64,
}

impl HashedFile {
    fn create(destination: &dyn Destination, file_name: &str) -> Result<Self, RunError> {
        let out = destination.create(file_name).map_err(|error| not_written(file_name, &error))?;
        Ok(Self { out, hash: destination.keeps_records().then(Sha256::new), size: 0 })
    }

    /// Ends the file and says what it is, where that was asked for.
    fn finish(mut self) -> io::Result<Option<Fingerprint>> {
        self.out.flush()?;
        Ok(self.hash.map(|hash| Fingerprint::new(self.size, hash)))
    }
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_all(bytes)?;
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Sink {
    fn new(destination: &dyn Destination) -> Result<Self, RunError> {
        let open = |file: OutputFile| {
            let mut out = HashedFile::create(destination, file.file_name())?;
            out.write_all(&file.header()).map_err(|error| not_written(file.file_name(), &error))?;
            Ok(out)
        };
        Ok(Self {
            purchase: open(OutputFile::PurchaseTape)?,
            projected: open(OutputFile::ProjectedTape)?,
            rejection: open(OutputFile::RejectionReport)?,
            facts: GroupCollector::default(),
            exceptions: GroupCollector::default(),
            next_facts: 0,
            next_exceptions: 0,
        })
    }

    fn write(&mut self, rows: &LoanRows) -> Result<(), RunError> {
        let files = [
            (OutputFile::PurchaseTape, &mut self.purchase, &rows.purchase),
            (OutputFile::ProjectedTape, &mut self.projected, &rows.projected),
            (OutputFile::RejectionReport, &mut self.rejection, &rows.rejection),
        ];
        for (file, out, bytes) in files {
            if !bytes.is_empty() {
                out.write_all(bytes).map_err(|error| not_written(file.file_name(), &error))?;
            }
        }
        Ok(())
    }
}

/// A row group that is to be encoded, with its place among the row groups of its file.
struct Group<C> {
    ticket: u64,
    parts: Vec<Part<C>>,
}

fn not_written(file_name: &str, error: &io::Error) -> RunError {
    RunError::output(Phase::Output, file_name, error)
}

fn not_encoded(file_name: &str, error: parquet::errors::ParquetError) -> RunError {
    match error {
        parquet::errors::ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => not_written(file_name, &error),
            Err(source) => RunError::internal(Phase::Output, format!("{file_name} could not be encoded: {source}")),
        },
        error => RunError::internal(Phase::Output, format!("{file_name} could not be encoded: {error}")),
    }
}

/// Tells the others when a worker panics, so that nobody waits for it.
struct Alarm<'c, 'r, 't>(&'c Crew<'r, 't>);

impl Drop for Alarm<'_, '_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(RunError::internal(Phase::Output, "A worker of the engine stopped. Please report this run."));
        }
    }
}

impl<'r, 't> Crew<'r, 't> {
    fn start_files(&self, destination: &dyn Destination) -> Result<(), RunError> {
        if !destination.keeps_records() {
            return Ok(());
        }
        for (file_name, file, schema) in
            [(FACTS_FILE, &self.facts, &self.schemas.facts), (EXCEPTIONS_FILE, &self.exceptions, &self.schemas.exceptions)]
        {
            let out = HashedFile::create(destination, file_name)?;
            let writer = schema.start(out).map_err(|error| not_encoded(file_name, error))?;
            file.visit(|file| file.writer = Some(writer));
        }
        Ok(())
    }

    /// One worker: block after block until there are none, or the run has failed.
    fn work(&self) {
        let _alarm = Alarm(self);
        let (mut block, mut cut, mut memos) = (RecordBlock::default(), CutBlock::default(), WordMemos::default());
        loop {
            match self.next_block(&mut block) {
                Ok(Some((ticket, tape))) => {
                    if let Err(error) = self.process(ticket, tape, &block, &mut cut, &mut memos) {
                        return self.fail(error);
                    }
                }
                Ok(None) => return,
                Err(error) => return self.fail(error),
            }
        }
    }

    /// Notes the first failure and sends everyone home.
    fn fail(&self, error: RunError) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.numbers.close();
        self.results.close();
        self.facts.close();
        self.exceptions.close();
    }

    /// Reads the next block; its ticket and its tape.
    fn next_block(&self, block: &mut RecordBlock) -> Result<Option<(u64, usize)>, RunError> {
        let Ok(mut feed) = self.feed.lock() else { return Ok(None) };
        if self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(None);
        }
        let feed = &mut *feed;
        while let Some(tape) = self.tapes.get(feed.tape) {
            let reader = match &mut feed.reader {
                Some(reader) => reader,
                none => {
                    let copy = self.job.destination.map_or(Ok(None), |destination| destination.archive_tape(tape.name()));
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
            feed.inputs.extend(reader.finish()?);
            feed.read += self.job.tapes[feed.tape].size();
            feed.reader = None;
            feed.tape += 1;
        }
        Ok(None)
    }

    fn process(
        &self,
        ticket: u64,
        tape: usize,
        block: &RecordBlock,
        cut: &mut CutBlock,
        memos: &mut WordMemos,
    ) -> Result<(), RunError> {
        let text = crate::tape::block_text(block, self.job.tapes[tape].as_ref())?;
        let reader = &self.readers[tape];
        cut.cut(block, text, reader, &self.hasher);
        let Some(repeats) = self.numbers.pass(ticket, |uses| uses.note(tape, block, cut, self)) else { return Ok(()) };
        let spare = self.spare.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default();
        let terms = Terms {
            rules: self.job.rules,
            irr_target: &self.job.irr_target,
            list_rows: self.job.destination.is_some(),
            store_facts: self.job.destination.is_some_and(|destination| destination.keeps_records()),
        };
        let judged = judge_block(block, text, cut, (tape, reader), terms, &repeats, spare, memos);
        let Some(groups) = self.results.pass(ticket, |results| results.append(judged, self)) else { return Ok(()) };
        let (facts, exceptions) = groups?;
        self.encode_facts(facts)?;
        self.encode_exceptions(exceptions)
    }

    fn encode_facts(&self, groups: Vec<Group<FactColumns>>) -> Result<(), RunError> {
        for Group { ticket, parts } in groups {
            let counts = count_facts(&parts);
            let columns = FactColumns::encode(&parts, &self.schemas.facts, self.names).map_err(|e| not_encoded(FACTS_FILE, e))?;
            drop(parts);
            let appended = self.facts.pass(ticket, |file| {
                file.index.facts.push(counts);
                file.append(columns).map_err(|error| not_encoded(FACTS_FILE, error))
            });
            appended.unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    fn encode_exceptions(&self, groups: Vec<Group<ExceptionColumns>>) -> Result<(), RunError> {
        for Group { ticket, parts } in groups {
            let counts = count_exceptions(&parts);
            let columns = ExceptionColumns::encode(&parts, &self.schemas.exceptions, self.names);
            let columns = columns.map_err(|error| not_encoded(EXCEPTIONS_FILE, error))?;
            drop(parts);
            let appended = self.exceptions.pass(ticket, |file| {
                file.index.exceptions.push(counts);
                file.append(columns).map_err(|error| not_encoded(EXCEPTIONS_FILE, error))
            });
            appended.unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    /// Ends the files, once all workers are done.
    fn finish(self) -> Result<Outcome, RunError> {
        let lost = || RunError::internal(Phase::Output, "A worker of the engine stopped. Please report this run.");
        if let Some(error) = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        let (summary, last, loans) = self
            .results
            .visit(|results| {
                let last = results.sink.as_mut().map(Sink::last_groups);
                (std::mem::take(&mut results.summary), last, std::mem::take(&mut results.loans))
            })
            .ok_or_else(lost)?;
        if let Some(empty) = loans.iter().position(|loans| *loans == 0) {
            return Err(no_loans(&self.tapes[empty]));
        }
        if let Some((facts, exceptions)) = last {
            self.encode_facts(facts.into_iter().collect())?;
            self.encode_exceptions(exceptions.into_iter().collect())?;
        }
        let inputs = self.feed.into_inner().map_err(|_| lost())?.inputs;
        let facts = self.facts.into_state().ok_or_else(lost)?;
        let exceptions = self.exceptions.into_state().ok_or_else(lost)?;
        let index = ResultsIndex { facts: facts.index.facts.clone(), exceptions: exceptions.index.exceptions.clone() };
        let mappings = self.tapes.iter().map(Tape::mapping).collect();
        let (mut outputs, mut stored) = (Vec::new(), Vec::new());
        if let (Some(sink), Some(destination)) = (self.results.into_state().ok_or_else(lost)?.sink, self.job.destination) {
            let summary_file = OutputFile::ExceptionSummary;
            let mut summary_out = HashedFile::create(destination, summary_file.file_name())?;
            let written = summary_out.write_all(&summary.exception_summary_csv());
            written.map_err(|error| not_written(summary_file.file_name(), &error))?;
            for (file, out) in [
                (OutputFile::PurchaseTape, sink.purchase),
                (OutputFile::ProjectedTape, sink.projected),
                (OutputFile::RejectionReport, sink.rejection),
                (summary_file, summary_out),
            ] {
                let fingerprint = out.finish().map_err(|error| not_written(file.file_name(), &error))?;
                outputs.extend(fingerprint.map(|fingerprint| (file, fingerprint)));
            }
            for (file_name, file) in [(FACTS_FILE, facts), (EXCEPTIONS_FILE, exceptions)] {
                if let Some(writer) = file.writer {
                    let fingerprint = finish_groups(file_name, writer)?;
                    stored.extend(fingerprint.map(|fingerprint| (file_name, fingerprint)));
                }
            }
        }
        Ok(Outcome { summary, mappings, inputs, outputs, stored, index })
    }
}

fn no_loans(tape: &Tape<'_>) -> RunError {
    let message = "There is a header, but no loan below it. Send the tape again with a row per loan.";
    RunError::ingest(RunErrorCode::NoDataRows, tape.name(), Some(tape.header().line), message)
}

impl Uses {
    /// Notes the loan numbers of a block; the rows whose number was used before.
    fn note(&mut self, tape: usize, block: &RecordBlock, cut: &CutBlock, crew: &Crew<'_, '_>) -> Vec<(u32, FirstUse)> {
        if !self.sized {
            self.sized = true;
            let bytes: u64 = crew.job.tapes.iter().map(|source| source.size()).sum();
            self.numbers = LoanNumbers::with_room(bytes.saturating_mul(cut.rows() as u64) / (block.text.len() as u64).max(1));
        }
        let base = self.bases[tape];
        let mut repeats = Vec::new();
        for keys in cut.keys.chunks(WARMED_AT_ONCE) {
            self.numbers.warm(keys);
            for (row, key) in keys {
                // Past four billion lines the place is not known any more, but a repeated number still is.
                let place = u32::try_from(base + cut.line(block, *row)).unwrap_or(u32::MAX);
                if let Some(first) = self.numbers.first_use(*key, place) {
                    let first_tape = self.bases[..=tape].partition_point(|base| *base < u64::from(first)).saturating_sub(1);
                    let line = u64::from(first) - self.bases[first_tape];
                    repeats.push((
                        *row,
                        FirstUse { source_file: crew.names[first_tape].clone(), line, same_tape: first_tape == tape },
                    ));
                }
            }
        }
        // Blocks come in order: what the next tape starts from is where the last block of this one ends.
        if let Some(last) = block.records.last() {
            self.bases[tape + 1..].fill(base + last.line);
        }
        repeats
    }
}

type Groups = (Vec<Group<FactColumns>>, Vec<Group<ExceptionColumns>>);

impl Results {
    /// Appends a block; gives the row groups that are now full.
    fn append(&mut self, judged: JudgedBlock, crew: &Crew<'_, '_>) -> Result<Groups, RunError> {
        self.summary.merge(&judged.summary);
        self.loans[judged.tape] += judged.summary.total_loans();
        (crew.job.progress)(Progress {
            loans: self.summary.total_loans(),
            bytes: crew.bytes.load(Ordering::Relaxed),
            total_bytes: crew.job.tapes.iter().map(|source| source.size()).sum(),
        });
        let Some(sink) = &mut self.sink else { return Ok((Vec::new(), Vec::new())) };
        sink.write(&judged.rows)?;
        if let Ok(mut spare) = crew.spare.lock() {
            spare.push(judged.rows);
        }
        let facts = numbered(sink.facts.add(judged.facts), &mut sink.next_facts);
        let exceptions = numbered(sink.exceptions.add(judged.exceptions), &mut sink.next_exceptions);
        Ok((facts, exceptions))
    }
}

fn numbered<C>(groups: Vec<Vec<Part<C>>>, next: &mut u64) -> Vec<Group<C>> {
    let number = |parts| {
        let ticket = *next;
        *next += 1;
        Group { ticket, parts }
    };
    groups.into_iter().map(number).collect()
}

impl Sink {
    /// The last, incomplete row groups.
    fn last_groups(&mut self) -> (Option<Group<FactColumns>>, Option<Group<ExceptionColumns>>) {
        let facts = std::mem::take(&mut self.facts).finish().map(|parts| Group { ticket: self.next_facts, parts });
        let exceptions = std::mem::take(&mut self.exceptions).finish().map(|parts| Group { ticket: self.next_exceptions, parts });
        (facts, exceptions)
    }
}

impl GroupFile {
    fn append(&mut self, columns: Vec<EncodedColumn>) -> parquet::errors::Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let mut group = writer.next_row_group()?;
        for EncodedColumn { bytes, close } in columns {
            group.append_column(&bytes, close)?;
        }
        group.close()?;
        Ok(())
    }
}

fn finish_groups(file_name: &str, writer: SerializedFileWriter<HashedFile>) -> Result<Option<Fingerprint>, RunError> {
    let file = writer.into_inner().map_err(|error| not_encoded(file_name, error))?;
    file.finish().map_err(|error| not_written(file_name, &error))
}
