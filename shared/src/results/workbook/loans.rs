//! The sheets of loans: one for each disposition, with the exceptions of each loan in its row.

use std::{io::Write, iter::Peekable, vec};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    decimal::{Decimal, ExactSum},
    facts::{
        EXCEPTIONS_FILE, FACTS_FILE,
        read::{
            ExceptionFilter, ExceptionRow, FactFilter, FactRow, RangeReader, ReadError, SourceValue, StoredNumber, StoredValue,
        },
    },
    loan::{Field, FieldKind, Unit},
    phases::disposition::Disposition,
    rules::Severity,
};

use super::{
    WorkbookError,
    decisions::Stored,
    figures::GuideColumns,
    package::Workbook,
    sheet::{Row, SheetColumn},
    styles::CellStyle,
    tape_order::{TapeOrder, TapePlace},
};

/// Maximum number of loans read at once.
const LOANS: usize = 8192;
/// Approximate number of kept cells read at once.
const KEPT_CELLS: usize = 200_000;
/// Number of exceptions read at once.
const EXCEPTIONS: usize = 4096;

/// A column that the product adds to the columns of the loan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Added {
    Spread,
    Price,
    /// Only for rule sets that adjust prices.
    BasePrice,
    /// Name and points of each adjustment, one per line. Only for rule sets that adjust prices.
    Adjustments,
    /// Weighted average life in years. Only for rule sets that price by cash flows.
    Wal,
    /// Modified duration in years. Only for rule sets that price by cash flows.
    Duration,
    /// Only for rule sets with programs.
    Program,
    Dollars,
    ProjectionReason,
    /// Messages of the hard exceptions of the loan, one per line.
    Reasons,
    /// Messages of the soft exceptions of the loan, one per line.
    Conditions,
    SourceFile,
    Line,
}

/// The sheet of a disposition.
pub struct LoanSheet {
    disposition: Disposition,
    pub name: &'static str,
    added: &'static [Added],
}

/// The sheets of loans, in the order of the workbook.
pub static LOAN_SHEETS: [LoanSheet; 3] = {
    use Added::{
        Adjustments, BasePrice, Conditions, Dollars, Duration, Line, Price, Program, ProjectionReason, Reasons, SourceFile,
        Spread, Wal,
    };
    [
        LoanSheet {
            disposition: Disposition::ToPurchase,
            name: "To purchase",
            added: &[Spread, Price, BasePrice, Adjustments, Wal, Duration, Program, Dollars, Conditions, SourceFile, Line],
        },
        LoanSheet {
            disposition: Disposition::Projected,
            name: "Projected",
            added: &[
                Spread,
                Price,
                BasePrice,
                Adjustments,
                Wal,
                Duration,
                Program,
                ProjectionReason,
                Conditions,
                SourceFile,
                Line,
            ],
        },
        LoanSheet { disposition: Disposition::Rejected, name: "Rejected", added: &[Reasons, Conditions, SourceFile, Line] },
    ]
};

impl Added {
    /// Fields of a fact keep their names. Columns that only the workbook has are named in plain words.
    fn column(self) -> SheetColumn {
        match self {
            Self::Spread => SheetColumn::new("pricing_spread", 14),
            Self::Price => SheetColumn::new("final_price", 12),
            Self::BasePrice => SheetColumn::new("base_price", 12),
            Self::Adjustments => SheetColumn::new("price_adjustments", 40),
            Self::Wal => SheetColumn::new("wal", 10),
            Self::Duration => SheetColumn::new("duration", 10),
            Self::Program => SheetColumn::new("program", 16),
            Self::Dollars => SheetColumn::new("Dollars to pay", 18),
            Self::ProjectionReason => SheetColumn::new("projection_reason", 60),
            Self::Reasons => SheetColumn::new("Reasons", 60),
            Self::Conditions => SheetColumn::new("Conditions", 50),
            Self::SourceFile => SheetColumn::new("source_file", 24),
            Self::Line => SheetColumn::new("line", 10),
        }
    }

    fn is_shown(self, guide: GuideColumns) -> bool {
        match self {
            Self::BasePrice | Self::Adjustments => guide.prices,
            Self::Wal | Self::Duration => guide.lives,
            Self::Program => guide.programs,
            _ => true,
        }
    }
}

impl LoanSheet {
    /// The columns that the product adds in a run.
    fn added(&self, guide: GuideColumns) -> impl Iterator<Item = Added> {
        self.added.iter().copied().filter(move |added| added.is_shown(guide))
    }
}

