//! Loans read back from stored facts, so that the phases can judge them again.
//!
//! A stored loan has every value that the phases look at: numbers, words, standard fields, and the fields that the rule set of the
//! run declares. What only the tape can show (a row that cannot be read, a repeated loan number, a cut one, an unread period) comes
//! from the stored exceptions of the run.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use jiff::civil::Date;
use serde_json::value::RawValue;

use crate::{
    decimal::Decimal,
    facts::{
        decimals::{DecimalType, NUMBER_TYPES, PRICE},
        read::{
            ExceptionsReader, FactsReader, RangeReader, ReadError,
            scan::{GroupColumns, Integers, Texts},
        },
        schema::ColumnKind,
        standard::date_of,
    },
    loan::{
        CellValue, Field, FieldKind, Loan, MANY_UNITS, Malformed, MalformedReason, NUMBERS, NumberCell, OrdinaryLoan, STANDARD,
        StandardCell, StandardCells, StandardValue, UNKNOWN_NUMBER, Unit, UnreadPeriod, Unreadable, WORDS, WordCell,
    },
    phases::{disposition::Disposition, validate::FirstUse},
    rules::{ExceptionType, rule_set::RuleSet},
    tape::{
        aliases::{Aliases, Vocabulary},
        declared::{Declaration, DeclaredFields},
        standard::DateOrder,
    },
    ten_thousandths::TenThousandths,
};

/// The columns of the facts that every question needs, before those of the fields.
const FIRST_COLUMNS: [&str; 6] = ["seller_loan_number", "line", "disposition", "final_price", "as_written", "exact_values"];
const LOAN_NUMBER_AT: usize = 0;
const LINE_AT: usize = 1;
const DISPOSITION_AT: usize = 2;
const PRICE_AT: usize = 3;
const AS_WRITTEN_AT: usize = 4;
const EXACT_AT: usize = 5;
/// Index of the first number, and of the first word, among the columns.
const NUMBERS_AT: usize = FIRST_COLUMNS.len();
const WORDS_AT: usize = NUMBERS_AT + NUMBERS;
/// Index of the column with the declared fields, and of the first standard field.
const KEPT_AT: usize = WORDS_AT + WORDS;
const STANDARD_AT: usize = KEPT_AT + 1;

/// A code that no word has.
const NO_WORD: u8 = u8::MAX;
/// A word that the loan lacks, among the codes of a column.
const MISSING_WORD: u8 = u8::MAX - 1;

/// What the tape alone shows about loans that failed validation, by their rows.
#[derive(Debug, Default)]
pub struct TapeFailures {
    rows: HashMap<u64, RowFailures>,
}

#[derive(Debug, Default, Clone)]
struct RowFailures {
    malformed: bool,
    repeated: bool,
    number_is_cut: bool,
    /// The column with the period that could not be read.
    period: Option<String>,
}

impl TapeFailures {
    /// Reads the failures of a run from its stored exceptions.
    ///
    /// # Errors
    /// [`ReadError`] when the exceptions cannot be read.
    pub fn read<R: RangeReader>(exceptions: &ExceptionsReader<R>, declared: &DeclaredFields) -> Result<Self, ReadError> {
        let mut failures = Self::default();
        let required: Vec<String> = declared.required().map(|field| field.name().to_owned()).collect();
        let of_cell =
            |name: &str| Field::NUMERIC.iter().any(|field| field.name() == name) || required.iter().any(|of| of == name);
        for group in 0..exceptions.groups() {
            let columns = exceptions.scan(group, &["row", "exception_type", "field"])?;
            let (Some(rows), Some(types), Some(fields)) = (columns.integers(0), columns.texts(1), columns.texts(2)) else {
                continue;
            };
            let code_of = |wanted: ExceptionType| {
                let codes = 0..u32::try_from(types.codes()).unwrap_or(Texts::NONE);
                let found = codes.filter(|code| types.text(*code) == Some(wanted.name())).collect::<Vec<_>>();
                move |code: u32| found.contains(&code)
            };
            let is_malformed = code_of(ExceptionType::MalformedRow);
            let is_repeated = code_of(ExceptionType::DuplicateLoan);
            let is_invalid = code_of(ExceptionType::InvalidValue);
            for at in 0..columns.rows {
                let code = types.code(at);
                let Some(row) = rows.get(at).and_then(|row| u64::try_from(row).ok()) else { continue };
                if is_malformed(code) {
                    failures.at(row).malformed = true;
                } else if is_repeated(code) {
                    failures.at(row).repeated = true;
                } else if is_invalid(code) {
                    match fields.get(at).unwrap_or_default() {
                        field if field == Field::SellerLoanNumber.name() => failures.at(row).number_is_cut = true,
                        field if of_cell(field) => {}
                        column => failures.at(row).period = Some(column.to_owned()),
                    }
                }
            }
        }
        Ok(failures)
    }

