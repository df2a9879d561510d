//! Cutting the records of a block into fields, and hashing their loan numbers.

use std::{borrow::Cow, ops::Range};

use wide::u8x16;

use crate::{
    loan::{Field, MalformedReason},
    tape::{
        number::says_nothing,
        records::{Record, RecordBlock, Shape, split_fields},
    },
};

use super::{
    block::RowReader,
    loan_numbers::{NumberHasher, NumberKey},
};

/// A block whose records have been cut into fields.
#[derive(Debug, Default)]
pub struct CutBlock {
    /// The rows.
    pub rows: Vec<Row>,
    /// Where the delimiters of plain records stand, for all of them: for each record first one in front of it, which may
    /// not be there, and last its end.
    delimiters: Vec<u32>,
    /// The loan numbers, hashed, each with the place of its row.
    pub keys: Vec<(u32, NumberKey)>,
}

/// What a record is, beyond its place in the text.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its place among the records of the block.
    pub record: u32,
    /// What is in it.
    pub content: Content,
}

/// What is in a record.
#[derive(Debug, Clone, Copy)]
pub enum Content {
    /// Fields without quotation marks.
    Plain(PlainFields),
    /// Fields of which some may be quoted.
    Quoted,
    /// What cannot be read.
    Malformed(MalformedReason),
}

/// Where the delimiters of a plain record are noted.
#[derive(Debug, Clone, Copy)]
pub struct PlainFields {
    first: u32,
    fields: u32,
}

/// The fields of a plain record, as stretches of the text of their block.
#[derive(Debug, Clone, Copy)]
pub struct Spans<'c>(&'c [u32]);

impl Spans<'_> {
    /// How many fields there are.
    pub fn count(&self) -> usize {
        self.0.len() - 1
    }

    /// Where a field stands.
    #[inline]
    pub fn get(&self, at: usize) -> Option<Range<usize>> {
        let start = self.0.get(at)?.wrapping_add(1) as usize;
        Some(start..*self.0.get(at + 1)? as usize)
    }
}

impl CutBlock {
    /// Cuts the records of a block into fields, drops the rows in which every cell is empty, and hashes the loan numbers.
    pub fn cut(&mut self, block: &RecordBlock, text: &str, reader: &RowReader<'_>, hasher: &NumberHasher) {
        self.rows.clear();
        self.delimiters.clear();
        self.keys.clear();
        for (at, record) in block.records.iter().enumerate() {
            let raw = &text[record.start as usize..record.end as usize];
            let row = self.rows.len() as u32;
            let (content, number) = match record.shape {
                Shape::Malformed(reason) => (Content::Malformed(reason), None),
                Shape::Plain => self.cut_plain(record, raw, text, reader),
                Shape::Quoted | Shape::Escaped => cut_quoted(raw, record.shape, reader),
            };
            if let Content::Malformed(MalformedReason::FieldCount { .. }) = content
                && is_empty_row(raw, record.shape, reader.delimiter)
            {
                continue;
            }
            match number {
                Some(number) if !says_nothing(&number) => self.keys.push((row, hasher.key(&number))),
                Some(_) if is_empty_row(raw, record.shape, reader.delimiter) => continue,
                _ => {}
            }
            self.rows.push(Row { record: at as u32, content });
        }
    }

    fn cut_plain<'b>(
        &mut self,
        record: &Record,
        raw: &str,
        text: &'b str,
        reader: &RowReader<'_>,
    ) -> (Content, Option<Cow<'b, str>>) {
        let first = self.delimiters.len();
        self.delimiters.push(record.start.wrapping_sub(1));
        push_positions(raw.as_bytes(), reader.delimiter, record.start, &mut self.delimiters);
        self.delimiters.push(record.end);
        let fields = self.delimiters.len() - first - 1;
        if fields != reader.width && !(reader.extra_cells) {
            self.delimiters.truncate(first);
            let found = u32::try_from(fields).unwrap_or(u32::MAX);
            return (Content::Malformed(MalformedReason::FieldCount { expected: reader.width as u32, found }), None);
        }
        let plain = PlainFields { first: first as u32, fields: fields as u32 };
        let number = reader.position[Field::SellerLoanNumber as usize].map(|at| {
            let span = self.spans(plain).get(at);
            Cow::Borrowed(span.map_or("", |span| &text[span]))
        });
        (Content::Plain(plain), number)
    }

    /// The fields of a plain record.
    #[inline]
    pub fn spans(&self, plain: PlainFields) -> Spans<'_> {
        let first = plain.first as usize;
        Spans(&self.delimiters[first..=first + plain.fields as usize])
    }

    /// How many rows the block has.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The line of a row.
    pub fn line(&self, block: &RecordBlock, row: u32) -> u64 {
        block.records[self.rows[row as usize].record as usize].line
    }
}

fn cut_quoted<'b>(raw: &str, shape: Shape, reader: &RowReader<'_>) -> (Content, Option<Cow<'b, str>>) {
    let mut fields = Vec::with_capacity(reader.width);
    split_fields(raw, shape, reader.delimiter, &mut fields);
    if fields.len() != reader.width && !reader.extra_cells {
        let found = u32::try_from(fields.len()).unwrap_or(u32::MAX);
        return (Content::Malformed(MalformedReason::FieldCount { expected: reader.width as u32, found }), None);
    }
    let at = reader.position[Field::SellerLoanNumber as usize];
    let number = at.map(|at| Cow::Owned(fields.get(at).map_or_else(String::new, |field| field.to_string())));
    (Content::Quoted, number)
}

/// Whether every cell of a record is empty.
fn is_empty_row(raw: &str, shape: Shape, delimiter: u8) -> bool {
    if raw.bytes().any(|b| b != delimiter && !b.is_ascii_whitespace() && b != b'"' && b.is_ascii()) {
        return false;
    }
    let mut fields = Vec::new();
    split_fields(raw, shape, delimiter, &mut fields);
    fields.iter().all(|field| field.trim().is_empty())
}

/// Appends where a byte stands, counted from `base`: sixteen bytes at a time.
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

    #[test]
    fn rows_of_empty_cells_are_recognized() {
        for (raw, empty) in [
            (",,,", true),
            (" , ,\t", true),
            ("\"\",\"  \"", true),
            ("\"\"\"\",", false),
            (",0,", false),
            ("\u{a0},", true),
            ("é,", false),
        ] {
            assert_eq!(is_empty_row(raw, Shape::Quoted, b','), empty, "{raw}");
        }
    }
}