/// Maximum number of columns of a sheet without the columns that are only kept.
pub fn own_columns(guide: GuideColumns) -> usize {
    Field::CANONICAL.len() + LOAN_SHEETS.iter().map(|sheet| sheet.added(guide).count()).max().unwrap_or(0)
}

fn columns(sheet: &LoanSheet, guide: GuideColumns, kept: &[&str]) -> Vec<SheetColumn> {
    let fields = Field::CANONICAL.into_iter().map(|field| {
        let width = match (field.info().kind, field.info().unit) {
            (FieldKind::Text, _) => 20,
            (_, Unit::Money) => 18,
            _ => 12,
        };
        SheetColumn::new(field.name(), width)
    });
    let mut columns: Vec<SheetColumn> = fields.chain(sheet.added(guide).map(Added::column)).collect();
    let own = columns.len();
    for name in kept {
        // A column of the tape must not look like a column of the product.
        let taken = columns[..own].iter().any(|column| column.name.eq_ignore_ascii_case(name));
        let name = if taken { format!("source_{name}") } else { (*name).to_owned() };
        columns.push(SheetColumn::new(name, 14));
    }
    columns
}

/// Writes a sheet of loans, in tape order.
pub fn write_loans<W: Write, R: RangeReader>(
    workbook: &mut Workbook<W>,
    sheet: &LoanSheet,
    guide: GuideColumns,
    stored: &Stored<'_, R>,
    tapes: &TapeOrder<'_>,
) -> Result<(), WorkbookError> {
    let room = workbook.limits.columns.saturating_sub(own_columns(guide));
    let kept = &tapes.kept[..room.min(tapes.kept.len())];
    let columns = columns(sheet, guide, kept);
    let mut rows = workbook.table(sheet.name, &columns)?;
    let mut exceptions = LoanExceptions::new(stored, tapes, sheet.disposition);
    let filter = FactFilter { disposition: Some(sheet.disposition), seller_loan_number: None };
    let batch = (KEPT_CELLS / tapes.kept.len().max(1)).clamp(64, LOANS);
    let (mut skip, mut found) = (0, Vec::new());
    loop {
        let loans = stored.facts.page(stored.index, &filter, skip, batch)?;
        if loans.is_empty() {
            break;
        }
        skip += loans.len() as u64;
        for loan in &loans {
            let place = tapes.place(&loan.source_file, loan.line).ok_or_else(|| no_tape(FACTS_FILE))?;
            exceptions.of(place, &mut found)?;
            let adjustments = adjustments(loan)?;
            rows.row(|row| {
                write_loan(row, sheet, guide, loan, &adjustments, &found);
                write_kept(row, loan, tapes, kept.len());
            })?;
        }
    }
    rows.finish()
}

fn no_tape(file: &'static str) -> ReadError {
    ReadError::Damaged { file, what: "it has a row of a tape that the run does not have".to_owned() }
}

/// An adjustment of a price, as the facts store it.
#[derive(Deserialize)]
struct StoredAdjustment {
    name: String,
    points: Box<RawValue>,
}

/// Name and points of each adjustment of a loan's price, one per line; empty for a loan without adjustments.
fn adjustments(loan: &FactRow) -> Result<String, ReadError> {
    let list = &loan.price_adjustments.0;
    if list == "[]" {
        return Ok(String::new());
    }
    let damaged = || ReadError::Damaged { file: FACTS_FILE, what: "it has a list of adjustments that is none".to_owned() };
    let list: Vec<StoredAdjustment> = serde_json::from_str(list).map_err(|_| damaged())?;
    let line = |StoredAdjustment { name, points }: &StoredAdjustment| {
        let points: Decimal = points.get().parse().map_err(|_| damaged())?;
        Ok(format!("{name} {}", points.with_min_decimals(4)))
    };
    Ok(list.iter().map(line).collect::<Result<Vec<_>, ReadError>>()?.join("\n"))
}

