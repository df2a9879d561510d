//! Splits text into records and records into fields, and finds the physical line of every record.
//!
//! A record is a line, or several lines where a quoted field contains line ends. A record that cannot be read is still a record,
//! so that no row is lost: the record ends with the line on which the fault is found, and reading continues with the next line.

mod fields;
mod line_ends;
mod scan;
#[cfg(test)]
mod tests;

use std::ops::Range;

use memchr::memchr2;

use crate::{error::RunError, loan::MalformedReason};

use self::{
    line_ends::line_end_length,
    scan::{DECIDING_BYTES, scan_record},
};
use super::text::TextReader;

pub use self::{
    fields::{split_fields, unwrap_line},
    line_ends::count_line_ends,
    scan::shape_of,
};

/// A quoted field spans at most this many lines.
pub const MAX_FIELD_LINES: usize = 100;
/// A quoted field holds at most this many bytes.
pub const MAX_FIELD_BYTES: usize = 64 * 1024;
/// A record holds at most this many bytes; a longer record is malformed. The limit bounds the size of a block.
pub const MAX_RECORD_BYTES: usize = 4 * 1024 * 1024;
/// Number of bytes of an overlong line that are kept, to be shown.
const KEPT_OF_TOO_LONG: usize = 4 * 1024;
/// Byte order marks at the start of a record, which are not part of it: U+FEFF, which programs leave where they join files, and
/// the same three bytes read as Windows-1252 (`ï»¿`).
const MARKS: [&[u8]; 2] = ["\u{feff}".as_bytes(), "ï»¿".as_bytes()];

/// The form of a record, which decides how the record is split into fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The record has no quotation mark: every delimiter separates fields.
    Plain,
    /// Some fields may be quoted.
    Quoted,
    /// Some fields are quoted, and a backslash in them escapes the quotation mark after it.
    Escaped,
    /// The record cannot be read.
    Malformed(MalformedReason),
}

/// The position of a record in the text of its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Offset of the first byte, after byte order marks.
    pub start: u32,
    /// Offset after the last byte, without the line end.
    pub end: u32,
    /// The physical line on which the record starts, from 1.
    pub line: u64,
    pub shape: Shape,
    /// Whether a line end follows the record: the last record of a truncated tape has none. An overlong record counts as ended.
    pub ended: bool,
}

/// A part of a tape: whole records and their text.
#[derive(Debug, Default)]
pub struct RecordBlock {
    /// The text, in UTF-8.
    pub text: Vec<u8>,
    /// The records in it, in order. Blank lines are left out.
    pub records: Vec<Record>,
    /// Number of records read before this block.
    pub first: u64,
    /// Offset of the text in the tape, in bytes, for a tape whose bytes are its text.
    pub offset: u64,
    /// Rows that the sheet hides: their number, and the line of the first.
    pub hidden: Option<(u64, u64)>,
}

impl RecordBlock {
    /// Removes the records and keeps the memory for the next block.
    pub fn clear(&mut self) {
        self.text.clear();
        self.records.clear();
        self.first = 0;
        self.offset = 0;
        self.hidden = None;
    }
}

/// Reads a tape's text as blocks of whole records.
pub struct RecordReader<'s> {
    text: TextReader<'s>,
    delimiter: u8,
    line: u64,
    /// Offset of the next record in the text.
    at: u64,
    /// Offset at which reading ends: a record that begins there or later is not read.
    until: u64,
    /// The beginning of a record whose end has not been read yet.
    carry: Vec<u8>,
    /// Set while the rest of an overlong line is skipped.
    skipping: bool,
    ended: bool,
}

impl<'s> RecordReader<'s> {
    /// Reads records with this delimiter, in blocks of about the size of the text's chunks.
    pub fn new(text: TextReader<'s>, delimiter: u8) -> Self {
        Self { text, delimiter, line: 1, at: 0, until: u64::MAX, carry: Vec::new(), skipping: false, ended: false }
    }

    /// Reads the records that begin within the byte range `places` of a tape whose bytes are its text. `places.start` is the
    /// first byte of the record on `line`. The last record may end after `places.end`.
    pub fn within(text: TextReader<'s>, delimiter: u8, places: Range<u64>, line: u64) -> Self {
        Self { line, at: places.start, until: places.end, ..Self::new(text, delimiter) }
    }

