//! Validation: required fields are present, values are readable, each loan number is used once in a run.

use std::borrow::Cow;

use crate::{
    decimal::Decimal,
    loan::{CellValue, Field, FieldKind, Loan, NumberCell, StandardCell, Unit, UnreadPeriod, Unreadable, WordCell},
    rules::{
        Evidence, ExceptionType, MISSING, Severity, concat, excerpt,
        guide::field::{Slot, TestedField},
    },
    tape::number::LARGEST_NOTE_RATE,
};

use super::Exception;

/// Where a loan number was used for the first time in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstUse {
    /// The tape; `None` when the run has only one.
    pub source_file: Option<String>,
    /// Line in the tape.
    pub line: u64,
}

/// A line as shown in messages: with its tape when the run has several.
fn place(line: u64, source_file: Option<&str>) -> String {
    match source_file {
        None => line.to_string(),
        Some(file) => concat(&[&line.to_string(), " of ", file]),
    }
}

/// A loan after the validation phase.
#[derive(Debug)]
pub struct Validated<'l, 't> {
    pub(super) loan: &'l Loan<'t>,
    pub(super) exceptions: Vec<Exception<'l>>,
}

impl<'l, 't> Validated<'l, 't> {
    pub fn loan(&self) -> &'l Loan<'t> {
        self.loan
    }

    /// Validations that the loan failed, in the order of reports.
    pub fn exceptions(&self) -> &[Exception<'l>] {
        &self.exceptions
    }

    /// Whether the loan failed any validation.
    pub fn failed(&self) -> bool {
        !self.exceptions.is_empty()
    }
}

/// Validates a loan and reports all failures. A required cell that cannot be read is not reported as missing as well. `required` are
/// the fields that the rule set requires.
#[inline]
pub fn validate<'l, 't>(loan: &'l Loan<'t>, first_use: Option<&FirstUse>, required: &[Slot]) -> Validated<'l, 't> {
    let sound = is_sound(loan, first_use, required);
    Validated { loan, exceptions: if sound { Vec::new() } else { failures(loan, first_use, required) } }
}

/// Whether a loan passes all validations.
#[inline]
pub(super) fn is_sound(loan: &Loan<'_>, first_use: Option<&FirstUse>, required: &[Slot]) -> bool {
    first_use.is_none()
        && loan.malformed.is_none()
        && loan.seller_loan_number.is_some()
        && !loan.number_is_cut
        && loan.unread_period.is_none()
        && loan.words[0] != WordCell::Missing
        && Field::NUMERIC.iter().zip(&loan.numbers).all(|(field, cell)| match cell.reading {
            CellValue::Value(value) => !field.info().required || !value.is_zero(),
            CellValue::Missing => !field.info().required,
            CellValue::Unreadable(_) => false,
        })
        && required.iter().all(|slot| slot.is_given(loan.standard))
}

