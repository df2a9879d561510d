//! One block of a tape: from its text to judged loans.

use std::{borrow::Cow, ops::Range};

use crate::{
    facts::columns::{ExceptionColumns, FactColumns},
    loan::{Field, Loan, Malformed, MalformedReason, NUMBERS, WORDS, WordCell},
    phases::{judge, pricing::IrrTarget, validate::FirstUse},
    results::{csv::LoanRows, summary::SummaryBuilder},
    rules::rule_set::RuleSet,
    tape::{
        Tape,
        aliases::{Aliases, WordMemo},
        header::Header,
        number::{read_into, says_nothing},
        records::{Record, RecordBlock, Shape, split_fields},
        units::ColumnUnit,
    },
};

use super::loan_numbers::{NumberHasher, NumberKey};

/// How a tape's rows become loans.
#[derive(Debug)]
pub struct RowReader<'t> {
    header: &'t Header,
    delimiter: u8,
    width: usize,
    extra_cells: bool,
    units: [ColumnUnit; NUMBERS],
    flag_contradictions: bool,
    /// Where each canonical column stands, in the order of `Field::ALL`.
    position: [Option<usize>; Field::ALL.len()],
    /// Where the columns stand that outputs show in the same order, side by side: `Loan::side_by_side`.
    side_by_side: Option<[Range<usize>; 2]>,
    /// The columns that are only kept: where they stand, and how they begin as members of a JSON object.
    kept: Vec<(usize, String)>,
}

impl<'t> RowReader<'t> {
    /// Reads the rows of a tape.
    pub fn new(tape: &'t Tape<'_>, rules: &RuleSet) -> Self {
        let header = tape.header();
        let kept = header.columns.iter().enumerate().filter(|(_, column)| column.field.is_none());
        Self {
            header,
            delimiter: tape.delimiter(),
            width: header.columns.len(),
            extra_cells: tape.allows_extra_cells(),
            units: header.units(),
            flag_contradictions: !rules.accepts_small_percentages(),
            position: header.position,
            side_by_side: side_by_side(header, tape.delimiter()),
            kept: kept.map(|(at, column)| (at, json_text(&column.name) + ":")).collect(),
        }
    }
}

/// Where a tape has the cells from the number to the credit score, and price and value, as outputs have them.
fn side_by_side(header: &Header, delimiter: u8) -> Option<[Range<usize>; 2]> {
    let run = |fields: &[Field]| {
        let first = header.position(*fields.first()?)?;
        let in_order = fields.iter().enumerate().all(|(at, field)| header.position(*field) == Some(first + at));
        in_order.then_some(first..first + fields.len())
    };
    if delimiter != b',' {
        return None;
    }
    Some([run(&Field::ALL[..6])?, run(&Field::ALL[9..])?])
}

/// A block whose records have been cut into fields.
#[derive(Debug, Default)]
pub struct CutBlock {
    rows: Vec<Row>,
    /// Where the fields of plain records end, for all of them.
    ends: Vec<u32>,
    /// The loan numbers, hashed, each with the place of its row.
    pub keys: Vec<(u32, NumberKey)>,
}

/// What a record is, beyond its place in the text.
#[derive(Debug, Clone, Copy)]
struct Row {
    record: u32,
    content: Content,
}

#[derive(Debug, Clone, Copy)]
enum Content {
    /// Its fields end at these places of `ends`.
    Plain {
        first: u32,
        fields: u32,
    },
    /// It has quoted fields.
    Quoted,
    Malformed(MalformedReason),
}