    fn at(&mut self, row: u64) -> &mut RowFailures {
        self.rows.entry(row).or_default()
    }
}

/// The loans of a row group.
pub struct StoredLoans<'f> {
    columns: GroupColumns,
    failures: &'f TapeFailures,
    /// For each word of a loan, the code in its vocabulary for each code of the column.
    words: [Vec<u8>; WORDS],
    /// The standard fields that have a value in the row group, if the rules need them.
    standard: Vec<StandardField>,
    /// The fields that the rules declare; `None` when the rules declare none.
    declared: Option<DeclaredReader>,
    dispositions: Vec<Option<Disposition>>,
}

struct StandardField {
    /// Index among the standard fields.
    place: usize,
    /// Index among the columns.
    at: usize,
    kind: StandardKind,
}

enum StandardKind {
    /// For each code of the column, the code in the vocabulary of the field.
    Word(Vec<u8>),
    Whole,
    Date,
    Number(DecimalType),
}

/// Reads the declared fields of loans.
struct DeclaredReader {
    fields: Vec<(Arc<Declaration>, Option<Vocabulary>)>,
}

/// Room for the cells of one loan, used again for each.
#[derive(Default)]
pub struct CellRoom {
    texts: Vec<String>,
}

impl<'f> StoredLoans<'f> {
    /// Reads the loans of a row group, with what these rules look at.
    ///
    /// # Errors
    /// [`ReadError`] when the facts cannot be read.
    pub fn read<R: RangeReader>(
        facts: &FactsReader<R>,
        group: usize,
        rules: &RuleSet,
        failures: &'f TapeFailures,
    ) -> Result<Self, ReadError> {
        let guide = rules.guide();
        let needs_standard = rules.needs_standard() || !guide.declared().required.is_empty();
        let mut names: Vec<&str> = FIRST_COLUMNS.to_vec();
        names.extend(Field::NUMERIC.iter().map(|field| field.name()));
        names.extend(Field::WORDED.iter().map(|field| field.name()));
        let declared = (!guide.declared().fields.is_empty()).then(|| DeclaredReader::new(guide.declared()));
        // Without declared fields the column is not needed, and the next one stands in for it.
        names.push(if declared.is_some() { "source_columns" } else { FIRST_COLUMNS[EXACT_AT] });
        if needs_standard {
            names.extend(Field::STANDARD.iter().map(|field| field.name()));
        }
        let columns = facts.scan(group, &names)?;
        let words = std::array::from_fn(|at| {
            let vocabulary = &Aliases::built_in().vocabularies()[at];
            columns.texts(WORDS_AT + at).map(|texts| codes_of(texts, vocabulary)).unwrap_or_default()
        });
        let standard = if needs_standard { standard_fields(&columns) } else { Vec::new() };
        let dispositions = columns.texts(DISPOSITION_AT).map(|texts| {
            let codes = 0..u32::try_from(texts.codes()).unwrap_or(Texts::NONE);
            codes.map(|code| texts.text(code).and_then(Disposition::from_word)).collect()
        });
        Ok(Self { columns, failures, words, standard, declared, dispositions: dispositions.unwrap_or_default() })
    }

    /// Number of loans.
    pub fn len(&self) -> usize {
        self.columns.rows
    }

    pub fn is_empty(&self) -> bool {
        self.columns.rows == 0
    }

    /// Number of loans of the run before the row group.
    pub fn first_row(&self) -> u64 {
        self.columns.first_row
    }

