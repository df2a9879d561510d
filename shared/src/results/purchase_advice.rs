//! The purchase advice: what the buyer pays for each bought loan, as CSV with a last row of totals.

use std::io::Write;

use crate::{
    decimal::{Decimal, ExactSum},
    facts::{
        FACTS_FILE,
        index::ResultsIndex,
        read::{FactFilter, FactRow, FactsReader, RangeReader, ReadError, StoredNumber},
    },
    loan::{Field, FieldKind},
    phases::disposition::Disposition,
};

use super::csv::push_text;

/// Name of the file in answers.
pub const PURCHASE_ADVICE_FILE: &str = "purchase_advice.csv";

/// First line of the file.
pub const HEADER: &str = "seller_loan_number,loan_amount,final_price,purchase_amount\n";

/// First cell of the last line.
const TOTAL: &str = "TOTAL";

/// Number of loans read at once.
const LOANS: usize = 8192;

/// Decimals of an amount of cents.
const CENTS: u8 = 2;

/// Why a purchase advice could not be written.
#[derive(Debug, thiserror::Error)]
pub enum AdviceError {
    /// The stored loans could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file could not be written.
    #[error("the purchase advice could not be written: {0}")]
    Write(#[from] std::io::Error),
}

/// Writes the purchase advice of a run from its stored loans, in tape order. The amount of a loan is its balance × price / 100 in
/// cents, half to even; the totals are the sums of the rows.
///
/// # Errors
/// [`AdviceError::Read`] when the loans cannot be read; [`AdviceError::Write`] when the output cannot be written.
pub fn write_purchase_advice<R: RangeReader>(
    out: &mut dyn Write,
    facts: &FactsReader<R>,
    index: &ResultsIndex,
) -> Result<(), AdviceError> {
    out.write_all(HEADER.as_bytes())?;
    let (mut amounts, mut payments) = (ExactSum::default(), ExactSum::default());
    let filter = FactFilter { disposition: Some(Disposition::ToPurchase), ..FactFilter::default() };
    let (mut skip, mut lines) = (0, Vec::new());
    loop {
        let loans = facts.page(index, &filter, skip, LOANS)?;
        if loans.is_empty() {
            break;
        }
        skip += loans.len() as u64;
        lines.clear();
        for loan in &loans {
            let terms = terms_of(loan).ok_or_else(|| unpriced(loan))?;
            push_text(&mut lines, &loan.seller_loan_number);
            push_line(&mut lines, &terms.amount.to_string(), &terms.price.with_min_decimals(4), &cents(terms.payment));
            amounts.add_decimal(terms.amount);
            payments.add_decimal(terms.payment);
        }
        out.write_all(&lines)?;
    }
    lines.clear();
    lines.extend_from_slice(TOTAL.as_bytes());
    push_line(&mut lines, &amounts.to_text(0), "", &payments.to_text(CENTS));
    Ok(out.write_all(&lines)?)
}

/// What the buyer pays for a loan.
struct AdviceTerms {
    amount: Decimal,
    price: Decimal,
    /// In cents.
    payment: Decimal,
}

/// The terms of a bought loan; `None` when the stored loan lacks its balance or price, or its payment has too many digits.
fn terms_of(loan: &FactRow) -> Option<AdviceTerms> {
    let FieldKind::Number(at) = Field::LoanAmount.info().kind else { return None };
    let StoredNumber::Value(amount) = *loan.numbers.get(at)? else { return None };
    let price = loan.final_price?;
    let (mantissa, scale) = amount.checked_mul(price)?.parts();
    let payment = Decimal::new(mantissa, scale.checked_add(2)?)?.round_half_even(CENTS);
    Some(AdviceTerms { amount, price, payment })
}

/// The error for a bought loan that a run cannot have stored.
fn unpriced(loan: &FactRow) -> ReadError {
    let what = format!("the bought loan on line {} of {} has no payment", loan.line, loan.source_file);
    ReadError::Damaged { file: FACTS_FILE, what }
}

fn cents(payment: Decimal) -> String {
    payment.with_min_decimals(CENTS)
}

fn push_line(out: &mut Vec<u8>, amount: &str, price: &str, payment: &str) {
    for cell in [amount, price, payment] {
        out.push(b',');
        out.extend_from_slice(cell.as_bytes());
    }
    out.push(b'\n');
}
