//! Runs of the engine in memory, for tests that check the results.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    sync::{Arc, Mutex},
};

use jiff::civil::Date;
use shared::{
    engine::{
        Destination, Job, Outcome, Tuning,
        distribute::{PartStore, run_in_parts},
        run,
    },
    error::RunError,
    phases::pricing::IrrTarget,
    rules::rule_set::RuleSet,
    tape::{
        options::TapeOptions,
        source::{MemorySource, TapeSource},
        text::RawCopy,
    },
};

/// The header of a tape with the canonical columns.
pub const HEADER: &str = "seller_loan_number,loan_amount,note_rate,ltv_ratio,dti_ratio,credit_score,property_type,\
                          occupancy_status,loan_purpose,purchase_price,appraisal_value";

/// The cells of a loan that is bought, without its loan number.
pub const GOOD_CELLS: &str = "250000,6.5,80,35,720,sfr,primary,purchase,312500,312500";

/// Content of files by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Result files in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryFolder {
    files: Arc<Mutex<Files>>,
}

struct MemoryFile(MemoryFolder, String);

impl Write for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.files.lock().unwrap().entry(self.1.clone()).or_default().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MemoryFolder {
    pub fn files(&self) -> Files {
        self.files.lock().unwrap().clone()
    }
}

impl Destination for MemoryFolder {
    fn create(&self, file_name: &str) -> io::Result<Box<dyn Write + Send>> {
        self.files.lock().unwrap().insert(file_name.to_owned(), Vec::new());
        Ok(Box::new(MemoryFile(self.clone(), file_name.to_owned())))
    }

    fn archive_tape(&self, source_file: &str) -> io::Result<Option<RawCopy>> {
        Ok(Some(Box::new(MemoryFile(self.clone(), format!("archive/{source_file}")))))
    }
}

/// Files of the parts of a run, in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryParts(pub Arc<Mutex<Files>>);

/// A file that appears when it is flushed.
struct Pending(MemoryParts, String, Vec<u8>);

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.2.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.0.lock().unwrap().insert(self.1.clone(), self.2.clone());
        Ok(())
    }
}

impl PartStore for MemoryParts {
    fn create(&self, name: &str) -> io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(Pending(self.clone(), name.to_owned(), Vec::new())))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let bytes = self.0.lock().unwrap().get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(io::Cursor::new(bytes)))
    }
}

/// Everything that a run gives, in a form that can be compared: its files and its outcome as text, or its error.
pub type Given = Result<(Files, String), RunError>;

/// Collects what a run gave.
pub fn given(folder: &MemoryFolder, outcome: Result<Outcome, RunError>) -> Given {
    let outcome = outcome?;
    let found = format!("{:?} {:?}", outcome.summary.reasons(), outcome.samples());
    let Outcome { summary, mappings, inputs, outputs, stored, index, notices } = outcome;
    let summary = serde_json::to_string(&summary.finish()).unwrap()
        + &String::from_utf8(summary.exception_summary_rows()).unwrap()
        + &found;
    Ok((folder.files(), format!("{summary} {mappings:?} {inputs:?} {outputs:?} {stored:?} {index:?} {notices:?}")))
}

