//! Writing exceptions as CSV or as a workbook, off the async threads and in bounded memory.

use std::io::{self, Write};

use shared::{
    api::problem::ApiError,
    resources::MAX_ANSWER_BYTES,
    results::{
        csv::push_text,
        workbook::{ExceptionSheet, SheetLimits, Workbook, WorkbookError},
    },
    storage::uploads::Uploads,
};
use tokio::runtime::Handle;

use crate::{
    exception_pages::{Batch, ExceptionPages},
    exception_query::ExceptionObject,
};

/// How many exceptions are read at once.
const BATCH: u64 = 8192;

/// Why there is no file.
pub enum ExportError {
    /// The exceptions could not be read.
    Read(ApiError),
    /// The file could not be written.
    Write(io::Error),
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<WorkbookError> for ExportError {
    fn from(error: WorkbookError) -> Self {
        match error {
            WorkbookError::Write(error) => Self::Write(error),
            error => Self::Write(io::Error::other(error)),
        }
    }
}

/// A file that is kept in memory as long as it is small enough for an answer, and goes to the storage from then on.
pub struct Spill<'u> {
    uploads: &'u Uploads,
    name: &'static str,
    memory: Vec<u8>,
    spilled: Option<Box<dyn Write + Send>>,
}

/// What became of a file.
pub enum Made {
    /// All of it.
    Whole(Vec<u8>),
    /// It is on its way to the storage.
    Spilled,
}

impl<'u> Spill<'u> {
    /// Nothing yet.
    pub fn new(uploads: &'u Uploads, name: &'static str) -> Self {
        Self { uploads, name, memory: Vec::new(), spilled: None }
    }

    /// Says that the file is whole.
    ///
    /// # Errors
    /// The storage does not take it.
    pub fn finish(self) -> io::Result<Made> {
        match self.spilled {
            Some(mut upload) => upload.flush().map(|()| Made::Spilled),
            None => Ok(Made::Whole(self.memory)),
        }
    }
}

impl Write for Spill<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(upload) = &mut self.spilled {
            return upload.write(bytes);
        }
        self.memory.extend_from_slice(bytes);
        if self.memory.len() as u64 > MAX_ANSWER_BYTES {
            let mut upload = self.uploads.create(self.name);
            upload.write_all(&std::mem::take(&mut self.memory))?;
            self.spilled = Some(upload);
        }
        Ok(bytes.len())
    }

    /// Nothing: that the file is whole is said by [`Spill::finish`] alone.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The exceptions up to a number, batch by batch.
fn each_batch(
    mut pages: ExceptionPages,
    limit: u64,
    runtime: &Handle,
    mut write: impl FnMut(&Batch) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut left = limit;
    while left > 0 {
        let next = runtime.block_on(pages.next(left.min(BATCH) as usize)).map_err(ExportError::Read)?;
        let Some(batch) = next else { break };
        write(&batch)?;
        left -= batch.rows.len() as u64;
    }
    Ok(())
}

/// Writes CSV, in which nothing is a formula.
///
/// # Errors
/// The exceptions cannot be read, or the file cannot be written.
pub fn write_csv(out: &mut Spill<'_>, pages: ExceptionPages, limit: u64, runtime: &Handle) -> Result<(), ExportError> {
    writeln!(out, "{}", ExceptionObject::COLUMNS.join(","))?;
    let mut lines = Vec::new();
    each_batch(pages, limit, runtime, |batch| {
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
        Ok(out.write_all(&lines)?)
    })
}

/// Writes a workbook of one sheet, which looks like the last one of a decision workbook.
///
/// # Errors
/// The exceptions cannot be read, or the file cannot be written.
pub fn write_xlsx(out: &mut Spill<'_>, pages: ExceptionPages, limit: u64, runtime: &Handle) -> Result<(), ExportError> {
    let mut workbook = Workbook::new(out, "Exceptions", None, SheetLimits::default())?;
    let mut sheet = ExceptionSheet::begin(&mut workbook)?;
    each_batch(pages, limit, runtime, |batch| {
        let run = &batch.known.run;
        for row in &batch.rows {
            sheet.add(run.run_id, run.created_at, row)?;
        }
        Ok(())
    })?;
    sheet.finish()?;
    Ok(workbook.finish()?)
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
        Cell::Text(exception.created_at.to_string().into()),
    ]
}
