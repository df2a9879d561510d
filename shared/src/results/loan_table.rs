//! Loans as a table: the columns and cells of an export of loans, which are the members of a loan in the API.

use std::borrow::Cow;

use crate::{
    decimal::Decimal,
    facts::read::{FactRow, SourceValue, StoredNumber, StoredValue},
    loan::{Field, FieldKind},
};

use super::csv::push_text;

/// The columns of a table of loans, in the order of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoanColumns {
    columns: Vec<LoanColumn>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum LoanColumn {
    /// A canonical or a standard field.
    Field(Field),
    /// A field that the rule set declares, or a column of the tapes that is only kept.
    Kept(String),
    /// What the product adds.
    Added(&'static str),
}

/// What the product adds to a loan, before and after the program.
const ADDED: [&str; 9] = [
    "disposition",
    "projection_reason",
    "pricing_spread",
    "final_price",
    "base_price",
    "base_price_source",
    "price_adjustments",
    "wal",
    "duration",
];
const PROGRAM: &str = "program";
const PLACE: [&str; 3] = ["source_file", "line", "row"];

/// A cell of a table of loans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoanCell<'r> {
    Empty,
    Text(Cow<'r, str>),
    Number(Decimal),
    Count(u64),
}

impl LoanColumns {
    /// The columns of a run. `kept` are the names of its declared fields and kept columns, `programs` says whether its rule set has
    /// programs. With `fields`, only these columns and `row`.
    pub fn new(kept: &[String], programs: bool, fields: &[String]) -> Self {
        let of_fields = Field::CANONICAL.into_iter().chain(Field::STANDARD).map(LoanColumn::Field);
        let added = ADDED.into_iter().chain(programs.then_some(PROGRAM)).chain(PLACE).map(LoanColumn::Added);
        let mut columns: Vec<LoanColumn> = of_fields.chain(kept.iter().cloned().map(LoanColumn::Kept)).chain(added).collect();
        if !fields.is_empty() {
            columns.retain(|column| column.name() == "row" || fields.iter().any(|field| field == column.name()));
        }
        Self { columns }
    }

    /// Names of the columns, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(LoanColumn::name)
    }

    /// Number of columns.
    pub fn count(&self) -> usize {
        self.columns.len()
    }

    /// The cells of a loan, one for each column.
    pub fn cells<'r>(&self, loan: &'r FactRow) -> impl Iterator<Item = LoanCell<'r>> {
        // The members of a loan are nearly always in the order of the columns, so the next one is looked at first.
        let mut next = 0;
        self.columns.iter().map(move |column| match column {
            LoanColumn::Field(field) => of_field(loan, *field),
            LoanColumn::Added(name) => added(loan, name),
            LoanColumn::Kept(name) => {
                let members = &loan.source_columns;
                let is_next = members.get(next).is_some_and(|(member, _)| member == name);
                let at = if is_next { Some(next) } else { members.iter().position(|(member, _)| member == name) };
                next = at.map_or(next, |at| at + 1);
                match at.and_then(|at| members.get(at)) {
                    None | Some((_, SourceValue::Missing)) => LoanCell::Empty,
                    Some((_, SourceValue::Number(number))) => LoanCell::Number(*number),
                    Some((_, SourceValue::Text(text))) => LoanCell::Text(text.into()),
                }
            }
        })
    }

    /// Appends a row of CSV with the names of the columns.
    pub fn push_header(&self, out: &mut Vec<u8>) {
        self.push_row(out, self.names().map(|name| LoanCell::Text(name.into())));
    }

    /// Appends a row of CSV with the cells of a loan. No spreadsheet runs a cell as a formula.
    pub fn push_loan(&self, out: &mut Vec<u8>, loan: &FactRow) {
        self.push_row(out, self.cells(loan));
    }

    fn push_row<'r>(&self, out: &mut Vec<u8>, cells: impl Iterator<Item = LoanCell<'r>>) {
        for (at, cell) in cells.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            match cell {
                LoanCell::Empty => {}
                LoanCell::Text(text) => push_text(out, &text),
                LoanCell::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
                LoanCell::Count(count) => out.extend_from_slice(count.to_string().as_bytes()),
            }
        }
        out.push(b'\n');
    }
}

impl LoanColumn {
    fn name(&self) -> &str {
        match self {
            Self::Field(field) => field.name(),
            Self::Kept(name) => name,
            Self::Added(name) => name,
        }
    }
}

fn text(text: Option<&String>) -> LoanCell<'_> {
    text.map_or(LoanCell::Empty, |text| LoanCell::Text(text.into()))
}

fn of_field(loan: &FactRow, field: Field) -> LoanCell<'_> {
    match field.info().kind {
        FieldKind::Text => LoanCell::Text((&loan.seller_loan_number).into()),
        FieldKind::Word(at) => text(loan.words.get(at).and_then(Option::as_ref)),
        FieldKind::Number(at) => match &loan.numbers[at] {
            StoredNumber::Missing => LoanCell::Empty,
            StoredNumber::Value(value) => LoanCell::Number(*value),
            StoredNumber::Unreadable(written) => LoanCell::Text(written.into()),
        },
        FieldKind::Standard(_) => match loan.standard(field) {
            None => LoanCell::Empty,
            Some(StoredValue::Number(value)) => LoanCell::Number(*value),
            Some(StoredValue::Whole(whole)) => LoanCell::Number(Decimal::from_integer(*whole)),
            Some(StoredValue::Date(date)) => LoanCell::Text(date.to_string().into()),
            Some(StoredValue::Word(word) | StoredValue::Unreadable(word)) => LoanCell::Text(word.into()),
        },
    }
}

fn added<'r>(loan: &'r FactRow, name: &str) -> LoanCell<'r> {
    let number = |number: Option<Decimal>| number.map_or(LoanCell::Empty, LoanCell::Number);
    match name {
        "disposition" => LoanCell::Text(loan.disposition.as_str().into()),
        "projection_reason" => text(loan.projection_reason.as_ref()),
        "pricing_spread" => number(loan.pricing_spread),
        "final_price" => number(loan.final_price),
        "base_price" => number(loan.base_price),
        "base_price_source" => text(loan.base_price_source.as_ref()),
        "price_adjustments" => LoanCell::Text((&loan.price_adjustments.0).into()),
        "wal" => number(loan.wal),
        "duration" => number(loan.duration),
        "program" => text(loan.program.as_ref().and_then(Option::as_ref)),
        "source_file" => LoanCell::Text((&loan.source_file).into()),
        "line" => LoanCell::Count(loan.line),
        _ => LoanCell::Count(loan.row),
    }
}
