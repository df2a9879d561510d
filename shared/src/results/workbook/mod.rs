//! Workbooks (XLSX): the decisions of a run, and exports of exceptions.
//!
//! A workbook is written from front to back: each row goes as XML through the compressor to whoever takes the file. Memory does
//! not grow with the rows, there are no temporary files, and the same input gives the same bytes.

mod decisions;
mod exceptions;
mod figures;
mod loans;
mod package;
mod sheet;
mod styles;
mod summary;
mod tape_order;
mod text;

use std::io;

use zip::result::ZipError;

use crate::facts::read::ReadError;

pub use self::{
    decisions::{Stored, write_decisions},
    exceptions::{EXCEPTION_COLUMNS, ExceptionSheet},
    figures::DecidedRun,
    package::{SheetLimits, Workbook},
};

/// The file name of the decision workbook.
pub const WORKBOOK_FILE: &str = "decision_workbook.xlsx";

/// Why there is no workbook.
#[derive(Debug, thiserror::Error)]
pub enum WorkbookError {
    /// The results could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What is stored of the run, or of its summary, is not as it was written.
    #[error("the run or its summary is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    /// The file could not be written.
    #[error("the workbook could not be written: {0}")]
    Write(#[source] io::Error),
}

impl From<io::Error> for WorkbookError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<ZipError> for WorkbookError {
    fn from(error: ZipError) -> Self {
        match error {
            ZipError::Io(error) => Self::Write(error),
            error => Self::Write(io::Error::other(error)),
        }
    }
}
