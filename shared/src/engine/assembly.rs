//! Puts results together: files, row groups and sums. Judged blocks come in any order and are appended in tape order.

use std::{
    io::{self, Write},
    iter::{Enumerate, Peekable},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    vec,
};

use parquet::file::writer::SerializedFileWriter;
use sha2::{Digest, Sha256};

use crate::{
    error::{Phase, RunError, RunErrorCode},
    facts::{
        EXCEPTIONS_FILE, FACTS_FILE,
        columns::FactColumns,
        encode::{FileSchema, GroupCollector, GroupPart, Rows},
        exception_columns::ExceptionColumns,
        index::{ResultsIndex, count_exceptions, count_facts},
        pages::EncodedColumn,
    },
    results::{
        outputs::{LoanRows, OUTPUTS},
        summary::SummaryBuilder,
    },
    rules::{kinds::Kinds, rule_set::RuleSet},
    tape::{
        TapeMapping,
        notices::{Notice, Notices},
        text::Fingerprint,
    },
};

use super::{Destination, Job, Outcome, Progress, block::JudgedBlock, turnstile::Turnstile};

/// The results of a run while they are put together.
pub struct Assembly<'r> {
    job: &'r Job<'r>,
    names: Vec<String>,
    total_bytes: u64,
    results: Turnstile<Results>,
    facts: Turnstile<GroupFile>,
    exceptions: Turnstile<GroupFile>,
    schemas: Schemas,
    spare: Spare,
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

/// Results that are appended in tape order.
struct Results {
    summary: SummaryBuilder,
    /// Number of loans of each tape.
    loans: Vec<u64>,
    notices: Notices,
    /// Notices about tapes as a whole, for the tapes without an appended block so far.
    tapes: Peekable<Enumerate<vec::IntoIter<Vec<Notice>>>>,
    sink: Option<Sink>,
}

/// The output files, and the rows of row groups that are not yet full.
struct Sink {
    /// In the order of [`OUTPUTS`]; `None` for a file that runs under the rule set do not have.
    outputs: Vec<Option<HashedFile>>,
    facts: GroupCollector<FactColumns>,
    exceptions: GroupCollector<ExceptionColumns>,
    /// Number of loans of the blocks so far: the place in the run of the next loan.
    loans: u64,
    next_facts: u64,
    next_exceptions: u64,
}

/// A Parquet file to which row groups are appended.
#[derive(Default)]
struct GroupFile {
    writer: Option<SerializedFileWriter<HashedFile>>,
    index: ResultsIndex,
}

/// A file that is hashed while it is written.
struct HashedFile {
    out: Box<dyn Write + Send>,
    hash: Option<Sha256>,
    size: u64,
}

impl HashedFile {
    fn create(destination: &dyn Destination, file_name: &str) -> Result<Self, RunError> {
        let out = destination.create(file_name).map_err(|error| not_written(file_name, &error))?;
        Ok(Self { out, hash: destination.keeps_records().then(Sha256::new), size: 0 })
    }

    /// Flushes the file. Returns its fingerprint, when the destination keeps records.
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
    fn new(destination: &dyn Destination, rules: &RuleSet) -> Result<Self, RunError> {
        let mut outputs = Vec::with_capacity(OUTPUTS.len());
        for output in &OUTPUTS {
            if !output.is_of(rules) {
                outputs.push(None);
                continue;
            }
            let mut out = HashedFile::create(destination, output.file_name)?;
            out.write_all(&output.header(rules)).map_err(|error| not_written(output.file_name, &error))?;
            outputs.push(Some(out));
        }
        Ok(Self {
            outputs,
            facts: GroupCollector::default(),
            exceptions: GroupCollector::default(),
            loans: 0,
            next_facts: 0,
            next_exceptions: 0,
        })
    }

    fn write(&mut self, rows: &LoanRows) -> Result<(), RunError> {
        for ((output, out), bytes) in OUTPUTS.iter().zip(&mut self.outputs).zip(rows.each()) {
            if let Some(out) = out.as_mut().filter(|_| !bytes.is_empty()) {
                out.write_all(bytes).map_err(|error| not_written(output.file_name, &error))?;
            }
        }
        Ok(())
    }
}