    fn integers(&self, at: usize) -> &Integers {
        const NONE: &Integers = &Integers::EMPTY;
        self.columns.integers(at).unwrap_or(NONE)
    }

    fn text(&self, at: usize, row: usize) -> Option<&str> {
        self.columns.texts(at)?.get(row)
    }

    /// The disposition that the run decided on.
    pub fn disposition(&self, row: usize) -> Option<Disposition> {
        let code = self.columns.texts(DISPOSITION_AT)?.code(row);
        *self.dispositions.get(code as usize)?
    }

    /// The final price of the run; `None` for a loan without one.
    pub fn final_price(&self, row: usize) -> Option<TenThousandths> {
        match self.integers(PRICE_AT).get(row) {
            Some(mantissa) => Some(TenThousandths(mantissa)),
            None => {
                let exact = self.exact_values(row);
                exact.iter().find(|(name, _)| name == "final_price").and_then(|(_, value)| TenThousandths::exact(*value))
            }
        }
    }

    /// Numbers that their columns do not hold exactly.
    fn exact_values(&self, row: usize) -> Vec<(String, Decimal)> {
        let Some(json) = self.text(EXACT_AT, row) else { return Vec::new() };
        let members: HashMap<String, Box<RawValue>> = serde_json::from_str(json).unwrap_or_default();
        members.into_iter().filter_map(|(name, value)| Some((name, value.get().parse().ok()?))).collect()
    }

