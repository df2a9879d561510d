//! Cutting text into records, and records into fields, with every record's physical line.
//!
//! A record is a line, or several where a quoted field holds line breaks. What cannot be read is still one record, so that
//! it is never lost: it ends with the line on which its fault shows, and reading goes on with the next line.

use std::{borrow::Cow, ops::Range};

use memchr::{memchr, memchr_iter, memchr2};

use crate::{error::RunError, loan::MalformedReason};

use super::text::TextReader;

/// A quoted field spans at most this many lines.
pub const MAX_FIELD_LINES: usize = 100;
/// A quoted field holds at most this many bytes.
pub const MAX_FIELD_BYTES: usize = 64 * 1024;
/// A record holds at most this many bytes: past that it is malformed. It bounds what a block may grow to.
pub const MAX_RECORD_BYTES: usize = 4 * 1024 * 1024;
/// How much of a line that is too long is kept, to be shown.
const KEPT_OF_TOO_LONG: usize = 4 * 1024;

/// What a record looks like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// No quotation mark in it: every delimiter parts fields.
    Plain,
    /// Some fields may be quoted.
    Quoted,
    /// It cannot be read.
    Malformed(MalformedReason),
}

/// Where a record stands in the text of its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Its first byte.
    pub start: u32,
    /// Behind its last byte, without the line break.
    pub end: u32,
    /// The physical, 1-based line on which it starts.
    pub line: u64,
    /// What it looks like.
    pub shape: Shape,
    /// Whether a line end follows it.
    pub ended: bool,
}

/// A stretch of a tape: whole records and their text.
#[derive(Debug, Default)]
pub struct RecordBlock {
    /// The text, UTF-8.
    pub text: Vec<u8>,
    /// The records in it, in order. Blank lines are left out.
    pub records: Vec<Record>,
    /// Where the text begins in the tape, in bytes, of a tape whose bytes are its text.
    pub offset: u64,
}

impl RecordBlock {
    /// Forgets the records, keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.records.clear();
        self.offset = 0;
    }
}

/// Reads a tape's text as blocks of whole records.
pub struct RecordReader<'s> {
    text: TextReader<'s>,
    delimiter: u8,
    line: u64,
    /// Where the next record begins in the text.
    at: u64,
    /// Where reading ends: a record that begins there, or behind, is not read.
    until: u64,
    /// The beginning of a record whose end has not been read yet.
    carry: Vec<u8>,
    /// Set while the rest of a line that is too long is passed over.
    skipping: bool,
    ended: bool,
}

impl<'s> RecordReader<'s> {
    /// Reads records with this delimiter, in blocks of about the size of the text's chunks.
    pub fn new(text: TextReader<'s>, delimiter: u8) -> Self {
        Self { text, delimiter, line: 1, at: 0, until: u64::MAX, carry: Vec::new(), skipping: false, ended: false }
    }

    /// Reads the records that begin at these places of a tape whose bytes are its text. The first place is the beginning of
    /// the record that stands on `line`. A record may end behind the last place.
    pub fn within(text: TextReader<'s>, delimiter: u8, places: Range<u64>, line: u64) -> Self {
        Self { line, at: places.start, until: places.end, ..Self::new(text, delimiter) }
    }

