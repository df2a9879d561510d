//! Workbooks (XLSX): the decisions of a run, and exports of exceptions.
//!
//! A workbook is written from front to back: each row goes as XML through the compressor to the output. Memory does not grow with
//! the number of rows, there are no temporary files, and the same input gives the same bytes.

mod decisions;
mod exceptions;
mod figures;
mod loan_list;
mod loans;
mod notes;
mod package;
mod seller_return;
mod sheet;
mod styles;
mod summary;
mod tape_order;
mod text;

use std::io::{self, Read, Seek, SeekFrom};

use zip::result::ZipError;

use crate::facts::read::ReadError;

pub use self::{
    decisions::{Stored, write_decisions},
    exceptions::{EXCEPTION_COLUMNS, ExceptionSheet},
    figures::DecidedRun,
    loan_list::{LoanListColumns, LoanListSheet},
    package::{OWN_MARK, SheetLimits, Workbook},
    seller_return::{RETURN_FILE, RETURN_MARK, ReturnError, ReturnedRun, write_seller_return},
};

/// File name of the decision workbook.
pub const WORKBOOK_FILE: &str = "decision_workbook.xlsx";

/// Whether a file is a workbook as the engine wrote it. A workbook that a user has saved again is the user's own.
///
/// # Errors
/// [`io::Error`] when the file cannot be read.
pub fn is_own_workbook<R: Read + Seek>(file: &mut R) -> io::Result<bool> {
    ends_with(file, OWN_MARK)
}

/// Whether a file is a seller return as the engine wrote it. A workbook that a seller has saved again is the seller's own.
///
/// # Errors
/// [`io::Error`] when the file cannot be read.
pub fn is_own_return<R: Read + Seek>(file: &mut R) -> io::Result<bool> {
    ends_with(file, RETURN_MARK)
}

fn ends_with<R: Read + Seek>(file: &mut R, mark: &str) -> io::Result<bool> {
    let mut end = vec![0; mark.len()];
    let size = file.seek(SeekFrom::End(0))?;
    let Some(start) = size.checked_sub(end.len() as u64) else { return Ok(false) };
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut end)?;
    Ok(end == mark.as_bytes())
}

/// Why a workbook could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WorkbookError {
    /// The results could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The stored run or its stored summary is damaged.
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