    /// The loan in its short form; `None` when it is not ordinary.
    #[inline]
    pub fn ordinary(&self, row: usize) -> Option<OrdinaryLoan<'_>> {
        let mut micros = [0; NUMBERS];
        for (at, stored) in NUMBER_TYPES.iter().enumerate() {
            micros[at] = stored.micros(self.integers(NUMBERS_AT + at).get(row)?)?;
        }
        let mut codes = [0; WORDS];
        for (at, code) in codes.iter_mut().enumerate() {
            *code = self.word_code(at, row);
            if *code >= MISSING_WORD {
                return None;
            }
        }
        let odd = self.columns.texts(AS_WRITTEN_AT)?.code(row) != Texts::NONE
            || self.columns.texts(EXACT_AT)?.code(row) != Texts::NONE
            || self.failures.rows.contains_key(&(self.columns.first_row + row as u64));
        let seller_loan_number = self.text(LOAN_NUMBER_AT, row)?;
        if odd || seller_loan_number == UNKNOWN_NUMBER {
            return None;
        }
        Some(OrdinaryLoan { line: self.line(row), seller_loan_number, micros, codes })
    }

    fn line(&self, row: usize) -> u64 {
        self.integers(LINE_AT).get(row).and_then(|line| u64::try_from(line).ok()).unwrap_or(0)
    }

    /// The code of a word in its vocabulary, or [`MISSING_WORD`] or [`NO_WORD`].
    #[inline]
    fn word_code(&self, at: usize, row: usize) -> u8 {
        let code = self.columns.texts(WORDS_AT + at).map_or(Texts::NONE, |texts| texts.code(row));
        if code == Texts::NONE { MISSING_WORD } else { self.words[at].get(code as usize).copied().unwrap_or(NO_WORD) }
    }

    /// Calls `then` with a loan, and with the place of an earlier use of its number if the number was used before.
    pub fn with_loan<T>(
        &self,
        row: usize,
        standard: &StandardCells<'_>,
        then: impl FnOnce(&Loan<'_>, Option<&FirstUse>) -> T,
    ) -> T {
        let failures = self.failures.rows.get(&(self.columns.first_row + row as u64));
        let first_use = failures.filter(|failures| failures.repeated).map(|_| FirstUse { source_file: None, line: 0 });
        let mut loan = Loan { standard, ..Loan::empty(self.line(row)) };
        if failures.is_some_and(|failures| failures.malformed) {
            loan.malformed = Some(Malformed { reason: MalformedReason::StrayQuote, raw: "", source_file: None });
            return then(&loan, first_use.as_ref());
        }
        loan.seller_loan_number = self.text(LOAN_NUMBER_AT, row).filter(|number| *number != UNKNOWN_NUMBER).map(Cow::Borrowed);
        let as_written = self.as_written(row);
        let exact = if self.text(EXACT_AT, row).is_some() { self.exact_values(row) } else { Vec::new() };
        for (at, (field, stored)) in Field::NUMERIC.into_iter().zip(NUMBER_TYPES).enumerate() {
            let exactly = exact.iter().find(|(name, _)| name == field.name()).map(|(_, value)| *value);
            let value = exactly.or_else(|| stored.value(self.integers(NUMBERS_AT + at).get(row)?));
            let written = as_written.iter().find(|(name, _)| name == field.name());
            loan.numbers[at] = match (value, written) {
                (_, Some((_, written))) => {
                    NumberCell { reading: CellValue::Unreadable(Unreadable::NotANumber), written, plain: false }
                }
                (Some(value), None) => NumberCell { reading: CellValue::Value(value), written: "", plain: true },
                (None, None) => NumberCell::MISSING,
            };
        }
        for (at, field) in Field::WORDED.into_iter().enumerate() {
            let own = as_written.iter().find(|(name, _)| name == field.name()).map(|(_, written)| written.as_str());
            loan.words[at] = match (own, self.word_code(at, row)) {
                // A word that the profile of the run does not know, although the built-in vocabulary does.
                (Some(written), _) => WordCell::Other(written),
                (None, MISSING_WORD) => WordCell::Missing,
                (None, NO_WORD) => match self.text(WORDS_AT + at, row) {
                    Some(MANY_UNITS) => WordCell::ManyUnits { written: "", units: "" },
                    text => text.map_or(WordCell::Missing, WordCell::Other),
                },
                (None, code) => WordCell::Known(code),
            };
        }
        if let Some(failures) = failures {
            loan.number_is_cut = failures.number_is_cut;
            loan.unread_period = failures.period.as_ref().map(|column| UnreadPeriod { column, written: "" });
        }
        then(&loan, first_use.as_ref())
    }

    fn as_written(&self, row: usize) -> Vec<(String, String)> {
        let Some(json) = self.text(AS_WRITTEN_AT, row) else { return Vec::new() };
        let members: HashMap<String, String> = serde_json::from_str(json).unwrap_or_default();
        members.into_iter().collect()
    }

    /// Whether the rules look at standard or declared fields.
    pub fn has_standard(&self) -> bool {
        !self.standard.is_empty() || self.declared.is_some()
    }

    /// Calls `then` with the standard and declared fields of a loan.
    pub fn with_standard<T>(&self, row: usize, room: &mut CellRoom, then: impl FnOnce(&StandardCells<'_>) -> T) -> T {
        if !self.has_standard() {
            return then(&StandardCells::NONE);
        }
        let mut cells = [(StandardCell::Missing, ""); STANDARD];
        for field in &self.standard {
            cells[field.place].0 = self.standard_cell(field, row);
        }
        if self.columns.texts(EXACT_AT).is_some_and(|texts| texts.code(row) != Texts::NONE) {
            for (name, value) in self.exact_values(row) {
                if let Some(FieldKind::Standard(place)) = Field::from_name(&name).map(|field| field.info().kind) {
                    cells[place].0 = StandardCell::Value(StandardValue::Number(value));
                }
            }
        }
        let as_written = self.as_written(row);
        for (name, written) in &as_written {
            if let Some(FieldKind::Standard(place)) = Field::from_name(name).map(|field| field.info().kind) {
                cells[place] = (StandardCell::Unreadable, written);
            }
        }
        match &self.declared {
            None => then(&StandardCells(cells, &[])),
            Some(declared) => {
                let read = declared.read(self.text(KEPT_AT, row), room);
                let declared: Vec<(StandardCell, &str)> =
                    read.iter().zip(&room.texts).map(|(cell, text)| (*cell, text.as_str())).collect();
                then(&StandardCells(cells, &declared))
            }
        }
    }

    fn standard_cell(&self, field: &StandardField, row: usize) -> StandardCell {
        let value = match &field.kind {
            StandardKind::Word(codes) => {
                let code = self.columns.texts(field.at).map_or(Texts::NONE, |texts| texts.code(row));
                codes.get(code as usize).filter(|code| **code != NO_WORD).map(|code| StandardValue::Word(*code))
            }
            StandardKind::Whole => {
                let whole = self.integers(field.at).get(row).and_then(|whole| i32::try_from(whole).ok());
                whole.map(StandardValue::Whole)
            }
            StandardKind::Date => self.integers(field.at).get(row).and_then(date_of).map(StandardValue::Date),
            StandardKind::Number(stored) => {
                let value = self.integers(field.at).get(row).and_then(|mantissa| stored.value(mantissa));
                value.map(StandardValue::Number)
            }
        };
        value.map_or(StandardCell::Missing, StandardCell::Value)
    }
}

fn codes_of(texts: &Texts, vocabulary: &Vocabulary) -> Vec<u8> {
    let codes = 0..u32::try_from(texts.codes()).unwrap_or(Texts::NONE);
    let code = |code| texts.text(code).and_then(|text| vocabulary.canonical().iter().position(|word| word == text));
    codes.map(|at| code(at).and_then(|place| u8::try_from(place).ok()).unwrap_or(NO_WORD)).collect()
}

fn standard_fields(columns: &GroupColumns) -> Vec<StandardField> {
    let field = |(place, field): (usize, Field)| {
        let at = STANDARD_AT + place;
        let info = field.info();
        let kind = match ColumnKind::of(info.kind, info.unit) {
            ColumnKind::Text => {
                let texts = columns.texts(at)?;
                StandardKind::Word(codes_of(texts, Aliases::built_in().vocabulary(field)?))
            }
            ColumnKind::Date => StandardKind::Date,
            ColumnKind::Whole | ColumnKind::Integer => StandardKind::Whole,
            ColumnKind::Decimal(stored) => StandardKind::Number(stored),
        };
        let is_empty = match &kind {
            StandardKind::Word(_) => columns.texts(at).is_none_or(Texts::is_empty),
            StandardKind::Whole | StandardKind::Date | StandardKind::Number(_) => {
                columns.integers(at).is_none_or(Integers::is_empty)
            }
        };
        (!is_empty).then_some(StandardField { place, at, kind })
    };
    Field::STANDARD.into_iter().enumerate().filter_map(field).collect()
}

impl DeclaredReader {
    fn new(declared: &DeclaredFields) -> Self {
        Self { fields: declared.fields.iter().map(|field| (Arc::clone(field), field.vocabulary())).collect() }
    }

    /// Reads the cells of a loan, and leaves their texts in `room`.
    fn read(&self, json: Option<&str>, room: &mut CellRoom) -> Vec<StandardCell> {
        room.texts.clear();
        let members: HashMap<Cow<'_, str>, &RawValue> = json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        let mut cells = Vec::with_capacity(self.fields.len());
        for (field, words) in &self.fields {
            let value = members.get(&*field.name).map_or("null", |value| value.get());
            let (cell, text) = read_declared(field, words.as_ref(), value);
            cells.push(cell);
            room.texts.push(text);
        }
        cells
    }
}

/// The cell of a declared field from its JSON: a number, or a text that is a word, a date, or what could not be read.
fn read_declared(field: &Declaration, words: Option<&Vocabulary>, json: &str) -> (StandardCell, String) {
    let text = match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(json).unwrap_or_default(),
        Some(b'n') | None => return (StandardCell::Missing, String::new()),
        Some(_) => json.to_owned(),
    };
    let is_text = json.starts_with('"');
    let cell = match (words, field.unit) {
        (Some(words), _) => field.read_word(&text, words.code(&text)),
        // A date that was read is stored as `2024-01-31`; any other text was not read, whatever it may mean in another order.
        (None, Unit::Date) => {
            let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
            date.map_or(StandardCell::Unreadable, |date| StandardCell::Value(StandardValue::Date(date)))
        }
        // A number that was read is stored as a number.
        (None, unit) if is_text && !matches!(unit, Unit::Word | Unit::Text) => StandardCell::Unreadable,
        (None, _) => field.read(&text, DateOrder::default()),
    };
    (cell, text)
}

/// The price column's type, which [`StoredLoans::final_price`] reads as ten-thousandths.
const _: () = assert!(PRICE.scale == 4);