    /// The text reader underneath.
    pub fn text(&mut self) -> &mut TextReader<'s> {
        &mut self.text
    }

    /// Fills the block with the next records; `false` when there are none left.
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

    /// Finds the records of the block and keeps what follows the last whole one.
    fn cut(&mut self, block: &mut RecordBlock) {
        block.offset = self.at;
        if self.skipping {
            match memchr(b'\n', &block.text) {
                Some(newline) => {
                    self.skipping = false;
                    self.line += 1;
                    // What is passed over may begin in the middle of a character.
                    block.text.drain(..=newline);
                    block.offset += newline as u64 + 1;
                }
                None => {
                    self.at += block.text.len() as u64;
                    return block.text.clear();
                }
            }
        }
        let mut at = 0;
        let text = &block.text;
        while at < text.len() && block.offset + (at as u64) < self.until {
            let scan = match scan_record(&text[at..], self.delimiter, self.ended) {
                Some(scan) if scan.end <= MAX_RECORD_BYTES => scan,
                // Two bytes more, because the line break may be among them.
                None if text.len() - at < MAX_RECORD_BYTES + 2 => break,
                Some(_) | None => {
                    at = self.too_long(text, at, &mut block.records);
                    continue;
                }
            };
            let record = &text[at..at + scan.end];
            if !record.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r')) {
                let (start, end) = (position(at), position(at + scan.end));
                block.records.push(Record { start, end, line: self.line, shape: scan.shape, ended: true });
            }
            self.line += scan.lines;
            at += scan.next;
        }
        self.carry.extend_from_slice(&text[at..]);
        self.at = block.offset + at as u64;
        // What is passed over may end in the middle of a character, too.
        let kept = block.records.last().filter(|_| self.skipping).map_or(at, |record| record.end as usize);
        block.text.truncate(kept);
    }

    /// Makes a malformed record of one that is too long, up to the end of the line on which it passes the limit, so that
    /// nothing is scanned again and again; returns where reading goes on.
    fn too_long(&mut self, text: &[u8], at: usize, records: &mut Vec<Record>) -> usize {
        let line_end = memchr(b'\n', &text[at + MAX_RECORD_BYTES..]).map(|newline| at + MAX_RECORD_BYTES + newline);
        let mut kept = at + KEPT_OF_TOO_LONG;
        // Never end in the middle of a character.
        while text[kept] & 0xc0 == 0x80 {
            kept -= 1;
        }
        let shape = Shape::Malformed(MalformedReason::TooLong);
        records.push(Record { start: position(at), end: position(kept), line: self.line, shape, ended: true });
        self.skipping = line_end.is_none();
        let next = line_end.map_or(text.len(), |newline| newline + 1);
        self.line += memchr_iter(b'\n', &text[at..next]).count() as u64;
        next
    }
}

/// Blocks are far smaller than 4 GiB: their size plus one record of [`MAX_RECORD_BYTES`].
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

struct Scan {
    /// Behind the last byte of the record, without the line break.
    end: usize,
    /// Where the next record starts.
    next: usize,
    /// How many physical lines the record takes.
    lines: u64,
    shape: Shape,
}

/// Finds the end of the record at the start of `text`; `None` when it is not all there yet.
fn scan_record(text: &[u8], delimiter: u8, ended: bool) -> Option<Scan> {
    match memchr2(b'\n', b'"', text) {
        Some(newline) if text[newline] == b'\n' => Some(one_line(text, newline, Shape::Plain)),
        Some(_) => scan_quoted(text, delimiter, ended),
        None if ended => Some(Scan { end: text.len(), next: text.len(), lines: 1, shape: Shape::Plain }),
        None => None,
    }
}

fn one_line(text: &[u8], newline: usize, shape: Shape) -> Scan {
    let end = if newline > 0 && text[newline - 1] == b'\r' { newline - 1 } else { newline };
    Scan { end, next: newline + 1, lines: 1, shape }
}