#[cold]
fn failures(loan: &Loan<'_>, first_use: Option<&FirstUse>, required: &[Slot]) -> Vec<Exception<'static>> {
    let hard =
        |failed: ExceptionType, evidence| Exception { kind: failed.kind(), severity: Severity::Hard, evidence, program: None };
    if let Some(malformed) = &loan.malformed {
        let raw = excerpt(malformed.raw);
        let place = place(loan.line, malformed.source_file);
        let message = format!("Line {place} cannot be read: {}. It says: {raw}", malformed.reason);
        let limit = "a row as the header announces it".into();
        let evidence = Evidence { field: "".into(), actual: raw.to_owned().into(), limit, excess: None, message };
        return vec![hard(ExceptionType::MalformedRow, evidence)];
    }
    let mut exceptions = Vec::new();
    let lacking = required.iter().filter(|slot| slot.cell(loan.standard).0 == StandardCell::Missing);
    let mut missing: Vec<&str> = missing_fields(loan).map(Field::name).collect();
    missing.extend(lacking.map(|slot| slot.field.name()));
    if !missing.is_empty() {
        let names = missing.join(", ");
        let noun = if missing.len() == 1 { "field is" } else { "fields are" };
        let message = concat(&["Required ", noun, " missing or zero: ", &names]);
        let evidence =
            Evidence { field: missing.join(",").into(), actual: MISSING.into(), limit: "present".into(), excess: None, message };
        exceptions.push(hard(ExceptionType::MissingField, evidence));
    }
    if loan.number_is_cut {
        exceptions.push(hard(ExceptionType::InvalidValue, cut_number(loan)));
    }
    if let Some(period) = &loan.unread_period {
        exceptions.push(hard(ExceptionType::InvalidValue, unread_period(period)));
    }
    for (field, cell) in Field::NUMERIC.into_iter().zip(&loan.numbers) {
        if let CellValue::Unreadable(why) = cell.reading {
            exceptions.push(hard(ExceptionType::InvalidValue, unreadable(field, cell, why)));
        }
    }
    for slot in required {
        let (cell, written) = slot.cell(loan.standard);
        if cell == StandardCell::Unreadable && !slot.is_given(loan.standard) {
            exceptions.push(hard(ExceptionType::InvalidValue, unreadable_required(&slot.field, written)));
        }
    }
    if let Some(first) = first_use {
        let place = place(first.line, first.source_file.as_deref());
        let number = loan.shown_number();
        let message = concat(&["Loan number ", excerpt(number), " was already used on line ", &place]);
        let field = Cow::Borrowed(Field::SellerLoanNumber.name());
        let evidence =
            Evidence { field, actual: number.to_owned().into(), limit: "used once in a run".into(), excess: None, message };
        exceptions.push(hard(ExceptionType::DuplicateLoan, evidence));
    }
    exceptions
}

/// Required fields that are missing or zero.
fn missing_fields(loan: &Loan<'_>) -> impl Iterator<Item = Field> {
    let is_missing = |field: &Field| match field.info().kind {
        FieldKind::Text => loan.seller_loan_number.is_none(),
        FieldKind::Word(at) => loan.words[at] == WordCell::Missing,
        FieldKind::Standard(_) => false,
        FieldKind::Number(at) => match loan.numbers[at].reading {
            CellValue::Missing => true,
            CellValue::Value(value) => value.is_zero(),
            CellValue::Unreadable(_) => false,
        },
    };
    Field::CANONICAL.into_iter().filter(|field| field.info().required).filter(is_missing)
}

/// Evidence for a loan number whose digits a spreadsheet has cut: the number may now be the number of another loan.
fn cut_number(loan: &Loan<'_>) -> Evidence {
    let (field, written) = (Field::SellerLoanNumber, loan.shown_number());
    let message = format!(
        "{} \"{}\" is not the seller's: a spreadsheet has cut its digits. Send the tape with the column as text",
        field.info().label,
        excerpt(written)
    );
    let limit = "a number with all its digits".into();
    Evidence { field: field.name().into(), actual: written.to_owned().into(), limit, excess: None, message }
}

/// Evidence for a row whose period cannot be read: a row of a later period of the same loan may count instead.
fn unread_period(UnreadPeriod { column, written }: &UnreadPeriod<'_>) -> Evidence {
    let shown = if written.is_empty() { MISSING } else { excerpt(written) };
    let message =
        format!("The period in \"{}\" cannot be read as a date: {shown}. The rows of the latest period count", excerpt(column));
    let actual = if written.is_empty() { MISSING.into() } else { (*written).to_owned().into() };
    Evidence { field: (*column).to_owned().into(), actual, limit: "a date".into(), excess: None, message }
}

/// Evidence for a cell of a field that the rule set requires.
fn unreadable_required(field: &TestedField, written: &str) -> Evidence {
    let wanted = match field.unit() {
        Unit::Count | Unit::Months => "a whole number",
        Unit::Date => "a date",
        Unit::Percent => "a percentage",
        Unit::Money | Unit::Ratio | Unit::Word | Unit::Text => "a number",
    };
    let message = concat(&[field.label(), " \"", excerpt(written), "\" cannot be read as ", wanted]);
    let field = field.name().to_owned().into();
    Evidence { field, actual: written.to_owned().into(), limit: wanted.into(), excess: None, message }
}

fn unreadable(field: Field, cell: &NumberCell<'_>, why: Unreadable) -> Evidence {
    let label = field.info().label;
    let written = excerpt(cell.written);
    let zones = field.info().zones.map(|zones| (zones.fraction_to.to_string(), zones.percent_from.to_string()));
    let (fraction_to, percent_from) = zones.unwrap_or_default();
    let (limit, message) = match why {
        Unreadable::NotANumber => ("a number".to_owned(), concat(&[label, " \"", written, "\" is not a number"])),
        Unreadable::DecimalComma => (
            "a number with a decimal point".to_owned(),
            format!(
                "{label} \"{written}\" has a comma, which may be a decimal comma: write a point, or say decimal = \",\" in a profile"
            ),
        ),
        Unreadable::PercentSign => (
            "a number without a percent sign".to_owned(),
            format!("{label} \"{written}\" has a percent sign, and is no percentage"),
        ),
        Unreadable::TooManyDigits => {
            let most = crate::decimal::MAX_DIGITS;
            (
                format!("a number of at most {most} digits on each side of the point"),
                format!("{label} \"{written}\" has more than {most} digits on a side of the point"),
            )
        }
        Unreadable::FractionInPercents => (
            format!("a percentage: 0 or > {fraction_to}"),
            format!(
                "{label} {written} contradicts its column, which holds percentages: a value of at most {fraction_to} there looks like \
                 a fraction"
            ),
        ),
        Unreadable::RatioInPercents => (
            format!("a percentage: 0 or >= {percent_from}"),
            format!(
                "{label} {written} contradicts its column, which holds percentages: {written} may be {} %",
                hundredfold(cell)
            ),
        ),
        Unreadable::PercentInFractions => (
            format!("a fraction: < {percent_from}"),
            format!(
                "{label} {written} contradicts its column, which holds fractions: a value of {percent_from} or more there looks like a \
                 percentage"
            ),
        ),
        Unreadable::NoNoteRate => (
            format!("0 to {LARGEST_NOTE_RATE} percent"),
            format!(
                "{label} {written} is no rate of a note: those are from 0 to {LARGEST_NOTE_RATE} %. A decimal point may be missing"
            ),
        ),
    };
    Evidence { field: field.name().into(), actual: cell.written.to_owned().into(), limit: limit.into(), excess: None, message }
}

/// A hundred times the number in a cell, or the text of the cell if there is no such number.
fn hundredfold(cell: &NumberCell<'_>) -> String {
    let number: Option<Decimal> = cell.written.parse().ok();
    number.and_then(Decimal::times_hundred).map_or_else(|| cell.written.to_owned(), |number| number.to_string())
}