fn write_loan(
    row: &mut Row<'_>,
    sheet: &LoanSheet,
    guide: GuideColumns,
    loan: &FactRow,
    adjustments: &str,
    exceptions: &[ExceptionRow],
) {
    for field in Field::CANONICAL {
        match field.info().kind {
            FieldKind::Text => row.text(CellStyle::Code, &loan.seller_loan_number),
            FieldKind::Word(at) => row.text(CellStyle::Plain, loan.words[at].as_deref().unwrap_or_default()),
            FieldKind::Number(at) => match &loan.numbers[at] {
                StoredNumber::Missing => row.skip(),
                StoredNumber::Unreadable(written) => row.text(CellStyle::Plain, written),
                StoredNumber::Value(value) => row.decimal(style_of(field.info().unit), *value),
            },
            FieldKind::Standard(_) => {}
        }
    }
    let percent = |row: &mut Row<'_>, value: Option<Decimal>| match value {
        Some(value) => row.decimal(CellStyle::Percent, value),
        None => row.skip(),
    };
    for added in sheet.added(guide) {
        match added {
            Added::Spread => percent(row, loan.pricing_spread),
            Added::Price => percent(row, loan.final_price),
            Added::BasePrice => percent(row, loan.base_price),
            Added::Adjustments => row.text(CellStyle::Plain, adjustments),
            Added::Wal => percent(row, loan.wal),
            Added::Duration => percent(row, loan.duration),
            Added::Program => row.text(CellStyle::Plain, loan.program.iter().flatten().next().map_or("", String::as_str)),
            Added::Dollars => match amount_and_price(loan) {
                Some((amount, price)) => match cost(amount, price) {
                    Some(cost) => row.decimal(CellStyle::Money, cost),
                    None => {
                        let mut hundredths = ExactSum::default();
                        hundredths.add_product(amount, price);
                        row.number(CellStyle::Money, &dollars(&hundredths));
                    }
                },
                None => row.skip(),
            },
            Added::ProjectionReason => row.text(CellStyle::Plain, loan.projection_reason.as_deref().unwrap_or_default()),
            Added::Reasons => row.text(CellStyle::Plain, &messages(loan, exceptions, Severity::Hard)),
            Added::Conditions => row.text(CellStyle::Plain, &messages(loan, exceptions, Severity::Soft)),
            Added::SourceFile => row.text(CellStyle::Plain, &loan.source_file),
            Added::Line => row.count(CellStyle::Whole, loan.line),
        }
    }
}

fn style_of(unit: Unit) -> CellStyle {
    match unit {
        Unit::Money => CellStyle::Money,
        Unit::Percent | Unit::Ratio => CellStyle::Percent,
        Unit::Text | Unit::Word | Unit::Date => CellStyle::Plain,
        Unit::Count | Unit::Months => CellStyle::Whole,
    }
}

/// The messages of a loan, one per line; those of a program with its name in front. Only the best program of a loan that is not rejected
/// counts: what another program says is no condition of the purchase.
fn messages(loan: &FactRow, exceptions: &[ExceptionRow], severity: Severity) -> String {
    let best = loan.program.as_ref().and_then(Option::as_ref);
    let message = |exception: &ExceptionRow| match exception.program.as_ref().and_then(Option::as_ref) {
        None => Some(exception.message.clone()),
        Some(program) if best.is_none_or(|best| best == program) => Some(format!("{program}: {}", exception.message)),
        Some(_) => None,
    };
    let of_severity = exceptions.iter().filter(|exception| exception.severity == severity && exception.waived.is_none());
    of_severity.filter_map(message).collect::<Vec<_>>().join("\n")
}

