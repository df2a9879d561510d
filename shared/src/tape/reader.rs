//! Reads the rows of a tape below its header, block by block.

use std::sync::Arc;

use memchr::{memchr, memchr3};

use crate::error::RunError;

use super::{
    records::{Record, RecordBlock, RecordReader, Shape},
    seller_return::ReturnedRows,
    sheets,
    source::TapeSource,
    text::Fingerprint,
    workbook::{RowStream, SheetRow},
    workbook_error,
};

/// The delimiter of the text into which the rows of a workbook are converted.
pub(super) const WORKBOOK_DELIMITER: u8 = b',';

/// Reads the rows of a tape, block by block.
pub struct TapeReader<'t> {
    pub(super) rows: TapeRows<'t>,
    /// Number of records read so far.
    pub(super) records: u64,
    pub(super) header_line: u64,
    pub(super) source: &'t dyn TapeSource,
}

/// Where the rows come from.
pub(super) enum TapeRows<'t> {
    Csv(Box<RecordReader<'t>>),
    Workbook {
        stream: RowStream,
        row: SheetRow,
        mapped: Vec<bool>,
        returned: Option<Arc<ReturnedRows>>,
        fingerprint: Option<Fingerprint>,
        block_bytes: usize,
    },
}

impl TapeReader<'_> {
    /// Fills the block with the next rows; returns `false` at the end of the tape.
    pub fn next_block(&mut self, block: &mut RecordBlock) -> Result<bool, RunError> {
        let read = self.read(block)?;
        block.first = self.records;
        self.records += block.records.len() as u64;
        Ok(read)
    }

    fn read(&mut self, block: &mut RecordBlock) -> Result<bool, RunError> {
        match &mut self.rows {
            TapeRows::Csv(reader) => loop {
                if !reader.next_block(block)? {
                    return Ok(false);
                }
                if block.records.last().is_none_or(|record| record.line <= self.header_line) {
                    continue;
                }
                if block.records.first().is_some_and(|record| record.line <= self.header_line) {
                    block.records.retain(|record| record.line > self.header_line);
                }
                return Ok(true);
            },
            TapeRows::Workbook { stream, row, mapped, returned, block_bytes, .. } => {
                block.clear();
                while stream.next_row(row).map_err(|error| workbook_error(self.source, error))? {
                    if row.line > self.header_line {
                        sheets::check_formulas(self.source, row, mapped)?;
                        push_row(block, row, returned.as_deref());
                    }
                    if block.text.len() >= *block_bytes {
                        break;
                    }
                }
                Ok(!block.records.is_empty())
            }
        }
    }

    /// The fingerprint of the raw bytes, once the end of the tape has been reached; `None` when none was requested.
    pub fn finish(&mut self) -> Result<Option<Fingerprint>, RunError> {
        match &mut self.rows {
            TapeRows::Csv(reader) => reader.text().finish(),
            TapeRows::Workbook { fingerprint, .. } => Ok(fingerprint.take()),
        }
    }

    /// Number of raw bytes read so far. For a workbook always the size of the file, because the progress inside it is unknown.
    pub fn offset(&mut self) -> u64 {
        match &mut self.rows {
            TapeRows::Csv(reader) => reader.text().offset(),
            TapeRows::Workbook { .. } => self.source.size(),
        }
    }
}

/// Appends a sheet row as a record of text; quotes the cells that need it.
fn push_row(block: &mut RecordBlock, row: &SheetRow, returned: Option<&ReturnedRows>) {
    let start = block.text.len();
    if let Some((raw, reason)) = returned.and_then(|returned| returned.unmended(row)) {
        block.text.extend_from_slice(raw.as_bytes());
        return end_record(block, start, row.line, Shape::Malformed(reason));
    }
    let dropped = returned.and_then(ReturnedRows::dropped);
    let needs_quotes = |text: &str| {
        let text = text.as_bytes();
        memchr3(WORKBOOK_DELIMITER, b'"', b'\n', text).is_some() || memchr(b'\r', text).is_some()
    };
    let shape = if needs_quotes(row.text()) { Shape::Quoted } else { Shape::Plain };
    let cells = row.cells().enumerate().filter(|(at, _)| Some(*at) != dropped).map(|(_, cell)| cell);
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            block.text.push(WORKBOOK_DELIMITER);
        }
        if shape == Shape::Quoted && needs_quotes(cell) {
            block.text.push(b'"');
            block.text.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            block.text.push(b'"');
        } else {
            block.text.extend_from_slice(cell.as_bytes());
        }
    }
    if row.hidden {
        let (count, _) = block.hidden.get_or_insert((0, row.line));
        *count += 1;
    }
    end_record(block, start, row.line, shape);
}

/// Ends the record whose text begins at `start`.
fn end_record(block: &mut RecordBlock, start: usize, line: u64, shape: Shape) {
    let position = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    block.records.push(Record { start: position(start), end: position(block.text.len()), line, shape, ended: true });
}