/// Calls `then` with a job of tapes, given as name and bytes.
pub fn with_job<R>(
    tapes: &[(&str, &[u8])],
    folder: Option<&MemoryFolder>,
    tuning: Tuning,
    then: impl FnOnce(&Job<'_>) -> R,
) -> R {
    with_options(tapes, &TapeOptions::default(), folder, tuning, then)
}

/// Calls `then` with a job of tapes that are read with these options.
pub fn with_options<R>(
    tapes: &[(&str, &[u8])],
    options: &TapeOptions,
    folder: Option<&MemoryFolder>,
    tuning: Tuning,
    then: impl FnOnce(&Job<'_>) -> R,
) -> R {
    let source = |(name, bytes): &(&str, &[u8])| Box::new(MemorySource::new(*name, *bytes)) as Box<dyn TapeSource>;
    let tapes: Vec<_> = tapes.iter().map(source).collect();
    let destination = folder.map(|folder| folder as &dyn Destination);
    let (rules, irr_target) = (RuleSet::built_in(), IrrTarget::DEFAULT);
    then(&Job {
        tapes: &tapes,
        options,
        rules,
        irr_target,
        pdate: jiff::civil::date(2026, 2, 2),
        waivers: None,
        destination,
        progress: &|_| {},
        tuning,
    })
}

/// What a run in parts of `part_bytes` bytes gives.
pub fn in_parts(tapes: &[(&str, &[u8])], part_bytes: u64, tuning: Tuning) -> Given {
    in_parts_with(tapes, &TapeOptions::default(), part_bytes, tuning)
}

/// What a run in parts of `part_bytes` bytes gives when its tapes are read with these options.
pub fn in_parts_with(tapes: &[(&str, &[u8])], options: &TapeOptions, part_bytes: u64, tuning: Tuning) -> Given {
    let (folder, parts) = (MemoryFolder::default(), MemoryParts::default());
    given(&folder, with_options(tapes, options, Some(&folder), tuning, |job| run_in_parts(job, part_bytes, &parts)))
}

/// A finished run and its files.
pub struct Finished {
    /// What the engine returned.
    pub outcome: Outcome,
    /// Files that the engine wrote, by name; archived tapes are under `archive/`.
    pub files: Files,
}

impl Finished {
    /// The rows of an output file, each with its cells by column name.
    pub fn rows(&self, file_name: &str) -> Vec<BTreeMap<String, String>> {
        let mut reader = csv::Reader::from_reader(self.files[file_name].as_slice());
        let header = reader.headers().unwrap().clone();
        let cells = |row: csv::StringRecord| header.iter().map(str::to_owned).zip(row.iter().map(str::to_owned)).collect();
        reader.records().map(|row| cells(row.unwrap())).collect()
    }

    /// The rejection report as (loan number, exception type, message).
    pub fn rejections(&self) -> Vec<(String, String, String)> {
        let cell = |row: &BTreeMap<String, String>, name: &str| row[name].clone();
        let rows = self.rows("rejection_report.csv");
        rows.iter().map(|r| (cell(r, "seller_loan_number"), cell(r, "exception_type"), cell(r, "message"))).collect()
    }
}

/// Runs tapes, given as name and bytes.
pub fn run_tapes(tapes: &[(&str, &[u8])], rules: &RuleSet, tuning: Tuning) -> Result<Finished, RunError> {
    run_tapes_on(tapes, rules, jiff::civil::date(2026, 2, 2), tuning)
}

/// Runs tapes whose loans are bought on a date.
pub fn run_tapes_on(tapes: &[(&str, &[u8])], rules: &RuleSet, pdate: Date, tuning: Tuning) -> Result<Finished, RunError> {
    let source = |(name, bytes): &(&str, &[u8])| Box::new(MemorySource::new(*name, *bytes)) as Box<dyn TapeSource>;
    let tapes: Vec<_> = tapes.iter().map(source).collect();
    let folder = MemoryFolder::default();
    let destination: Option<&dyn Destination> = Some(&folder);
    let outcome = run(&Job {
        tapes: &tapes,
        options: &TapeOptions::default(),
        rules,
        irr_target: IrrTarget::DEFAULT,
        pdate,
        waivers: None,
        destination,
        progress: &|_| {},
        tuning,
    })?;
    Ok(Finished { outcome, files: folder.files() })
}

/// Runs one tape with the built-in rules.
pub fn run_tape(bytes: impl AsRef<[u8]>) -> Result<Finished, RunError> {
    run_tapes(&[("tape.csv", bytes.as_ref())], RuleSet::built_in(), Tuning { threads: 2, block_bytes: 64 * 1024 })
}