    pub fn text(&mut self) -> &mut TextReader<'s> {
        &mut self.text
    }

    /// Fills the block with the next records; returns `false` when there are none left.
    pub fn next_block(&mut self, block: &mut RecordBlock) -> Result<bool, RunError> {
        block.clear();
        while block.records.is_empty() {
            if self.at >= self.until || (self.ended && self.carry.is_empty()) {
                return Ok(false);
            }
            block.text.clear();
            block.text.append(&mut self.carry);
            self.ended = self.ended || !self.text.read_more(&mut block.text)?;
            self.cut(block);
            block.offset += self.text.mark();
        }
        Ok(true)
    }

    /// Finds the records of the block and keeps the text after the last whole record for the next block.
    fn cut(&mut self, block: &mut RecordBlock) {
        block.offset = self.at;
        if self.skipping && !self.skip_line(block) {
            return;
        }
        let mut at = 0;
        let text = &block.text;
        loop {
            at += marks_length(&text[at..]);
            if at == text.len() || block.offset + at as u64 >= self.until {
                break;
            }
            let scan = match scan_record(&text[at..], self.delimiter, self.ended) {
                Some(scan) if scan.end <= MAX_RECORD_BYTES => scan,
                None if text.len() - at < DECIDING_BYTES => break,
                Some(_) | None => match self.too_long(text, at, &mut block.records) {
                    Some(next) => {
                        at = next;
                        continue;
                    }
                    None => break,
                },
            };
            let record = &text[at..at + scan.end];
            if !record.iter().all(|b| matches!(b, b' ' | b'\t')) {
                let (start, end) = (position(at), position(at + scan.end));
                block.records.push(Record { start, end, line: self.line, shape: scan.shape, ended: scan.ended });
            }
            self.line += scan.lines;
            at += scan.next;
        }
        self.carry.extend_from_slice(&text[at..]);
        self.at = block.offset + at as u64;
        // Skipped text may end in the middle of a character, so it does not stay in the block.
        let kept = block.records.last().filter(|_| self.skipping).map_or(at, |record| record.end as usize);
        block.text.truncate(kept);
    }

    /// Skips the rest of an overlong line; returns whether the end of the line was found.
    fn skip_line(&mut self, block: &mut RecordBlock) -> bool {
        let found = memchr2(b'\n', b'\r', &block.text);
        let length = found.map(|at| line_end_length(&block.text[at..], self.ended));
        let passed = match (found, length) {
            (Some(at), Some(Some(length))) => {
                self.skipping = false;
                self.line += 1;
                at + length
            }
            // The length of this line end depends on text that has not been read yet.
            (Some(at), _) => {
                self.carry.extend_from_slice(&block.text[at..]);
                at
            }
            (None, _) => block.text.len(),
        };
        self.at += passed as u64;
        if self.skipping {
            block.text.clear();
        } else {
            // Skipped text may begin in the middle of a character, so it does not stay in the block.
            block.text.drain(..passed);
            block.offset = self.at;
        }
        !self.skipping
    }

    /// Turns an overlong record into a malformed one that ends with the line on which the record exceeds the limit, so that no
    /// text is scanned again and again. Returns where reading continues, or `None` when more text is needed.
    fn too_long(&mut self, text: &[u8], at: usize, records: &mut Vec<Record>) -> Option<usize> {
        let limit = at + MAX_RECORD_BYTES;
        let line_end = memchr2(b'\n', b'\r', &text[limit..]).map(|found| limit + found);
        let next = match line_end {
            Some(line_end) => line_end + line_end_length(&text[line_end..], self.ended)?,
            None => text.len(),
        };
        let mut kept = at + KEPT_OF_TOO_LONG;
        // Never end in the middle of a character.
        while text[kept] & 0xc0 == 0x80 {
            kept -= 1;
        }
        let shape = Shape::Malformed(MalformedReason::TooLong);
        records.push(Record { start: position(at), end: position(kept), line: self.line, shape, ended: true });
        self.skipping = line_end.is_none();
        self.line += count_line_ends(&text[at..next]);
        Some(next)
    }
}

/// Length of the byte order marks at the start of a record.
#[inline]
fn marks_length(text: &[u8]) -> usize {
    if text.first().is_none_or(u8::is_ascii) {
        return 0;
    }
    let mut at = 0;
    while let Some(mark) = MARKS.iter().find(|mark| text[at..].starts_with(mark)) {
        at += mark.len();
    }
    at
}

/// Converts an offset in a block to `u32`. Blocks are far smaller than 4 GiB: their size plus one record of [`MAX_RECORD_BYTES`].
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
