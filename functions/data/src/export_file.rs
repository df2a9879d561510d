//! Writes exceptions as CSV or as a workbook, off the async threads and in bounded memory.

use std::io::Write as _;

use api::exports::{ExportError, ExportFile, StillWanted};
use shared::{
    clock::rfc3339,
    results::{
        csv::push_text,
        workbook::{ExceptionSheet, SheetLimits, Workbook, WorkbookError},
    },
};
use tokio::runtime::Handle;

use crate::{
    exception_pages::{Batch, ExceptionPages},
    exception_query::ExceptionObject,
};

/// Number of exceptions that are read at once.
const BATCH: u64 = 8192;

/// Passes the exceptions to `write`, batch by batch, at most `limit` in all.
fn each_batch(
    wanted: &StillWanted,
    mut pages: ExceptionPages,
    limit: u64,
    runtime: &Handle,
    mut write: impl FnMut(&Batch) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut left = limit;
    while left > 0 {
        wanted.check()?;
        let next = runtime.block_on(pages.next(left.min(BATCH) as usize)).map_err(ExportError::Read)?;
        let Some(batch) = next else { break };
        write(&batch)?;
        left -= batch.rows.len() as u64;
    }
    Ok(())
}

/// Writes CSV in which no cell is a formula.
///
/// # Errors
/// [`ExportError::Read`] when the exceptions cannot be read; [`ExportError::Write`] when the file cannot be written or the client
/// has disconnected.
pub fn write_csv(file: &mut ExportFile<'_>, pages: ExceptionPages, limit: u64, runtime: &Handle) -> Result<(), ExportError> {
    writeln!(file, "{}", ExceptionObject::COLUMNS.join(","))?;
    let mut lines = Vec::new();
    each_batch(&file.wanted(), pages, limit, runtime, |batch| {
        lines.clear();
        for row in &batch.rows {
            let exception = ExceptionObject::new(&batch.known.run, row);
            for (at, cell) in cells(&exception).into_iter().enumerate() {
                if at > 0 {
                    lines.push(b',');
                }
                match cell {
                    Cell::Text(text) => push_text(&mut lines, &text),
                    Cell::Number(number) => lines.extend_from_slice(number.as_bytes()),
                }
            }
            lines.push(b'\n');
        }
        Ok(file.write_all(&lines)?)
    })
}

/// Writes a workbook with one sheet, which looks like the sheet Exceptions of a decision workbook.
///
/// # Errors
/// [`ExportError::Read`] when the exceptions cannot be read; [`ExportError::Write`] when the file cannot be written or the client
/// has disconnected; [`ExportError::Make`] when the workbook cannot be assembled.
pub fn write_xlsx(file: &mut ExportFile<'_>, pages: ExceptionPages, limit: u64, runtime: &Handle) -> Result<(), ExportError> {
    let wanted = file.wanted();
    let mut workbook = Workbook::new(file, "Exceptions", None, SheetLimits::default()).map_err(of_workbook)?;
    let mut sheet = ExceptionSheet::begin(&mut workbook, false).map_err(of_workbook)?;
    each_batch(&wanted, pages, limit, runtime, |batch| {
        let run = &batch.known.run;
        for row in &batch.rows {
            sheet.add(run.run_id, run.created_at, row).map_err(of_workbook)?;
        }
        Ok(())
    })?;
    sheet.finish().map_err(of_workbook)?;
    workbook.finish().map_err(of_workbook)
}

/// The error of an export for an error of its workbook.
pub fn of_workbook(error: WorkbookError) -> ExportError {
    match error {
        WorkbookError::Write(error) => ExportError::Write(error),
        error => ExportError::Make(Box::new(error)),
    }
}

/// A cell of an export.
enum Cell<'r> {
    Text(std::borrow::Cow<'r, str>),
    Number(String),
}

/// The cells of an exception, in the order of [`ExceptionObject::COLUMNS`].
fn cells<'r>(exception: &'r ExceptionObject<'_>) -> [Cell<'r>; ExceptionObject::COLUMNS.len()] {
    let text = |text: &'r str| Cell::Text(text.into());
    [
        text(&exception.id),
        Cell::Text(exception.run_id.to_string().into()),
        text(exception.seller_loan_number),
        text(exception.exception_type),
        text(exception.exception_category),
        text(exception.severity.as_str()),
        text(exception.message),
        text(exception.rejection_criteria),
        text(exception.field),
        text(exception.actual),
        text(exception.limit.unwrap_or_default()),
        exception.excess.map_or(text(""), |excess| Cell::Number(excess.to_string())),
        text(exception.source_file),
        Cell::Number(exception.line.to_string()),
        Cell::Number(exception.row.to_string()),
        Cell::Text(rfc3339(exception.created_at).into()),
        exception.waived.map_or(text(""), |waived| Cell::Text(waived.text().into())),
    ]
}
