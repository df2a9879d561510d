//! Writing exceptions as CSV or as a workbook, off the async threads and in bounded memory.

use std::io::Write as _;

use rust_xlsxwriter::{Workbook, XlsxError};
use shared::{
    api::exports::{ExportError, ExportFile},
    clock::rfc3339,
    results::csv::push_text,
};
use tokio::runtime::Handle;

use crate::{
    exception_pages::{Batch, ExceptionPages},
    exception_query::ExceptionObject,
};

/// How many exceptions are read at once.
const BATCH: u64 = 8192;
/// The longest text of a cell of a workbook, in UTF-16 units.
const MAX_CELL: usize = 32_767;

/// The exceptions up to a number, batch by batch.
fn each_batch(
    file: &mut ExportFile<'_>,
    mut pages: ExceptionPages,
    limit: u64,
    runtime: &Handle,
    mut write: impl FnMut(&mut ExportFile<'_>, &Batch) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut left = limit;
    while left > 0 {
        // A workbook is written to the file when all of it has been read.
        file.check_wanted()?;
        let next = runtime.block_on(pages.next(left.min(BATCH) as usize)).map_err(ExportError::Read)?;
        let Some(batch) = next else { break };
        write(file, &batch)?;
        left -= batch.rows.len() as u64;
    }
    Ok(())
}

/// Writes CSV, in which nothing is a formula.
///
/// # Errors
/// The exceptions cannot be read, or the file cannot be written.
pub fn write_csv(file: &mut ExportFile<'_>, pages: ExceptionPages, limit: u64, runtime: &Handle) -> Result<(), ExportError> {
    writeln!(file, "{}", ExceptionObject::COLUMNS.join(","))?;
    let mut lines = Vec::new();
    each_batch(file, pages, limit, runtime, |file, batch| {
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

/// Writes a workbook. Its texts are no formulas, whatever they begin with.
///
/// # Errors
/// The exceptions cannot be read, or the file cannot be written.
pub fn write_xlsx(file: &mut ExportFile<'_>, pages: ExceptionPages, limit: u64, runtime: &Handle) -> Result<(), ExportError> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet_with_constant_memory().map_err(of_workbook)?;
    sheet.set_name("exceptions").map_err(of_workbook)?;
    for (column, name) in (0..).zip(ExceptionObject::COLUMNS) {
        sheet.write_string(0, column, name).map_err(of_workbook)?;
    }
    let mut line = 0;
    each_batch(file, pages, limit, runtime, |_, batch| {
        for row in &batch.rows {
            line += 1;
            let exception = ExceptionObject::new(&batch.known.run, row);
            for (column, cell) in (0..).zip(cells(&exception)) {
                match cell {
                    Cell::Text(text) if text.is_empty() => {}
                    Cell::Text(text) => {
                        sheet.write_string(line, column, shortened(&text)).map_err(of_workbook)?;
                    }
                    Cell::Number(number) => {
                        if let Ok(number) = number.parse::<f64>() {
                            sheet.write_number(line, column, number).map_err(of_workbook)?;
                        }
                    }
                }
            }
        }
        Ok(())
    })?;
    workbook.save_to_writer(file).map_err(of_workbook)
}

/// What an error of a workbook means.
fn of_workbook(error: XlsxError) -> ExportError {
    match error {
        XlsxError::IoError(error) => ExportError::Write(error),
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
        text(exception.limit),
        exception.excess.map_or(text(""), |excess| Cell::Number(excess.to_string())),
        text(exception.source_file),
        Cell::Number(exception.line.to_string()),
        Cell::Text(rfc3339(exception.created_at).into()),
    ]
}

/// As much of a text as a cell takes.
fn shortened(text: &str) -> &str {
    let mut units = 0;
    let end = text.char_indices().find(|(_, c)| {
        units += c.len_utf16();
        units > MAX_CELL
    });
    end.map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_a_cell_ends() {
        assert_eq!(shortened("abc"), "abc");
        assert_eq!(shortened(&"x".repeat(MAX_CELL)).len(), MAX_CELL);
        assert_eq!(shortened(&"x".repeat(MAX_CELL + 1)).len(), MAX_CELL);
        assert_eq!(shortened(&"\u{1F3E0}".repeat(MAX_CELL)).encode_utf16().count(), MAX_CELL - 1);
    }
}
