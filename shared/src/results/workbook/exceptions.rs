//! The sheet of exceptions: the last sheet of a decision workbook, and the only sheet of an export.

use std::{io::Write, sync::LazyLock};

use jiff::Timestamp;
use uuid::Uuid;

use crate::{clock::rfc3339, facts::read::ExceptionRow, waivers::WaivedBy};

use super::{
    WorkbookError,
    package::Workbook,
    sheet::{Sheet, SheetColumn},
    styles::CellStyle,
};

/// The columns of an export of exceptions: the members of an exception in the API, in order.
pub const EXCEPTION_COLUMNS: [&str; 17] = [
    "id",
    "run_id",
    "seller_loan_number",
    "exception_type",
    "exception_category",
    "severity",
    "message",
    "rejection_criteria",
    "field",
    "actual",
    "limit",
    "excess",
    "source_file",
    "line",
    "row",
    "created_at",
    "waived",
];

/// Widths of the columns, in characters.
const WIDTHS: [u16; 17] = [42, 38, 20, 24, 20, 10, 60, 28, 18, 16, 24, 12, 24, 10, 10, 24, 40];

static COLUMNS: LazyLock<Vec<SheetColumn>> =
    LazyLock::new(|| EXCEPTION_COLUMNS.into_iter().zip(WIDTHS).map(|(name, width)| SheetColumn::new(name, width)).collect());

/// The columns of a run whose rule set has programs.
static COLUMNS_WITH_PROGRAM: LazyLock<Vec<SheetColumn>> = LazyLock::new(|| {
    let mut columns = COLUMNS.clone();
    let place = EXCEPTION_COLUMNS.iter().position(|name| *name == "source_file").unwrap_or(columns.len());
    columns.insert(place, SheetColumn::new("program", 16));
    columns
});

/// A sheet of exceptions that is being written.
pub struct ExceptionSheet<'w, W: Write> {
    sheet: Sheet<'w, W>,
    programs: bool,
}

impl<'w, W: Write> ExceptionSheet<'w, W> {
    /// Begins the sheet, with or without the column of programs.
    ///
    /// # Errors
    /// [`WorkbookError::Write`] when the output cannot be written.
    pub fn begin(workbook: &'w mut Workbook<W>, programs: bool) -> Result<Self, WorkbookError> {
        let columns = if programs { &COLUMNS_WITH_PROGRAM } else { &COLUMNS };
        Ok(Self { sheet: workbook.table("Exceptions", columns)?, programs })
    }

    /// Appends an exception of a run.
    ///
    /// # Errors
    /// [`WorkbookError::Write`] when the output cannot be written.
    pub fn add(&mut self, run_id: Uuid, created_at: Timestamp, exception: &ExceptionRow) -> Result<(), WorkbookError> {
        self.sheet.row(|row| {
            row.text(CellStyle::Plain, &format!("{run_id}-{}", exception.ordinal));
            row.text(CellStyle::Plain, &run_id.to_string());
            row.text(CellStyle::Code, &exception.seller_loan_number);
            for text in [
                &exception.exception_type,
                &exception.exception_category,
                exception.severity.as_str(),
                &exception.message,
                &exception.rejection_criteria,
                &exception.field,
                &exception.actual,
                exception.limit.as_deref().unwrap_or_default(),
            ] {
                row.text(CellStyle::Plain, text);
            }
            match exception.excess {
                Some(excess) => row.decimal(CellStyle::Plain, excess),
                None => row.skip(),
            }
            if self.programs {
                row.text(CellStyle::Plain, exception.program.iter().flatten().next().map_or("", String::as_str));
            }
            row.text(CellStyle::Plain, &exception.source_file);
            row.count(CellStyle::Whole, exception.line);
            row.count(CellStyle::Whole, exception.row);
            row.text(CellStyle::Plain, &rfc3339(created_at));
            row.text(CellStyle::Plain, &exception.waived.as_ref().map(WaivedBy::text).unwrap_or_default());
        })
    }

    /// Ends the sheet.
    ///
    /// # Errors
    /// [`WorkbookError::Write`] when the output cannot be written.
    pub fn finish(self) -> Result<(), WorkbookError> {
        self.sheet.finish()
    }
}
