//! Reads the rows of one tape as loans: where each field is, and how its cells are read.

use memchr::{memchr_iter, memchr2};

use crate::{
    error::RunError,
    loan::{ColumnUnit, Field, NUMBERS, WORDS},
    rules::rule_set::RuleSet,
    tape::{
        Tape,
        header::{Header, second_header},
        number,
        options::TapeOptions,
        rows::{RowLayout, RowRules},
        seller_return::ReturnedRows,
        translation::Translation,
    },
};

use super::{
    declared::DeclaredColumns,
    latest::{PeriodColumn, RecordSet},
    standard::StandardFields,
};

/// Reads the rows of one tape as loans.
#[derive(Debug)]
pub struct RowReader<'t> {
    pub(super) header: &'t Header,
    /// Name of the tape in the messages of the run.
    pub(super) name: &'t str,
    /// Set for a sheet of a seller return.
    pub(super) returned: Option<&'t ReturnedRows>,
    /// Whether messages name the tape: only when the run has several.
    pub(super) names_tape: bool,
    pub delimiter: u8,
    /// Number of fields in a row.
    pub width: usize,
    /// How far rows may deviate from `width`, and whether they are wrapped in quotation marks.
    pub layout: RowLayout,
    /// Decides which records are loans.
    pub rules: RowRules,
    pub(super) units: [ColumnUnit; NUMBERS],
    pub(super) flag_contradictions: bool,
    /// For each number, which values the quick path takes.
    pub(super) ordinary: [number::Ordinary; NUMBERS],
    /// Column of the loan number; `usize::MAX`, which is past all cells, when the tape has none. `numbers` and `words` give their
    /// columns in the same way.
    pub loan_number: usize,
    pub(super) numbers: [usize; NUMBERS],
    pub(super) words: [usize; WORDS],
    /// Column of the number of units, if the tape has one.
    pub(super) number_of_units: Option<usize>,
    /// Translates cells as the profile says; `None` when cells are read as they are.
    pub(super) translation: Option<Translation>,
    /// For each word, whether only the words of the profile count and not the built-in ones.
    pub(super) own_words: [bool; WORDS],
    /// Column of a row's period; `Some` when only the row of a loan's latest period counts.
    pub period: Option<PeriodColumn>,
    /// Records, among those read here, that a later row of the same loan supersedes.
    pub superseded: RecordSet,
    /// The standard fields that the tape has.
    pub(super) standard: StandardFields,
    /// The fields that the rule set declares.
    pub(super) declared: DeclaredColumns,
    /// Columns that are stored without being judged: position, and the start of the JSON member, which is the quoted name and a
    /// colon.
    pub(super) kept: Vec<(usize, String)>,
}

impl<'t> RowReader<'t> {
    /// A reader for the only tape of a run. See [`Self::among`] for several.
    pub fn new(tape: &'t Tape<'_>, rules: &RuleSet, options: &TapeOptions) -> Self {
        let (header, declared) = (tape.header(), rules.guide().declared());
        let options = &*tape.options(options).declaring(declared);
        let place = |field: Field| header.position(field).unwrap_or(usize::MAX);
        let (units, flag_contradictions) = (header.units(), !rules.accepts_small_percentages());
        let kept = header.columns.iter().enumerate().filter(|(_, column)| column.field.is_none());
        Self {
            header,
            name: tape.name(),
            returned: tape.returned(),
            names_tape: false,
            delimiter: tape.delimiter(),
            width: header.width(),
            layout: tape.rows(),
            rules: RowRules::new(header, tape.rows()),
            units,
            flag_contradictions,
            ordinary: std::array::from_fn(|at| number::Ordinary::new(Field::NUMERIC[at], units[at], flag_contradictions)),
            loan_number: place(Field::SellerLoanNumber),
            numbers: Field::NUMERIC.map(place),
            words: Field::WORDED.map(place),
            number_of_units: header.position(Field::NumberOfUnits),
            translation: Translation::new(header, options, tape.is_worksheet()),
            own_words: Field::WORDED.map(|field| options.has_words(field)),
            period: PeriodColumn::of(header, options),
            superseded: RecordSet::default(),
            standard: StandardFields::new(header, flag_contradictions, tape.dates(), options),
            declared: DeclaredColumns::new(declared, header, tape.dates()),
            kept: kept.map(|(at, column)| (at, json_text(&column.name) + ":")).collect(),
        }
    }

    /// The error that ends the run when the tape has another header below the first.
    pub fn second_header(&self, line: u64, row: &str) -> RunError {
        second_header(self.name, self.header.line, line, row)
    }

    /// Whether a record of several lines contains a line that looks like a row of its own, because of a stray quotation mark.
    /// Such a line has about as many fields as a row, at least three of them numbers, and the rest of the record has about a
    /// row's fields too. Other faults of that line do not matter.
    pub fn holds_rows(&self, record: &str) -> bool {
        const NUMBERS_OF_A_ROW: usize = 3;
        // A line break in a workbook's cell was typed there and is no sign of a stray quotation mark.
        if self.layout.any_width || memchr2(b'\n', b'\r', record.as_bytes()).is_none() {
            return false;
        }
        let delimiters = |text: &str| memchr_iter(self.delimiter, text.as_bytes()).count();
        let (least, most) = (self.width.saturating_sub(3 + self.layout.fewer), self.width + 1 + self.layout.more);
        let is_number = |cell: &&str| {
            let cell = cell.trim_matches(['"', '\'', ' ', '$']);
            cell.starts_with(|c: char| c.is_ascii_digit()) && cell.bytes().all(|b| b.is_ascii_digit() || b".,%".contains(&b))
        };
        let all = delimiters(record);
        record.split(['\n', '\r']).skip(1).any(|line| {
            let here = delimiters(line);
            (least..=most).contains(&here)
                && all - here >= least
                && line.split(char::from(self.delimiter)).filter(is_number).nth(NUMBERS_OF_A_ROW - 1).is_some()
        })
    }

    /// Sets the number of tapes in the run: with more than one, messages name the tape.
    pub fn among(self, tapes: usize) -> Self {
        Self { names_tape: tapes > 1, ..self }
    }

    /// Name of the tape for messages; `None` in a run of one tape.
    pub(super) fn told_name(&self) -> Option<&'t str> {
        self.names_tape.then_some(self.name)
    }
}

/// Appends a text as a JSON string.
pub(super) fn push_json_text(out: &mut String, text: &str) {
    if text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&json_text(text));
    }
}

/// A text as a JSON string.
pub(super) fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
