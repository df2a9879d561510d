//! The error of a failed run, which is the only error type that a run shows to people.

use std::{borrow::Cow, fmt, io};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The phases of a run, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Reads the tape: encoding, dialect, header, cells.
    Ingest,
    /// Checks required fields, readable values, repeated loan numbers.
    Validate,
    /// Checks the rules of the rule table.
    Eligibility,
    /// Computes spread and price.
    Pricing,
    /// Decides: buy, hold or reject.
    Disposition,
    /// Writes the output files and stores facts and exceptions.
    Output,
    /// Archives inputs, outputs and manifest.
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

/// Stable codes for the causes of a failed run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunErrorCode {
    /// The tape is empty.
    EmptyTape,
    /// None of the first rows is a header.
    NoHeader,
    /// The tape has a header, but no loan below it.
    NoDataRows,
    /// The header lacks required columns.
    MissingColumns,
    /// Two columns of the tape fill the same field.
    DuplicateColumns,
    /// The header has too many columns or too long a column name, or the headers of the run's tapes are too large together.
    #[serde(alias = "too_many_columns")]
    HeaderTooLarge,
    /// A column named by the profile or by the starter of the run is not in the tape, or is in it twice.
    ProfileHeaderAbsent,
    /// The profile of the tape's folder has mistakes, or does not say how the periods of a tape write dates.
    ProfileInvalid,
    /// A column holds as many fractions as percentages.
    MixedUnits,
    /// The tape has another header below the first.
    SecondHeader,
    /// Most rows have another number of fields than the header.
    RowsDoNotFit,
    /// Several worksheets hold loans.
    SeveralSheets,
    /// The workbook has no worksheet of the given name.
    SheetNotFound,
    /// A mapped column of a workbook has formulas without stored values.
    FormulasNotCalculated,
    /// The bytes are not text in the encoding of the tape.
    Undecodable,
    /// The file is not a tape, but a PDF, an archive or a picture, for example.
    NotATape,
    /// The file is in a format that is not supported, such as an Excel workbook from before Excel 97, or is too large a workbook.
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
    /// The storage failed in every attempt of the run, or a stored part of the run is missing or damaged.
    StorageFailed,
    /// The record of the run is larger than the store accepts.
    RecordTooLarge,
    /// The record of the run, or its list of tapes, cannot be read.
    RecordUnreadable,
    /// The worker stopped before the run was finished.
    WorkerLost,
    /// The engine itself failed, which is a fault of the product.
    Internal,
}

/// Longest message of an error, in characters. The message is part of the record of a run, which the store limits in size.
pub const MAX_MESSAGE_CHARACTERS: usize = 2_000;

/// Cuts a text to at most `characters` characters. A cut text ends in an ellipsis, which counts as one of them.
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
    /// An error without tape and line. The message is cut to [`MAX_MESSAGE_CHARACTERS`], because it may name things of any
    /// length.
    pub fn new(phase: Phase, code: RunErrorCode, message: impl Into<String>) -> Self {
        let message = message.into();
        let message = match shortened(&message, MAX_MESSAGE_CHARACTERS) {
            Cow::Borrowed(_) => message,
            Cow::Owned(shortened) => shortened,
        };
        Self { phase, code, message, source_file: None, line: None }
    }

    /// An error of a tape that cannot be used, in the phase `ingest`.
    pub fn ingest(code: RunErrorCode, source_file: &str, line: Option<u64>, message: impl Into<String>) -> Self {
        Self { source_file: Some(source_file.to_owned()), line, ..Self::new(Phase::Ingest, code, message) }
    }

    /// The error [`RunErrorCode::UnreadableTape`], for a tape that the storage does not return.
    pub fn unreadable(source_file: &str, error: &io::Error) -> Self {
        let message = format!("The tape could not be read: {error}. Check that it is a file you may read, then run again.");
        Self::ingest(RunErrorCode::UnreadableTape, source_file, None, message)
    }

    /// The error [`RunErrorCode::OutputFailed`]. `what` names the file, as the beginning of a sentence.
    pub fn output(phase: Phase, what: &str, error: &io::Error) -> Self {
        let message = format!("{what} could not be written: {error}. Make room or choose another place, then run again.");
        Self::new(phase, RunErrorCode::OutputFailed, message)
    }

    /// The error [`RunErrorCode::StorageFailed`], for a storage that failed in every attempt of the run.
    pub fn storage(phase: Phase) -> Self {
        let message = "The storage failed each time the run was tried: it may be full, damaged or out of reach. The tape is not \
                       at fault. Have the storage looked at, then start the run again.";
        Self::new(phase, RunErrorCode::StorageFailed, message)
    }

    /// The error [`RunErrorCode::RecordTooLarge`]. Retrying does not help, because the record keeps its size.
    pub fn record_too_large(phase: Phase) -> Self {
        let message = "The record of the run is larger than the table takes, so that its results could not be kept. Split the \
                       run: fewer tapes, or tapes of fewer columns.";
        Self::new(phase, RunErrorCode::RecordTooLarge, message)
    }

    /// The error [`RunErrorCode::RecordUnreadable`], for a damaged or missing record or list of tapes. Retrying does not help.
    pub fn record_unreadable(phase: Phase) -> Self {
        let message = "The record of the run is damaged or incomplete, so that the run cannot be done as it was asked for. The \
                       tape is not at fault. Start the run again.";
        Self::new(phase, RunErrorCode::RecordUnreadable, message)
    }

    /// The error [`RunErrorCode::WorkerLost`], for a run that no attempt finished.
    pub fn worker_lost() -> Self {
        let message = "The worker stopped, or could not reach its storage, each time the run was tried. Start the run again; if \
                       it is not finished again, see whether the worker has enough memory and room, or split the tape.";
        Self::new(Phase::Ingest, RunErrorCode::WorkerLost, message)
    }

    /// The error [`RunErrorCode::Internal`], for a fault of the engine itself.
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

/// The text of an error, followed by the texts of all its sources.
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
