//! Cuts the records of a block into fields, and hashes their loan numbers.

use std::{borrow::Cow, ops::Range};

use wide::u8x16;

use crate::{
    error::RunError,
    loan::MalformedReason,
    tape::{
        cell,
        notices::{BlockNotices, NoticeCode},
        records::{Record, RecordBlock, Shape, shape_of, split_fields, unwrap_line},
        rows::RowKind,
    },
};

use super::{
    loan_numbers::{NumberHasher, NumberKey},
    row_reader::RowReader,
};

/// A block whose records have been cut into fields.
#[derive(Debug, Default)]
pub struct CutBlock {
    pub rows: Vec<Row>,
    /// Positions of the delimiters in all plain records. For each record the first entry is the position before its start, where
    /// no delimiter needs to be, and the last is its end.
    delimiters: Vec<u32>,
    /// The hashed loan numbers, each with the index of its row.
    pub keys: Vec<(u32, NumberKey)>,
    /// Notices about records that are not rows, and about rows that lack something.
    pub notices: BlockNotices,
    /// The first error in the block that ends the run.
    pub failure: Option<RunError>,
}

/// A record that counts as a row.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Index of the record in the block.
    pub record: u32,
    pub content: Content,
    /// Whether the row is plainly a loan. The loan number of such a row reads as it is written.
    pub is_plain: bool,
}

/// Content of a record.
#[derive(Debug, Clone, Copy)]
pub enum Content {
    /// Fields without quotation marks.
    Plain(PlainFields),
    /// Fields, some of which may be quoted.
    Quoted,
    /// One quoted field that holds the whole line.
    Wrapped,
    /// The record cannot be read.
    Malformed(MalformedReason),
}

/// The entries of the block's list of delimiters that belong to a plain record.
#[derive(Debug, Clone, Copy)]
pub struct PlainFields {
    first: u32,
    fields: u32,
}

/// The fields of a plain record, as byte ranges of the block's text.
#[derive(Debug, Clone, Copy)]
pub struct Spans<'c>(&'c [u32]);

impl Spans<'_> {
    /// Number of fields.
    pub fn count(&self) -> usize {
        self.0.len() - 1
    }

    /// Byte range of a field; `None` when the record has no such field.
    #[inline]
    pub fn get(&self, at: usize) -> Option<Range<usize>> {
        let start = self.0.get(at)?.wrapping_add(1) as usize;
        Some(start..*self.0.get(at + 1)? as usize)
    }
}

impl CutBlock {
    /// Cuts the records of a block into fields, leaves out records that are not loans, and hashes the loan numbers.
    pub fn cut(&mut self, block: &RecordBlock, text: &str, reader: &RowReader<'_>, hasher: &NumberHasher) {
        self.rows.clear();
        self.delimiters.clear();
        self.keys.clear();
        self.notices = BlockNotices::default();
        self.failure = None;
        if let Some((count, line)) = block.hidden {
            self.notices.tally_many(NoticeCode::HiddenRows, None, line, "", count);
        }
        for (at, record) in block.records.iter().enumerate() {
            if reader.superseded.contains(block.first + at as u64) {
                self.notices.supersede(record.line);
                continue;
            }
            let raw = &text[record.start as usize..record.end as usize];
            let found = Found { record, raw, reader, hasher, at: at as u32 };
            match record.shape {
                Shape::Malformed(reason) => self.push(&found, Content::Malformed(reason), None),
                Shape::Quoted | Shape::Escaped if reader.holds_rows(raw) => {
                    self.push(&found, Content::Malformed(MalformedReason::RowsInside), None);
                }
                _ if reader.layout.unwraps && self.cut_wrapped(&found) => {}
                Shape::Plain => self.cut_plain(&found, text),
                _ => {
                    let mut fields = Vec::with_capacity(reader.width);
                    split_fields(raw, record.shape, reader.delimiter, &mut fields);
                    self.cut_fields(&found, Content::Quoted, &fields);
                }
            }
        }
    }

    /// Cuts a record that is one quoted field along the line inside it. Returns false for any other record.
    fn cut_wrapped(&mut self, found: &Found<'_, '_>) -> bool {
        let Some(line) = unwrap_line(found.raw) else { return false };
        let (shape, mut fields) = (shape_of(&line, found.reader.delimiter), Vec::with_capacity(found.reader.width));
        if let Shape::Malformed(reason) = shape {
            self.push(found, Content::Malformed(reason), None);
        } else {
            split_fields(&line, shape, found.reader.delimiter, &mut fields);
            self.cut_fields(found, Content::Wrapped, &fields);
        }
        true
    }

    #[inline]
    fn cut_plain(&mut self, found: &Found<'_, '_>, text: &str) {
        let Found { record, raw, reader, .. } = found;
        let first = self.delimiters.len();
        self.delimiters.push(record.start.wrapping_sub(1));
        push_positions(raw.as_bytes(), reader.delimiter, record.start, &mut self.delimiters);
        self.delimiters.push(record.end);
        let fields = self.delimiters.len() - first - 1;
        let plain = PlainFields { first: first as u32, fields: fields as u32 };
        let cell = |at: usize| self.spans(plain).get(at).map_or("", |span| &text[span]);
        if fields == reader.width && reader.rules.is_plainly_a_loan(cell) {
            let key = found.hasher.key(cell(reader.loan_number));
            return self.push_plain_loan(found, Content::Plain(plain), key);
        }
        let cells: Vec<Cow<'_, str>> = (0..fields).map(|at| Cow::Borrowed(cell(at))).collect();
        if !self.cut_closely(found, Content::Plain(plain), &cells) {
            self.delimiters.truncate(first);
        }
    }