fn scan_quoted(text: &[u8], delimiter: u8, ended: bool) -> Option<Scan> {
    let mut at = 0;
    let mut lines = 0;
    // The record ends with the line on which `fault` stands.
    let malformed = |fault: usize, reason| {
        let newline = match memchr(b'\n', &text[fault..]) {
            Some(newline) => fault + newline,
            None if ended => text.len(),
            None => return None,
        };
        let scan = one_line(text, newline, Shape::Malformed(reason));
        let lines = memchr_iter(b'\n', &text[..newline]).count() as u64 + 1;
        Some(Scan { next: scan.next.min(text.len()), end: scan.end.min(text.len()), lines, shape: scan.shape })
    };
    loop {
        if text.get(at) != Some(&b'"') {
            // An unquoted field: quotation marks inside it are letters like any other.
            match memchr2(delimiter, b'\n', &text[at..]) {
                Some(found) if text[at + found] == b'\n' => {
                    let scan = one_line(text, at + found, Shape::Quoted);
                    return Some(Scan { lines: lines + 1, ..scan });
                }
                Some(found) => at += found + 1,
                None if ended => return Some(Scan { end: text.len(), next: text.len(), lines: lines + 1, shape: Shape::Quoted }),
                None => return None,
            }
            continue;
        }
        let opened = at;
        let Some(closed) = closing_quote(text, opened, text.len().min(opened + MAX_FIELD_BYTES + 3)) else {
            let rest = &text[opened + 1..];
            let certain =
                ended || rest.len() > MAX_FIELD_BYTES + 1 || memchr_iter(b'\n', rest).nth(MAX_FIELD_LINES - 1).is_some();
            return if certain { malformed(opened, MalformedReason::UnclosedQuote) } else { None };
        };
        let breaks = memchr_iter(b'\n', &text[opened..closed]).count();
        if closed - opened > MAX_FIELD_BYTES + 1 || breaks >= MAX_FIELD_LINES {
            return malformed(opened, MalformedReason::UnclosedQuote);
        }
        lines += breaks as u64;
        let whole = |end, next| Some(Scan { end, next, lines: lines + 1, shape: Shape::Quoted });
        match &text[closed + 1..] {
            // The quotation mark may be the first half of an escaped one, the return the first half of a line break.
            [] | [b'\r'] if !ended => return None,
            [] | [b'\r'] => return whole(closed + 1, text.len()),
            [b'\n', ..] => return whole(closed + 1, closed + 2),
            [b'\r', b'\n', ..] => return whole(closed + 1, closed + 3),
            [next, ..] if *next == delimiter => at = closed + 2,
            // Where the field spans lines, its closing mark is more likely the opening one of another field: only the line
            // on which it opened is given up.
            _ => return malformed(opened, MalformedReason::StrayQuote),
        }
    }
}

/// Where the field that opens at `opened` closes: the first quotation mark before `limit` that is not doubled.
fn closing_quote(text: &[u8], opened: usize, limit: usize) -> Option<usize> {
    let mut at = opened + 1;
    loop {
        let quote = at + memchr(b'"', text.get(at..limit)?)?;
        if text.get(quote + 1) != Some(&b'"') {
            return Some(quote);
        }
        at = quote + 2;
    }
}

/// Cuts a well-formed record into its fields.
///
/// `record` is the text of a record whose shape is not malformed.
pub fn split_fields<'t>(record: &'t str, shape: Shape, delimiter: u8, fields: &mut Vec<Cow<'t, str>>) {
    fields.clear();
    if shape == Shape::Plain {
        let bytes = record.as_bytes();
        let mut start = 0;
        for end in memchr_iter(delimiter, bytes) {
            fields.push(Cow::Borrowed(&record[start..end]));
            start = end + 1;
        }
        fields.push(Cow::Borrowed(&record[start..]));
        return;
    }
    let bytes = record.as_bytes();
    let mut at = 0;
    loop {
        let end = if bytes.get(at) == Some(&b'"') {
            let closed = closing_quote(bytes, at, bytes.len()).unwrap_or(bytes.len());
            let inside = &record[at + 1..closed];
            fields.push(if memchr(b'"', inside.as_bytes()).is_some() {
                Cow::Owned(inside.replace("\"\"", "\""))
            } else {
                Cow::Borrowed(inside)
            });
            closed + 1
        } else {
            let end = memchr(delimiter, &bytes[at..]).map_or(bytes.len(), |found| at + found);
            fields.push(Cow::Borrowed(&record[at..end]));
            end
        };
        if end >= bytes.len() {
            return;
        }
        at = end + 1;
    }
}

