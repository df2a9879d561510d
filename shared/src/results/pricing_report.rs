//! The pricing report: how the price of each loan came about.

use crate::{
    phases::{disposition::Disposition, pricing::Price},
    rules::{
        guide::waterfall::{PartIndex, Waterfall},
        rule_set::RuleSet,
    },
    ten_thousandths::TenThousandths,
};

use super::csv::{push_ten_thousandths, push_text};

/// Columns before those of the adjustments.
const BEFORE: [&str; 4] = ["seller_loan_number", "disposition", "program", "base_price"];
/// Columns behind those of the adjustments.
const BEHIND: [&str; 3] = ["final_price", "wal", "duration"];

/// The columns of the report.
pub fn columns(rules: &RuleSet) -> Vec<&str> {
    let adjustments = rules.report_columns().iter().map(String::as_str);
    BEFORE.into_iter().chain(adjustments).chain(BEHIND).collect()
}

/// The cells of the adjustments, each with a comma in front.
pub fn cells(waterfall: &Waterfall, parts: &[PartIndex], capped: Option<TenThousandths>) -> Vec<u8> {
    let mut columns: Vec<Option<TenThousandths>> = vec![None; waterfall.columns().len()];
    let applied = parts.iter().filter_map(|part| waterfall.part(*part)).map(|part| (part.column as usize, part.points));
    for (column, points) in applied.chain(waterfall.cap_column().zip(capped)) {
        if let Some(cell) = columns.get_mut(column) {
            *cell = Some(TenThousandths(cell.map_or(0, |points| points.0) + points.0));
        }
    }
    let mut out = Vec::new();
    for cell in columns {
        out.push(b',');
        if let Some(points) = cell {
            push_ten_thousandths(&mut out, points);
        }
    }
    out
}

/// Appends the row of a loan.
#[inline]
pub fn push_row(
    out: &mut Vec<u8>,
    (number, disposition, program): (&str, Disposition, Option<&str>),
    price: Price,
    adjustments: &[u8],
) {
    push_text(out, number);
    out.push(b',');
    out.extend_from_slice(disposition.as_str().as_bytes());
    out.push(b',');
    push_text(out, program.unwrap_or_default());
    out.push(b',');
    push_ten_thousandths(out, price.base_price);
    out.extend_from_slice(adjustments);
    out.push(b',');
    push_ten_thousandths(out, price.final_price);
    for years in [price.wal, price.duration] {
        out.push(b',');
        years.into_iter().for_each(|years| push_ten_thousandths(out, years));
    }
    out.push(b'\n');
}