    fn cut_fields(&mut self, found: &Found<'_, '_>, content: Content, fields: &[Cow<'_, str>]) {
        let cell = |at: usize| fields.get(at).map_or("", |cell| cell.as_ref());
        if fields.len() == found.reader.width && found.reader.rules.is_plainly_a_loan(cell) {
            let key = found.hasher.key(cell(found.reader.loan_number));
            self.push_plain_loan(found, content, key);
        } else {
            self.cut_closely(found, content, fields);
        }
    }

    /// Adds a record that is not plainly a loan. Returns false when its fields are not needed.
    fn cut_closely(&mut self, found: &Found<'_, '_>, content: Content, cells: &[Cow<'_, str>]) -> bool {
        let Found { record, raw, reader, .. } = found;
        match reader.rules.kind(cells, record.line, record.ended) {
            RowKind::Blank => return false,
            RowKind::HeaderAgain => {
                self.notices
                    .ignore(NoticeCode::HeaderAgain, record.line, || format!("The header stands here once more: {}", raw.trim()));
                return false;
            }
            RowKind::NotALoan => {
                let shown = raw.trim_matches(|c: char| c.is_whitespace() || c.is_control());
                let text =
                    || if shown.is_empty() { "A mark of the end of a file.".to_owned() } else { format!("No loan: {shown}") };
                self.notices.ignore(NoticeCode::NotALoan, record.line, text);
                return false;
            }
            RowKind::SecondHeader => {
                self.failure.get_or_insert_with(|| reader.second_header(record.line, raw));
                return false;
            }
            RowKind::Misfit(reason) => {
                self.push(found, Content::Malformed(reason), None);
                return false;
            }
            RowKind::ShortLoan => {
                let text = || format!("The row has {} of {} fields; those behind count as empty.", cells.len(), reader.width);
                self.notices.add(NoticeCode::ShortRows, record.line, text);
            }
            RowKind::Loan => {}
        }
        let number = cell::content(cells.get(reader.loan_number).map_or("", |cell| cell.as_ref()));
        if cell::is_whole_with_point(&number) {
            self.notices.tally(NoticeCode::DecimalLoanNumbers, None, record.line, &number);
        }
        let counts = !cell::is_missing(&number) && !cell::has_cut_digits(&number);
        self.push(found, content, counts.then(|| found.hasher.key(&number)));
        true
    }

    /// Adds a record that is plainly a loan.
    #[inline]
    fn push_plain_loan(&mut self, found: &Found<'_, '_>, content: Content, key: NumberKey) {
        self.keys.push((self.rows.len() as u32, key));
        self.rows.push(Row { record: found.at, content, is_plain: true });
    }

    fn push(&mut self, found: &Found<'_, '_>, content: Content, key: Option<NumberKey>) {
        let row = self.rows.len() as u32;
        self.keys.extend(key.map(|key| (row, key)));
        self.rows.push(Row { record: found.at, content, is_plain: false });
    }

    /// Byte ranges of the fields of a plain record.
    #[inline]
    pub fn spans(&self, plain: PlainFields) -> Spans<'_> {
        let first = plain.first as usize;
        Spans(&self.delimiters[first..=first + plain.fields as usize])
    }

    /// Number of rows in the block.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Line on which a row starts.
    pub fn line(&self, block: &RecordBlock, row: u32) -> u64 {
        block.records[self.rows[row as usize].record as usize].line
    }
}

/// A record that is being cut.
struct Found<'b, 't> {
    record: &'b Record,
    raw: &'b str,
    reader: &'b RowReader<'t>,
    hasher: &'b NumberHasher,
    /// Index of the record in the block.
    at: u32,
}

/// Appends the positions of a byte, counted from `base`. Compares sixteen bytes at a time.
#[inline]
fn push_positions(bytes: &[u8], byte: u8, base: u32, out: &mut Vec<u32>) {
    let wanted = u8x16::splat(byte);
    let (chunks, rest) = bytes.as_chunks::<16>();
    let mut at = base;
    for chunk in chunks {
        let mut equal = u8x16::new(*chunk).simd_eq(wanted).to_bitmask();
        while equal != 0 {
            out.push(at + equal.trailing_zeros());
            equal &= equal - 1;
        }
        at += 16;
    }
    for b in rest {
        if *b == byte {
            out.push(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_found_in_whole_words_and_in_the_rest() {
        for text in ["", ",", "a,b", ",,,,,,,,,", "12345678,abc,", "é,ü,\u{80},x,y,z,1,2,3"] {
            let mut found = Vec::new();
            push_positions(text.as_bytes(), b',', 10, &mut found);
            let expected: Vec<u32> = text.bytes().enumerate().filter(|(_, b)| *b == b',').map(|(at, _)| at as u32 + 10).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