/// Writes the cells of the columns that no rule reads, each in the column of its name.
fn write_kept(row: &mut Row<'_>, loan: &FactRow, tapes: &TapeOrder<'_>, columns: usize) {
    enum Cell<'c> {
        Kept(&'c SourceValue),
        Standard(Field, &'c StoredValue),
    }
    let kept = loan.source_columns.iter().map(|(name, cell)| (name.as_str(), Cell::Kept(cell)));
    let standard = loan.standard.iter().map(|(field, value)| (field.name(), Cell::Standard(*field, value)));
    let cells = kept.chain(standard).filter_map(|(name, cell)| Some((tapes.kept_place(name)?, cell)));
    let mut cells: Vec<(usize, Cell<'_>)> = cells.filter(|(at, _)| *at < columns).collect();
    cells.sort_by_key(|(at, _)| *at);
    let mut next = 0;
    for (at, cell) in cells {
        (next..at).for_each(|_| row.skip());
        match cell {
            Cell::Kept(SourceValue::Text(text)) => row.text(CellStyle::Plain, text),
            Cell::Kept(SourceValue::Number(number)) => row.decimal(CellStyle::Plain, *number),
            Cell::Kept(SourceValue::Missing) => row.skip(),
            Cell::Standard(field, value) => write_standard(row, field, value),
        }
        next = at + 1;
    }
}

fn write_standard(row: &mut Row<'_>, field: Field, value: &StoredValue) {
    match value {
        StoredValue::Number(number) => row.decimal(style_of(field.info().unit), *number),
        StoredValue::Whole(number) => row.number(CellStyle::Whole, &number.to_string()),
        StoredValue::Date(date) => row.text(CellStyle::Plain, &date.to_string()),
        StoredValue::Word(text) | StoredValue::Unreadable(text) => row.text(CellStyle::Plain, text),
    }
}

/// Loan amount and price, from which the dollars to pay follow; `None` when one of them is missing.
fn amount_and_price(loan: &FactRow) -> Option<(Decimal, Decimal)> {
    match (&loan.numbers[0], loan.final_price) {
        (StoredNumber::Value(amount), Some(price)) => Some((*amount, price)),
        _ => None,
    }
}

/// Cost of a loan in dollars and cents, rounded half to even; `None` when the product has too many digits for a decimal.
fn cost(amount: Decimal, price: Decimal) -> Option<Decimal> {
    let ((amount, scale), (price, price_scale)) = (amount.parts(), price.parts());
    // A price is a percentage, so the cost has two more decimals than the product.
    Some(Decimal::new(amount.checked_mul(price)?, scale + price_scale + 2)?.round_half_even(2))
}

/// Converts a sum of amount × price, where the price is a percentage, to dollars and cents, rounded half to even.
fn dollars(hundredths: &ExactSum) -> String {
    let mut hundred = ExactSum::default();
    hundred.add_decimal(Decimal::HUNDRED);
    hundredths.ratio(&hundred, 2).map_or_else(String::new, |dollars| dollars.to_string())
}

/// Reads the exceptions of loans that are asked for in tape order.
struct LoanExceptions<'r, R> {
    stored: &'r Stored<'r, R>,
    tapes: &'r TapeOrder<'r>,
    filter: ExceptionFilter,
    skip: u64,
    read: Peekable<vec::IntoIter<ExceptionRow>>,
}

impl<'r, R: RangeReader> LoanExceptions<'r, R> {
    fn new(stored: &'r Stored<'r, R>, tapes: &'r TapeOrder<'r>, disposition: Disposition) -> Self {
        // Only rejected loans have hard exceptions.
        let severity = (disposition != Disposition::Rejected).then_some(Severity::Soft);
        let filter = ExceptionFilter { severity, ..ExceptionFilter::default() };
        Self { stored, tapes, filter, skip: 0, read: Vec::new().into_iter().peekable() }
    }

    /// Puts the exceptions of the loan at `place` into `found`, and skips the exceptions of all earlier loans.
    fn of(&mut self, place: TapePlace, found: &mut Vec<ExceptionRow>) -> Result<(), WorkbookError> {
        found.clear();
        loop {
            let Some(next) = self.read.peek() else {
                let rows = self.stored.exceptions.page(self.stored.index, &self.filter, self.skip, EXCEPTIONS)?;
                if rows.is_empty() {
                    return Ok(());
                }
                self.skip += rows.len() as u64;
                self.read = rows.into_iter().peekable();
                continue;
            };
            let at = self.tapes.place(&next.source_file, next.line).ok_or_else(|| no_tape(EXCEPTIONS_FILE))?;
            if at > place {
                return Ok(());
            }
            let next = self.read.next();
            found.extend(next.filter(|_| at == place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loan_costs_what_the_exact_sum_of_it_alone_is() {
        let amounts = ["0", "50000.25", "50000.75", "250000.123456", "-1.5", "0.80000001192092896", "99999999999999.99"];
        for (amount, price) in
            amounts.iter().flat_map(|amount| ["102", "96.125", "0.0001", "100.5"].map(|price| (*amount, price)))
        {
            let (amount, price): (Decimal, Decimal) = (amount.parse().unwrap(), price.parse().unwrap());
            let mut hundredths = ExactSum::default();
            hundredths.add_product(amount, price);
            let cost = cost(amount, price).unwrap();
            assert_eq!(cost.to_string(), dollars(&hundredths), "{amount} {price}");
        }
        assert_eq!(cost("1e29".parse().unwrap(), Decimal::HUNDRED), None);
    }
}
