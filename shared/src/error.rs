//! Why a run failed: the one error type that a run shows to people.

use std::{borrow::Cow, fmt, io};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
    /// The header has more columns than a tape may have, or a longer name of one.
    #[serde(alias = "too_many_columns")]
    HeaderTooLarge,
    /// A column that the profile, or who started the run, names is not in the tape, or is there twice.
    ProfileHeaderAbsent,
    /// The profile of the tape's folder has mistakes, or does not say how the periods of a tape write dates.
    ProfileInvalid,
    /// A column holds as many fractions as percentages.
    MixedUnits,
    /// Another header stands below the first.
    SecondHeader,
    /// Most rows have another number of fields than the header.
    RowsDoNotFit,
    /// Several worksheets hold loans.
    SeveralSheets,
    /// A worksheet that was named is not there.
    SheetNotFound,
    /// A mapped column of a workbook has formulas without values.
    FormulasNotCalculated,
    /// The bytes are no text in the encoding that the tape claims.
    Undecodable,
    /// The file is something else than a tape: a PDF, an archive, a picture.
    NotATape,
    /// The file is a tape in a form that is not read, such as an Excel workbook of before 2007.
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
    /// The record of the run is larger than the store takes.
    RecordTooLarge,
    /// The record of the run, or its list of tapes, cannot be read.
    RecordUnreadable,
    /// The worker stopped before the run was finished.
    WorkerLost,
    /// The engine itself failed.
    Internal,
}

/// The longest message of an error, in characters: it is part of the record of a run, which the store bounds.
pub const MAX_MESSAGE_CHARACTERS: usize = 2_000;

/// The beginning of a text, of at most so many characters. A text that is cut ends in an ellipsis.
pub fn shortened(text: &str, characters: usize) -> Cow<'_, str> {
    let Some((end, _)) = text.char_indices().nth(characters) else { return Cow::Borrowed(text) };
    let last = text[..end].char_indices().next_back().map_or(0, |(last, _)| last);
    Cow::Owned(format!("{}…", &text[..last]))
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
pub struct RunError {
    /// Phase that failed.
    #[schema(value_type = String, example = "ingest")]
    pub phase: Phase,
    /// Stable code of the failure, for programs, such as `missing_columns`, `not_a_tape`, `header_too_large`, `record_too_large` or
    /// `record_unreadable`.
    #[schema(value_type = String, example = "missing_columns")]
    pub code: RunErrorCode,
    /// What is wrong and how to fix it, for people: at most 2,000 characters.
    #[schema(
        example = "The required column loan_amount is missing from the header. Add it, or rename the columns that hold the same."
    )]
    pub message: String,
    /// Tape that the failure is about. Absent: the failure is about no single tape.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String, example = "february.csv")]
    pub source_file: Option<String>,
    /// Line of that tape, or row of its sheet, counted from 1. Absent: the failure is about no single line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = u64, example = 1)]
    pub line: Option<u64>,
}

impl RunError {
    /// An error whose message is within its bound, however long what it names is.
    pub fn new(phase: Phase, code: RunErrorCode, message: impl Into<String>) -> Self {
        let message = message.into();
        let message = match shortened(&message, MAX_MESSAGE_CHARACTERS) {
            Cow::Borrowed(_) => message,
            Cow::Owned(shortened) => shortened,
        };
        Self { phase, code, message, source_file: None, line: None }
    }

    /// An unusable tape.
    pub fn ingest(code: RunErrorCode, source_file: &str, line: Option<u64>, message: impl Into<String>) -> Self {
        Self { source_file: Some(source_file.to_owned()), line, ..Self::new(Phase::Ingest, code, message) }
    }

    /// A tape that the storage did not give.
    pub fn unreadable(source_file: &str, error: &io::Error) -> Self {
        let message = format!("The tape could not be read: {error}. Check that it is a file you may read, then run again.");
        Self::ingest(RunErrorCode::UnreadableTape, source_file, None, message)
    }

    /// A result that could not be written.
    pub fn output(phase: Phase, what: &str, error: &io::Error) -> Self {
        let message = format!("{what} could not be written: {error}. Make room or choose another place, then run again.");
        Self::new(phase, RunErrorCode::OutputFailed, message)
    }

    /// A storage that failed each time the run was tried.
    pub fn storage(phase: Phase) -> Self {
        let message = "The storage failed each time the run was tried: it may be full, damaged or out of reach. The tape is not \
                       at fault. Have the storage looked at, then start the run again.";
        Self::new(phase, RunErrorCode::StorageFailed, message)
    }

    /// A record that the store refuses because of its size: another try would end the same.
    pub fn record_too_large(phase: Phase) -> Self {
        let message = "The record of the run is larger than the table takes, so that its results could not be kept. Split the \
                       run: fewer tapes, or tapes of fewer columns.";
        Self::new(phase, RunErrorCode::RecordTooLarge, message)
    }

    /// A record, or a list of tapes, that is damaged or gone: another try would end the same.
    pub fn record_unreadable(phase: Phase) -> Self {
        let message = "The record of the run is damaged or incomplete, so that the run cannot be done as it was asked for. The \
                       tape is not at fault. Start the run again.";
        Self::new(phase, RunErrorCode::RecordUnreadable, message)
    }

    /// A run that was not finished, however often it was tried.
    pub fn worker_lost() -> Self {
        let message = "The worker stopped, or could not reach its storage, each time the run was tried. Start the run again; if \
                       it is not finished again, see whether the worker has enough memory and room, or split the tape.";
        Self::new(Phase::Ingest, RunErrorCode::WorkerLost, message)
    }

    /// A failure of the engine itself.
    pub fn internal(phase: Phase, message: impl Into<String>) -> Self {
        Self::new(phase, RunErrorCode::Internal, message)
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

/// An error with everything that led to it.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_between_characters_at_its_bound() {
        for letter in ["a", "é", "\u{1F3E0}"] {
            let fits = letter.repeat(MAX_MESSAGE_CHARACTERS);
            assert_eq!(RunError::internal(Phase::Ingest, fits.clone()).message, fits);
            let longer = RunError::ingest(RunErrorCode::NoHeader, "t.csv", None, format!("{fits}{letter}")).message;
            assert_eq!(longer, format!("{}…", letter.repeat(MAX_MESSAGE_CHARACTERS - 1)));
            assert_eq!(longer.chars().count(), MAX_MESSAGE_CHARACTERS);
        }
    }

    #[test]
    fn an_error_of_an_earlier_version_is_read() {
        let json = r#"{"phase":"ingest","code":"too_many_columns","message":"Too many."}"#;
        assert_eq!(serde_json::from_str::<RunError>(json).unwrap().code, RunErrorCode::HeaderTooLarge);
    }
}