/// A row group to encode. The ticket is its place among the row groups of its file.
struct RowGroup<C> {
    ticket: u64,
    parts: Vec<GroupPart<C>>,
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

impl<'r> Assembly<'r> {
    /// Opens the files of a job. `tapes` lists the name of each tape and the notices about it as a whole.
    ///
    /// # Errors
    /// [`RunErrorCode::OutputFailed`] when a file cannot be created or written.
    pub fn new(job: &'r Job<'r>, tapes: Vec<(String, Vec<Notice>)>) -> Result<Self, RunError> {
        let (names, notices): (Vec<String>, Vec<Vec<Notice>>) = tapes.into_iter().unzip();
        let sink = job.destination.map(|destination| Sink::new(destination, job.rules)).transpose()?;
        let mut summary = SummaryBuilder::default();
        summary.begin_pools(job.rules, job.pdate);
        summary.begin_waivers(job.waivers);
        let assembly = Self {
            job,
            total_bytes: job.tapes.iter().map(|source| source.size()).sum(),
            results: Turnstile::new(Results {
                summary,
                loans: vec![0; names.len()],
                notices: Notices::of_left_out(&job.options.left_out),
                tapes: notices.into_iter().enumerate().peekable(),
                sink,
            }),
            facts: Turnstile::new(GroupFile::default()),
            exceptions: Turnstile::new(GroupFile::default()),
            schemas: Schemas::new()?,
            spare: Spare::new(job.tuning.threads),
            names,
        };
        if let Some(destination) = job.destination {
            assembly.start_files(destination)?;
        }
        Ok(assembly)
    }

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

    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// An empty or used buffer for the rows of a block.
    pub fn room(&self) -> LoanRows {
        self.spare.take()
    }

    /// Waits for the block's turn, appends it, and encodes the row groups that it completes. `bytes` is the number of bytes of
    /// the tapes read so far. `None` when the run has failed elsewhere.
    ///
    /// # Errors
    /// [`RunErrorCode::OutputFailed`] when a file cannot be written. [`RunErrorCode::Internal`] when a row group cannot be
    /// encoded.
    pub fn append(&self, ticket: u64, judged: JudgedBlock, bytes: &AtomicU64) -> Result<Option<()>, RunError> {
        let Some(groups) = self.results.pass(ticket, |results| results.append(judged, self, bytes)) else { return Ok(None) };
        let (facts, exceptions) = groups?;
        self.encode_facts(facts)?;
        self.encode_exceptions(exceptions)?;
        Ok(Some(()))
    }

    /// Ends the waiting of all workers, because the run has failed.
    pub fn close(&self) {
        self.results.close();
        self.facts.close();
        self.exceptions.close();
    }

