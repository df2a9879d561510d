//! Finds the end of a record.

use memchr::{memchr2, memchr3};

use crate::loan::MalformedReason;

use super::{
    MAX_FIELD_LINES, MAX_RECORD_BYTES, Shape,
    fields::{Quoting, Written},
    line_ends::{LONGEST_LINE_END, count_line_ends, line_end_length},
};

/// Number of bytes that are enough to decide what a record is: the longest record and its line end.
pub const DECIDING_BYTES: usize = MAX_RECORD_BYTES + LONGEST_LINE_END;

/// A record at the start of a text.
#[derive(Debug, Clone, Copy)]
pub struct Scan {
    /// Offset after the last byte, without the line end.
    pub end: usize,
    /// Offset of the next record.
    pub next: usize,
    /// Number of physical lines that the record takes.
    pub lines: u64,
    pub shape: Shape,
    /// Whether a line end follows the record.
    pub ended: bool,
}

/// Finds the end of the record at the start of `text`; `None` when more text is needed. `ended` means that no more text follows.
#[inline]
pub fn scan_record(text: &[u8], delimiter: u8, ended: bool) -> Option<Scan> {
    match memchr3(b'\n', b'\r', b'"', text) {
        Some(at) if text[at] == b'\n' => Some(Scan { end: at, next: at + 1, lines: 1, shape: Shape::Plain, ended: true }),
        Some(at) if text[at..].starts_with(b"\r\n") => {
            Some(Scan { end: at, next: at + 2, lines: 1, shape: Shape::Plain, ended: true })
        }
        Some(at) if text[at] == b'\r' => ending_at(text, at, 0, Shape::Plain, ended),
        Some(_) => scan_quoted(text, delimiter, ended),
        None if ended => ending_at(text, text.len(), 0, Shape::Plain, ended),
        None => None,
    }
}

/// The shape of one whole record, such as a line that was taken out of its quotation marks.
pub fn shape_of(record: &str, delimiter: u8) -> Shape {
    if !record.contains('"') {
        return Shape::Plain;
    }
    match scan_quoted(record.as_bytes(), delimiter, true) {
        // A line end outside quotation marks ends a record, but this text is a single record.
        Some(scan) if scan.end < record.len() && !matches!(scan.shape, Shape::Malformed(_)) => {
            Shape::Malformed(MalformedReason::StrayQuote)
        }
        Some(scan) => scan.shape,
        None => Shape::Malformed(MalformedReason::TooLong),
    }
}

/// The record that ends at `end`, with a line end or with the text. `inside` is the number of line ends before `end`.
#[inline]
fn ending_at(text: &[u8], end: usize, inside: u64, shape: Shape, ended: bool) -> Option<Scan> {
    let length = if end == text.len() { 0 } else { line_end_length(&text[end..], ended)? };
    Some(Scan { end, next: end + length, lines: inside + 1, shape, ended: length > 0 })
}

/// Scans a record with quotation marks. A malformed record is scanned again with `\"` as an escaped quotation mark; when the
/// second scan fails too, the first one counts.
fn scan_quoted(text: &[u8], delimiter: u8, ended: bool) -> Option<Scan> {
    // Decide by this many bytes, however many have been read, so that the block size does not change the result.
    let (text, ended) = (&text[..text.len().min(DECIDING_BYTES)], ended && text.len() <= DECIDING_BYTES);
    let first = scan_as(text, Quoting { delimiter, escapes: false }, ended)?;
    if !matches!(first.shape, Shape::Malformed(_)) {
        return Some(first);
    }
    match scan_as(text, Quoting { delimiter, escapes: true }, ended) {
        Some(again) if again.shape == Shape::Escaped && again.end <= MAX_RECORD_BYTES => Some(again),
        Some(_) => Some(first),
        None if text.len() == DECIDING_BYTES => Some(first),
        None => None,
    }
}

fn scan_as(text: &[u8], quoting: Quoting, ended: bool) -> Option<Scan> {
    let shape = if quoting.escapes { Shape::Escaped } else { Shape::Quoted };
    let mut at = 0;
    let mut inside = 0;
    loop {
        let end = match quoting.field(text, at, ended) {
            Written::Undecided => return None,
            Written::Unclosed => return malformed(text, at, MalformedReason::UnclosedQuote, ended),
            // Where the field spans lines, its closing mark is more likely the opening mark of another field, so only the line on
            // which the field opened is malformed.
            Written::Stray => return malformed(text, at, MalformedReason::StrayQuote, ended),
            Written::Quoted { end, line_ends, .. } => {
                inside += line_ends;
                end
            }
            Written::Plainly => match memchr3(quoting.delimiter, b'\n', b'\r', &text[at..]) {
                Some(found) => at + found,
                None if ended => text.len(),
                None => return None,
            },
        };
        // After a failed second scan, each line that it passed may be scanned again, so the number of lines is limited.
        if quoting.escapes && inside >= MAX_FIELD_LINES as u64 {
            return malformed(text, at, MalformedReason::UnclosedQuote, ended);
        }
        if text.get(end) != Some(&quoting.delimiter) {
            return ending_at(text, end, inside, shape, ended);
        }
        at = end + 1;
    }
}

/// The malformed record up to the end of the line that contains the offset `fault`.
fn malformed(text: &[u8], fault: usize, reason: MalformedReason, ended: bool) -> Option<Scan> {
    let end = match memchr2(b'\n', b'\r', &text[fault..]) {
        Some(found) => fault + found,
        None if ended => text.len(),
        None => return None,
    };
    ending_at(text, end, count_line_ends(&text[..end]), Shape::Malformed(reason), ended)
}
