//! Why a run failed: the one error type that a run shows to people.

use std::{fmt, io};

use serde::{Deserialize, Serialize};

/// The phases of a run, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Reading the tape: encoding, dialect, header, cells.
    Ingest,
    /// Required fields, readable values, repeated loan numbers.
    Validate,
    /// The rule table.
    Eligibility,
    /// Spread and price.
    Pricing,
    /// Buy, hold or turn down.
    Disposition,
    /// The four output files, and the stored facts and exceptions.
    Output,
    /// Inputs, outputs and manifest, kept together.
    Archive,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingest => "ingest",
            Self::Validate => "validate",
            Self::Eligibility => "eligibility",
            Self::Pricing => "pricing",
            Self::Disposition => "disposition",
            Self::Output => "output",
            Self::Archive => "archive",
        })
    }
}

/// What made a run fail: stable codes, one line each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunErrorCode {
    /// The tape holds nothing.
    EmptyTape,
    /// None of the first rows names the columns.
    NoHeader,
    /// There is a header, but no loan below it.
    NoDataRows,
    /// The header lacks required columns.
    MissingColumns,
    /// Two columns mean the same canonical column.
    DuplicateColumns,
    /// The header has more columns than a tape may have.
    TooManyColumns,
    /// The bytes are no text in the encoding that the tape claims.
    Undecodable,
    /// The file is neither CSV nor XLSX.
    UnsupportedFormat,
    /// The workbook is damaged.
    CorruptWorkbook,
    /// The workbook is encrypted.
    PasswordProtected,
    /// The workbook unpacks to more than is allowed.
    DecompressionBomb,
    /// The tape could not be read.
    UnreadableTape,
    /// The tape changed while it was read.
    TapeChanged,
    /// A result could not be written.
    OutputFailed,
    /// The storage did not do its part, however often the run was tried.
    StorageFailed,
    /// The worker stopped before the run was finished.
    WorkerLost,
    /// The engine itself failed.
    Internal,
}

/// Why a run failed. The message says what to fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct RunError {
    /// The phase that failed.
    pub phase: Phase,
    /// The stable code.
    pub code: RunErrorCode,
    /// One plain sentence: what, where, how to mend it.
    pub message: String,
    /// The tape that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_file: Option<String>,
    /// The line that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

impl RunError {
    /// An unusable tape.
    pub fn ingest(code: RunErrorCode, source_file: &str, line: Option<u64>, message: impl Into<String>) -> Self {
        Self { phase: Phase::Ingest, code, message: message.into(), source_file: Some(source_file.to_owned()), line }
    }

    /// A tape that the storage did not give.
    pub fn unreadable(source_file: &str, error: &io::Error) -> Self {
        let message = format!("The tape could not be read: {error}. Check that it is a file you may read, then run again.");
        Self::ingest(RunErrorCode::UnreadableTape, source_file, None, message)
    }

    /// A result that could not be written.
    pub fn output(phase: Phase, what: &str, error: &io::Error) -> Self {
        let message = format!("{what} could not be written: {error}. Make room or choose another place, then run again.");
        Self { phase, code: RunErrorCode::OutputFailed, message, source_file: None, line: None }
    }

    /// A storage that failed each time the run was tried.
    pub fn storage(phase: Phase) -> Self {
        let message = "The storage failed each time the run was tried: it may be full, damaged or out of reach. The tape is not \
                       at fault. Have the storage looked at, then start the run again.";
        Self { phase, code: RunErrorCode::StorageFailed, message: message.to_owned(), source_file: None, line: None }
    }

    /// A worker that stopped each time the run was tried.
    pub fn worker_lost() -> Self {
        let message = "The worker stopped before the run was finished, each time it was tried. Start the run again; if it stops \
                       again, see whether the worker has enough memory and room, or split the tape.";
        let phase = Phase::Ingest;
        Self { phase, code: RunErrorCode::WorkerLost, message: message.to_owned(), source_file: None, line: None }
    }

    /// A failure of the engine itself.
    pub fn internal(phase: Phase, message: impl Into<String>) -> Self {
        Self { phase, code: RunErrorCode::Internal, message: message.into(), source_file: None, line: None }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.source_file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}, line {line}: {}", self.message),
            (Some(file), None) => write!(f, "{file}: {}", self.message),
            (None, _) => f.write_str(&self.message),
        }
    }
}