    fn encode_facts(&self, groups: Vec<RowGroup<FactColumns>>) -> Result<(), RunError> {
        for RowGroup { ticket, parts } in groups {
            let counts = count_facts(&parts);
            let columns =
                FactColumns::encode(&parts, &self.schemas.facts, &self.names).map_err(|e| not_encoded(FACTS_FILE, e))?;
            drop(parts);
            let appended = self.facts.pass(ticket, |file| {
                file.index.facts.push(counts);
                file.append(columns).map_err(|error| not_encoded(FACTS_FILE, error))
            });
            appended.unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    fn encode_exceptions(&self, groups: Vec<RowGroup<ExceptionColumns>>) -> Result<(), RunError> {
        for RowGroup { ticket, parts } in groups {
            let counts = count_exceptions(&parts);
            let mut kinds = Kinds::default();
            parts.iter().flat_map(|part| part.columns.kinds.iter()).for_each(|kind| kinds.note(kind));
            let columns = ExceptionColumns::encode(&parts, &self.schemas.exceptions, &self.names);
            let columns = columns.map_err(|error| not_encoded(EXCEPTIONS_FILE, error))?;
            drop(parts);
            let appended = self.exceptions.pass(ticket, |file| {
                file.index.exceptions.push(counts);
                file.index.note(&kinds);
                file.append(columns).map_err(|error| not_encoded(EXCEPTIONS_FILE, error))
            });
            appended.unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    /// Ends the files, once all blocks are appended. `inputs` are the names and fingerprints of the files read, `mappings` how
    /// the tapes were read.
    ///
    /// # Errors
    /// [`RunErrorCode::NoDataRows`] when a tape has no loan. [`RunErrorCode::OutputFailed`] when a file cannot be written.
    /// [`RunErrorCode::Internal`] when a row group cannot be encoded or a worker has panicked.
    pub fn finish(self, inputs: Vec<(String, Fingerprint)>, mappings: Vec<TapeMapping>) -> Result<Outcome, RunError> {
        let lost = || RunError::internal(Phase::Output, "A worker of the engine stopped. Please report this run.");
        let (summary, last, loans, notices) = self
            .results
            .visit(|results| {
                let last = results.sink.as_mut().map(Sink::last_groups);
                results.notices.finish();
                let notices = std::mem::take(&mut results.notices);
                (std::mem::take(&mut results.summary), last, std::mem::take(&mut results.loans), notices)
            })
            .ok_or_else(lost)?;
        check_loans(&loans, &mappings)?;
        if let Some((facts, exceptions)) = last {
            self.encode_facts(facts.into_iter().collect())?;
            self.encode_exceptions(exceptions.into_iter().collect())?;
        }
        let facts = self.facts.into_state().ok_or_else(lost)?;
        let exceptions = self.exceptions.into_state().ok_or_else(lost)?;
        let programs = self.job.rules.programs().iter().map(|program| program.name.clone()).collect();
        let index = ResultsIndex { facts: facts.index.facts.clone(), programs, ..exceptions.index.clone() };
        let (mut outputs, mut stored) = (Vec::new(), Vec::new());
        if let Some(sink) = self.results.into_state().ok_or_else(lost)?.sink {
            for (output, out) in OUTPUTS.iter().zip(sink.outputs) {
                let Some(mut out) = out else { continue };
                let written = out.write_all(&output.summary_rows(&summary)).and_then(|()| out.finish());
                let fingerprint = written.map_err(|error| not_written(output.file_name, &error))?;
                outputs.extend(fingerprint.map(|fingerprint| (output, fingerprint)));
            }
            for (file_name, file) in [(FACTS_FILE, facts), (EXCEPTIONS_FILE, exceptions)] {
                if let Some(writer) = file.writer {
                    let fingerprint = finish_groups(file_name, writer)?;
                    stored.extend(fingerprint.map(|fingerprint| (file_name, fingerprint)));
                }
            }
        }
        Ok(Outcome { summary, mappings, inputs, outputs, stored, index, notices })
    }
}

/// Checks that every tape has at least one loan. `loans` is the number of loans of each tape.
///
/// # Errors
/// [`RunErrorCode::NoDataRows`] for the first tape without one.
pub fn check_loans(loans: &[u64], mappings: &[TapeMapping]) -> Result<(), RunError> {
    let Some((_, mapping)) = loans.iter().zip(mappings).find(|(loans, _)| **loans == 0) else { return Ok(()) };
    let message = "There is a header, but no loan below it. Send the tape again with a row per loan.";
    Err(RunError::ingest(RunErrorCode::NoDataRows, &mapping.source_file, Some(mapping.header_line), message))
}

/// Used row buffers, kept for reuse. At most one is kept for each worker: in the last step of a run in parts, blocks bring their
/// own buffers and take none from here.
struct Spare {
    rows: Mutex<Vec<LoanRows>>,
    most: usize,
}

impl Spare {
    fn new(most: usize) -> Self {
        Self { rows: Mutex::default(), most }
    }

    fn keep(&self, rows: LoanRows) {
        if let Ok(mut spare) = self.rows.lock()
            && spare.len() < self.most
        {
            spare.push(rows);
        }
    }

    fn take(&self) -> LoanRows {
        self.rows.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default()
    }
}

type Groups = (Vec<RowGroup<FactColumns>>, Vec<RowGroup<ExceptionColumns>>);

impl Results {
    /// Appends a block. Returns the row groups that are now full.
    fn append(&mut self, mut judged: JudgedBlock, assembly: &Assembly<'_>, bytes: &AtomicU64) -> Result<Groups, RunError> {
        self.summary.merge(&judged.summary);
        self.loans[judged.tape] += judged.summary.total_loans();
        while let Some((tape, notices)) = self.tapes.next_if(|(tape, _)| *tape <= judged.tape) {
            self.notices.begin_tape(&assembly.names[tape], notices);
        }
        self.notices.add_block(judged.notices);
        (assembly.job.progress)(Progress {
            loans: self.summary.total_loans(),
            bytes: bytes.load(Ordering::Relaxed),
            total_bytes: assembly.total_bytes,
        });
        let Some(sink) = &mut self.sink else { return Ok((Vec::new(), Vec::new())) };
        sink.write(&judged.rows)?;
        assembly.spare.keep(judged.rows);
        judged.exceptions.first_row = sink.loans;
        sink.loans += judged.facts.len() as u64;
        let facts = numbered(sink.facts.add(judged.facts), &mut sink.next_facts);
        let exceptions = numbered(sink.exceptions.add(judged.exceptions), &mut sink.next_exceptions);
        Ok((facts, exceptions))
    }
}

fn numbered<C>(groups: Vec<Vec<GroupPart<C>>>, next: &mut u64) -> Vec<RowGroup<C>> {
    let number = |parts| {
        let ticket = *next;
        *next += 1;
        RowGroup { ticket, parts }
    };
    groups.into_iter().map(number).collect()
}

impl Sink {
    /// The last, incomplete row groups.
    fn last_groups(&mut self) -> (Option<RowGroup<FactColumns>>, Option<RowGroup<ExceptionColumns>>) {
        let facts = std::mem::take(&mut self.facts).finish().map(|parts| RowGroup { ticket: self.next_facts, parts });
        let exceptions =
            std::mem::take(&mut self.exceptions).finish().map(|parts| RowGroup { ticket: self.next_exceptions, parts });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_buffers_are_kept_than_there_are_workers() {
        let spare = Spare::new(2);
        for _ in 0..10 {
            spare.keep(LoanRows::default());
        }
        assert_eq!(spare.rows.lock().unwrap().len(), 2);
    }
}