impl CutBlock {
    /// Cuts the records of a block into fields, drops the rows in which every cell is empty, and hashes the loan numbers.
    pub fn cut(&mut self, block: &RecordBlock, text: &str, reader: &RowReader<'_>, hasher: &NumberHasher) {
        self.rows.clear();
        self.ends.clear();
        self.keys.clear();
        for (at, record) in block.records.iter().enumerate() {
            let raw = &text[record.start as usize..record.end as usize];
            let row = self.rows.len() as u32;
            let (content, number) = match record.shape {
                Shape::Malformed(reason) => (Content::Malformed(reason), None),
                Shape::Plain => self.cut_plain(record, raw, text, reader),
                Shape::Quoted => cut_quoted(raw, reader),
            };
            if let Content::Malformed(MalformedReason::FieldCount { .. }) = content
                && is_empty_row(raw, reader.delimiter)
            {
                continue;
            }
            match number {
                Some(number) if !says_nothing(&number) => self.keys.push((row, hasher.key(&number))),
                Some(_) if is_empty_row(raw, reader.delimiter) => continue,
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
        let first = self.ends.len();
        push_positions(raw.as_bytes(), reader.delimiter, record.start, &mut self.ends);
        self.ends.push(record.end);
        let fields = self.ends.len() - first;
        if fields != reader.width && !(reader.extra_cells) {
            self.ends.truncate(first);
            let found = u32::try_from(fields).unwrap_or(u32::MAX);
            return (Content::Malformed(MalformedReason::FieldCount { expected: reader.width as u32, found }), None);
        }
        let content = Content::Plain { first: first as u32, fields: fields as u32 };
        let number = reader.position[Field::SellerLoanNumber as usize].map(|at| {
            let span = plain_span(&self.ends[first..], record.start, at);
            Cow::Borrowed(span.map_or("", |span| &text[span]))
        });
        (content, number)
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

fn cut_quoted<'b>(raw: &str, reader: &RowReader<'_>) -> (Content, Option<Cow<'b, str>>) {
    let mut fields = Vec::with_capacity(reader.width);
    split_fields(raw, Shape::Quoted, reader.delimiter, &mut fields);
    if fields.len() != reader.width && !reader.extra_cells {
        let found = u32::try_from(fields.len()).unwrap_or(u32::MAX);
        return (Content::Malformed(MalformedReason::FieldCount { expected: reader.width as u32, found }), None);
    }
    let at = reader.position[Field::SellerLoanNumber as usize];
    let number = at.map(|at| Cow::Owned(fields.get(at).map_or_else(String::new, |field| field.to_string())));
    (Content::Quoted, number)
}

/// Whether every cell of a record is empty.
fn is_empty_row(raw: &str, delimiter: u8) -> bool {
    if raw.bytes().any(|b| b != delimiter && !b.is_ascii_whitespace() && b != b'"' && b.is_ascii()) {
        return false;
    }
    let mut fields = Vec::new();
    split_fields(raw, Shape::Quoted, delimiter, &mut fields);
    fields.iter().all(|field| field.trim().is_empty())
}

/// Where the field at `at` of a plain record stands in the text of its block.
#[inline]
fn plain_span(ends: &[u32], start: u32, at: usize) -> Option<Range<usize>> {
    let end = *ends.get(at)? as usize;
    let start = if at == 0 { start as usize } else { ends[at - 1] as usize + 1 };
    Some(start..end)
}

/// Appends where a byte stands, counted from `base`: eight bytes at a time.
#[inline]
fn push_positions(bytes: &[u8], byte: u8, base: u32, out: &mut Vec<u32>) {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let pattern = u64::from(byte) * 0x0101_0101_0101_0101;
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut at = base;
    for chunk in chunks {
        let other = u64::from_le_bytes(*chunk) ^ pattern;
        // The high bit of each byte that is zero, that is, equal.
        let mut equal = !(((other & LOW) + LOW) | other | LOW);
        while equal != 0 {
            out.push(at + equal.trailing_zeros() / 8);
            equal &= equal - 1;
        }
        at += 8;
    }
    for b in rest {
        if *b == byte {
            out.push(at);
        }
        at += 1;
    }
}

/// What judging a block gives.
#[derive(Debug, Default)]
pub struct JudgedBlock {
    /// Which tape of the run the block is from.
    pub tape: usize,
    /// Rows of the output files.
    pub rows: LoanRows,
    /// The loans.
    pub facts: FactColumns,
    /// Their exceptions.
    pub exceptions: ExceptionColumns,
    /// Counts and sums.
    pub summary: SummaryBuilder,
}

/// What applies to all loans of a run.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'r> {
    /// The rules.
    pub rules: &'r RuleSet,
    /// The target that prices follow from.
    pub irr_target: &'r IrrTarget,
    /// Whether the rows of the output files are wanted.
    pub list_rows: bool,
    /// Whether facts and exceptions are wanted.
    pub store_facts: bool,
}

/// Judges the loans of a block, in order. `repeats` are the rows whose loan number was used before, in order, with the
/// place of its first use.
pub fn judge_block(
    block: &RecordBlock,
    text: &str,
    cut: &CutBlock,
    (tape, reader): (usize, &RowReader<'_>),
    terms: Terms<'_>,
    repeats: &[(u32, FirstUse)],
    mut rows: LoanRows,
) -> JudgedBlock {
    rows.clear();
    let mut judged = JudgedBlock { tape, rows, ..JudgedBlock::default() };
    judged.facts.tape = tape as u32;
    judged.exceptions.tape = tape as u32;
    if terms.store_facts {
        judged.facts.reserve(cut.rows());
    }
    let mut repeats = repeats.iter().peekable();
    let mut fields = Vec::with_capacity(reader.width);
    let mut kept = String::new();
    let mut memos: [WordMemo; WORDS] = Default::default();
    for (at, row) in cut.rows.iter().enumerate() {
        let record = &block.records[row.record as usize];
        let raw = &text[record.start as usize..record.end as usize];
        let cells = match row.content {
            Content::Malformed(_) => Cells::None,
            Content::Plain { first, fields } => {
                Cells::Plain { text, start: record.start, ends: &cut.ends[first as usize..(first + fields) as usize] }
            }
            Content::Quoted => {
                split_fields(raw, Shape::Quoted, reader.delimiter, &mut fields);
                Cells::Split(&fields)
            }
        };
        let mut loan = Loan::empty(record.line);
        match row.content {
            Content::Malformed(reason) => loan.malformed = Some(Malformed { reason, raw }),
            Content::Plain { .. } | Content::Quoted => read_loan(&mut loan, &cells, reader, &mut memos),
        }
        let first_use = repeats.next_if(|(row, _)| *row as usize == at).map(|(_, first_use)| first_use);
        let decided = judge(&loan, first_use, terms.rules, terms.irr_target);
        judged.summary.add(&decided);
        if terms.list_rows {
            judged.rows.push(&decided);
        }
        if terms.store_facts {
            push_kept(&mut judged.facts, &cells, reader, &mut kept);
            judged.facts.push(&decided);
            judged.exceptions.push(&decided);
        }
    }
    judged
}

/// The cells of one row.
#[derive(Clone, Copy)]
enum Cells<'c> {
    /// Of a row that cannot be read.
    None,
    /// Stretches of the text of the block.
    Plain { text: &'c str, start: u32, ends: &'c [u32] },
    /// Of a row with quoted fields.
    Split(&'c [Cow<'c, str>]),
}

impl<'c> Cells<'c> {
    #[inline]
    fn get(&self, at: usize) -> Option<&'c str> {
        match *self {
            Self::None => None,
            Self::Plain { text, start, ends } => plain_span(ends, start, at).map(|span| &text[span]),
            Self::Split(fields) => fields.get(at).map(|cell| cell.as_ref()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Plain { ends, .. } => ends.len(),
            Self::Split(fields) => fields.len(),
        }
    }
}

/// Reads the cells of a row.
#[inline]
fn read_loan<'c>(loan: &mut Loan<'c>, cells: &Cells<'c>, reader: &RowReader<'_>, memos: &mut [WordMemo; WORDS]) {
    let cell = |field: Field| reader.position[field as usize].and_then(|at| cells.get(at)).unwrap_or("");
    let number = cell(Field::SellerLoanNumber);
    if !says_nothing(number) {
        loan.seller_loan_number = Some(Cow::Borrowed(number));
    }
    for (at, field) in Field::NUMERIC.into_iter().enumerate() {
        read_into(&mut loan.numbers[at], field, cell(field), reader.units[at], reader.flag_contradictions);
    }
    if let (Some(runs), Cells::Plain { text, start, ends }) = (&reader.side_by_side, *cells) {
        let run = |run: &Range<usize>| {
            let (first, last) = (plain_span(ends, start, run.start), plain_span(ends, start, run.end - 1));
            first.zip(last).map_or("", |(first, last)| &text[first.start..last.end])
        };
        loan.side_by_side = Some([run(&runs[0]), run(&runs[1])]);
    }
    let vocabularies = Aliases::built_in().vocabularies();
    for (at, field) in Field::WORDED.into_iter().enumerate() {
        let written = cell(field);
        loan.words[at] = match memos[at].code(&vocabularies[at], written) {
            Some(code) => WordCell::Known(code),
            None if says_nothing(written) => WordCell::Missing,
            None => WordCell::Other(written.trim()),
        };
    }
}

/// Appends the cells that are only kept as one JSON object.
fn push_kept(facts: &mut FactColumns, cells: &Cells<'_>, reader: &RowReader<'_>, scratch: &mut String) {
    if cells.len() == 0 || (reader.kept.is_empty() && cells.len() <= reader.width) {
        return;
    }
    scratch.clear();
    let mut member = |name: &str, cell: &str| {
        scratch.push(if scratch.is_empty() { '{' } else { ',' });
        scratch.push_str(name);
        push_json_text(scratch, cell);
    };
    for (at, name) in &reader.kept {
        member(name, cells.get(*at).unwrap_or(""));
    }
    for at in reader.width..cells.len() {
        member(&(json_text(&reader.header.extra_name(at)) + ":"), cells.get(at).unwrap_or(""));
    }
    scratch.push('}');
    facts.push_source_columns(scratch);
}

fn push_json_text(out: &mut String, text: &str) {
    if text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&json_text(text));
    }
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
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
            assert_eq!(is_empty_row(raw, b','), empty, "{raw}");
        }
    }
}