/// The line in a record that is one quoted field.
pub fn unwrap_line(record: &str) -> Option<Cow<'_, str>> {
    let record = record.trim();
    let closed = closing_quote(record.as_bytes(), 0, record.len()).filter(|_| record.starts_with('"'))?;
    let inside = &record[1..closed];
    (closed + 1 == record.len()).then(|| if inside.contains('"') { Cow::Owned(inside.replace("\"\"", "\"")) } else { Cow::Borrowed(inside) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{source::MemorySource, text::EncodingChoice};
    use super::*;

    type Row = (u64, Result<Vec<String>, (MalformedReason, String)>);

    fn read(text: &[u8], block_bytes: usize) -> Vec<Row> {
        let source = MemorySource::new("t.csv", text);
        let choice = EncodingChoice::default();
        let text = TextReader::new(&source, &choice, block_bytes, false, None).unwrap();
        let mut reader = RecordReader::new(text, b',');
        let (mut block, mut rows) = (RecordBlock::default(), Vec::new());
        while reader.next_block(&mut block).unwrap() {
            let text = std::str::from_utf8(&block.text).unwrap();
            for record in &block.records {
                let raw = &text[record.start as usize..record.end as usize];
                rows.push((
                    record.line,
                    match record.shape {
                        Shape::Malformed(reason) => Err((reason, raw.to_owned())),
                        shape => {
                            let mut fields = Vec::new();
                            split_fields(raw, shape, b',', &mut fields);
                            Ok(fields.iter().map(|f| f.to_string()).collect())
                        }
                    },
                ));
            }
        }
        rows
    }

    fn row(line: u64, fields: &[&str]) -> Row {
        (line, Ok(fields.iter().map(|f| (*f).to_owned()).collect()))
    }

    fn bad(line: u64, reason: MalformedReason, raw: &str) -> Row {
        (line, Err((reason, raw.to_owned())))
    }

    #[test]
    fn lines_end_in_lf_or_crlf_and_blank_ones_are_skipped() {
        assert_eq!(read(b"a,b\r\n\n  \t \nc,d\r\n\r\ne,f", 1), [row(1, &["a", "b"]), row(4, &["c", "d"]), row(6, &["e", "f"])]);
    }

    #[test]
    fn quoted_fields_hold_delimiters_quotes_and_line_breaks() {
        let text = b"\"a,1\",\"say \"\"hi\"\"\"\n\"two\nlines\",b\r\nc,\"\"\n5\" pipe,d\"e\n";
        assert_eq!(
            read(text, 1),
            [row(1, &["a,1", "say \"hi\""]), row(2, &["two\nlines", "b"]), row(4, &["c", ""]), row(5, &["5\" pipe", "d\"e"]),]
        );
    }

    #[test]
    fn a_stray_quote_spoils_its_line_only() {
        assert_eq!(
            read(b"\"a\"b,c\nd,e\n\"f\" ,g", 1),
            [
                bad(1, MalformedReason::StrayQuote, "\"a\"b,c"),
                row(2, &["d", "e"]),
                bad(3, MalformedReason::StrayQuote, "\"f\" ,g"),
            ]
        );
    }

    #[test]
    fn a_quote_that_opens_by_mistake_takes_no_other_row_with_it() {
        assert_eq!(
            read(b"\"a,b\nc,d\n\"e\",f\n", 1),
            [bad(1, MalformedReason::StrayQuote, "\"a,b"), row(2, &["c", "d"]), row(3, &["e", "f"])]
        );
    }

    #[test]
    fn an_unclosed_quote_spoils_the_line_on_which_it_opened() {
        assert_eq!(
            read(b"a,\"b\nc,d\ne,f\n", 1),
            [bad(1, MalformedReason::UnclosedQuote, "a,\"b"), row(2, &["c", "d"]), row(3, &["e", "f"]),]
        );
        // The record began a line earlier, with a field that did close.
        assert_eq!(
            read(b"x,y\n\"1\n2\",\"b\nc,d\n", 1),
            [row(1, &["x", "y"]), bad(2, MalformedReason::UnclosedQuote, "\"1\n2\",\"b"), row(4, &["c", "d"]),]
        );
    }

    #[test]
    fn a_quoted_field_spans_at_most_a_hundred_lines() {
        let field = |lines: usize| format!("a,\"{}\"\nz,z\n", vec!["x"; lines].join("\n"));
        assert_eq!(read(field(100).as_bytes(), 1).len(), 2);
        let rows = read(field(101).as_bytes(), 1);
        assert_eq!(rows[0], bad(1, MalformedReason::UnclosedQuote, "a,\"x"));
        assert_eq!(rows[1], row(2, &["x"]));
    }

    #[test]
    fn a_quoted_field_holds_at_most_64_kib() {
        let field = |bytes: usize| format!("a,\"{}\"\nz,z\n", "x".repeat(bytes));
        assert_eq!(read(field(64 * 1024).as_bytes(), 1)[0].1.as_ref().unwrap()[1].len(), 64 * 1024);
        let rows = read(field(64 * 1024 + 1).as_bytes(), 1);
        assert!(matches!(rows[0], (1, Err((MalformedReason::UnclosedQuote, _)))));
        assert_eq!(rows[1], row(2, &["z", "z"]));
    }

    #[test]
    fn a_line_that_is_too_long_is_one_malformed_row() {
        let text = format!("a,b\n{}\nc,d\n", "é".repeat(MAX_RECORD_BYTES));
        let rows = read(text.as_bytes(), 1 << 20);
        assert_eq!(rows.len(), 3);
        assert!(matches!(&rows[1], (2, Err((MalformedReason::TooLong, raw))) if raw.chars().all(|c| c == 'é')));
        assert_eq!(rows[2], row(3, &["c", "d"]));
    }

    #[test]
    fn a_record_of_many_short_lines_is_given_up_once() {
        // Each line closes one quoted field and opens the next: one record, far longer than a record may be.
        let text = format!("a,b\n{}", "x\",\"\n".repeat(3)) + &format!("\"{}", "x\",\"\n".repeat(2 * MAX_RECORD_BYTES / 5));
        for block_bytes in [64 * 1024, 1 << 24] {
            let rows = read(text.as_bytes(), block_bytes);
            let too_long = rows.iter().filter(|(_, row)| matches!(row, Err((MalformedReason::TooLong, _)))).count();
            assert!((1..=2).contains(&too_long), "{too_long}");
            assert_eq!(rows, read(text.as_bytes(), 1 << 20));
        }
    }

    #[test]
    fn what_is_passed_over_may_be_cut_anywhere() {
        let text = format!("a,b\n{}\nc,d\n", "🏠".repeat(MAX_RECORD_BYTES / 2));
        for block_bytes in [64 * 1024 + 1, 64 * 1024 + 2, 64 * 1024 + 3, 1 << 24] {
            let rows = read(text.as_bytes(), block_bytes);
            assert_eq!((rows.len(), &rows[2]), (3, &row(3, &["c", "d"])));
        }
    }

    proptest! {
        #[test]
        fn block_size_changes_nothing(text in "[a,\"\n\r é]{0,200}", block in 1_usize..40) {
            prop_assert_eq!(read(text.as_bytes(), block), read(text.as_bytes(), 1 << 20));
        }

        #[test]
        fn what_is_written_is_read_again(rows in prop::collection::vec(prop::collection::vec("[a-c,\"\n\r é]{0,6}", 2..5), 1..20)) {
            let mut text = String::new();
            for fields in &rows {
                let quoted: Vec<String> = fields.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
                text.push_str(&quoted.join(","));
                text.push_str("\r\n");
            }
            let read: Vec<Vec<String>> = read(text.as_bytes(), 7).into_iter().map(|(_, row)| row.unwrap()).collect();
            prop_assert_eq!(read, rows);
        }
    }
}
