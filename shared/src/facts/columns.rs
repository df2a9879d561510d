//! Rows in memory, column by column, as blocks hand them to the writers.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    decimal::Decimal,
    loan::{Field, NUMBERS, OrdinaryLoan, Reading, WORDS, WordCell},
    phases::{
        disposition::{Decided, Disposition},
        pricing::Price,
    },
    rules::Severity,
};

/// The numbers of a loan are stored with at most 18 digits, as their column says.
const EIGHTEEN_DIGITS: u64 = 1_000_000_000_000_000_000;

/// Texts, one after the other.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct TextColumn {
    #[serde(with = "super::stored_bytes")]
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl TextColumn {
    /// Appends a text.
    #[inline]
    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        // A block holds far less than 4 GiB.
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    /// The text of a row.
    #[inline]
    pub fn get(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        &self.bytes[start..self.ends[row] as usize]
    }

    /// How many bytes the texts of a range of rows have.
    pub fn bytes(&self, rows: &Range<usize>) -> usize {
        let end = |row: usize| if row == 0 { 0 } else { self.ends[row - 1] as usize };
        end(rows.end) - end(rows.start)
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// Texts of which most rows have none.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SparseText {
    rows: Vec<u32>,
    texts: TextColumn,
}

impl SparseText {
    fn push(&mut self, row: u32, text: &str) {
        self.rows.push(row);
        self.texts.push(text);
    }

    /// The texts of a range of rows, each with its row.
    pub fn range(&self, rows: &Range<usize>) -> impl Iterator<Item = (usize, &[u8])> {
        self.places(rows).map(|at| (self.rows[at] as usize, self.texts.get(at)))
    }

    /// How many bytes the texts of a range of rows have.
    pub fn bytes(&self, rows: &Range<usize>) -> usize {
        self.texts.bytes(&self.places(rows))
    }

    fn places(&self, rows: &Range<usize>) -> Range<usize> {
        let place = |row: usize| self.rows.partition_point(|at| (*at as usize) < row);
        place(rows.start)..place(rows.end)
    }
}

/// Numbers in a fixed scale, of which some rows have none.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct NumberColumn {
    /// A value for each row; zero where there is none.
    pub values: Vec<i64>,
    /// The rows that have none, in order.
    pub nulls: Vec<u32>,
}

impl NumberColumn {
    /// Which of these rows have no number, in order.
    pub fn nulls(&self, rows: &Range<usize>) -> impl Iterator<Item = usize> {
        let from = self.nulls.partition_point(|row| (*row as usize) < rows.start);
        let end = rows.end;
        self.nulls[from..].iter().map(|row| *row as usize).take_while(move |row| *row < end)
    }

    #[inline]
    fn push(&mut self, value: Option<i64>) {
        if value.is_none() {
            self.nulls.push(row_number(self.values.len()));
        }
        self.values.push(value.unwrap_or(0));
    }
}

/// Words of a vocabulary.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct WordColumn {
    /// For each row the place of a canonical word, or one of the two marks.
    #[serde(with = "super::stored_bytes")]
    pub codes: Vec<u8>,
    /// The words of the rows marked [`WordColumn::OTHER`], in order.
    pub others: TextColumn,
}

impl WordColumn {
    /// Marks a row that has no word.
    pub const MISSING: u8 = 254;
    /// Marks a row whose word is in no vocabulary.
    pub const OTHER: u8 = 255;

    /// How many of these rows have a word that is in no vocabulary.
    pub fn count_others(&self, rows: Range<usize>) -> usize {
        if self.others.is_empty() { 0 } else { self.codes[rows].iter().filter(|code| **code == Self::OTHER).count() }
    }

    /// How many bytes the words of a range of rows have that are in no vocabulary.
    fn bytes(&self, rows: &Range<usize>) -> usize {
        let first = self.count_others(0..rows.start);
        self.others.bytes(&(first..first + self.count_others(rows.clone())))
    }

    #[inline]
    fn push(&mut self, word: WordCell<'_>) {
        self.codes.push(match word {
            WordCell::Known(code) => code,
            WordCell::Missing => Self::MISSING,
            WordCell::Other(written) => {
                self.others.push(written);
                Self::OTHER
            }
        });
    }
}

/// Facts: the loans of one block.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct FactColumns {
    /// Which tape of the run they are from.
    pub tape: u32,
    /// The line of each loan.
    pub lines: Vec<i64>,
    /// Loan numbers, as shown.
    pub loan_numbers: TextColumn,
    /// The numbers, in millionths, rounded half to even.
    pub numbers: [NumberColumn; NUMBERS],
    /// The words.
    pub words: [WordColumn; WORDS],
    /// The dispositions, as their place in `Disposition::ALL`.
    #[serde(with = "super::stored_bytes")]
    pub dispositions: Vec<u8>,
    /// Spreads, in ten-thousandths.
    pub pricing_spread: NumberColumn,
    /// Prices, in ten-thousandths.
    pub final_price: NumberColumn,
    /// Why projected loans are held back.
    pub projection_reason: SparseText,
    /// Cells that could not be read, as they were written: a JSON object by field.
    pub as_written: SparseText,
    /// Numbers that the columns do not hold exactly: a JSON object by field.
    pub exact_values: SparseText,
    /// The columns of the tape that are only kept: a JSON object by name.
    pub source_columns: SparseText,
}

impl FactColumns {
    /// Makes room for so many loans.
    pub fn reserve(&mut self, rows: usize) {
        self.lines.reserve(rows);
        self.loan_numbers.ends.reserve(rows);
        self.loan_numbers.bytes.reserve(rows * 16);
        for column in self.numbers.iter_mut().chain([&mut self.pricing_spread, &mut self.final_price]) {
            column.values.reserve(rows);
        }
        for column in &mut self.words {
            column.codes.reserve(rows);
        }
        self.dispositions.reserve(rows);
    }

    /// Appends a loan. Its kept columns, if the tape has any, have been appended already.
    #[inline]
    pub fn push(&mut self, decided: &Decided<'_, '_>) {
        let loan = decided.loan;
        let row = row_number(self.lines.len());
        self.lines.push(i64::try_from(loan.line).unwrap_or(i64::MAX));
        self.loan_numbers.push(loan.shown_number());
        let mut odd = false;
        for (column, cell) in self.numbers.iter_mut().zip(&loan.numbers) {
            let micros = cell.micros().filter(|micros| micros.unsigned_abs() < EIGHTEEN_DIGITS);
            if micros.is_none() && cell.reading != Reading::Missing {
                odd = true;
                let rounded = cell.value().and_then(Decimal::rounded_micros);
                column.push(rounded.filter(|micros| micros.unsigned_abs() < EIGHTEEN_DIGITS));
            } else {
                column.push(micros);
            }
        }
        for (column, word) in self.words.iter_mut().zip(loan.words) {
            column.push(word);
        }
        self.dispositions.push(decided.disposition as u8);
        self.pricing_spread.push(decided.price.map(|price| price.pricing_spread.0));
        self.final_price.push(decided.price.map(|price| price.final_price.0));
        if let Some(reason) = &decided.projection_reason {
            self.projection_reason.push(row, reason);
        }
        if odd {
            self.push_odd(row, decided);
        }
    }

    /// Appends an ordinary loan that is bought.
    #[inline]
    pub fn push_bought(&mut self, loan: &OrdinaryLoan<'_>, price: Price) {
        self.lines.push(i64::try_from(loan.line).unwrap_or(i64::MAX));
        self.loan_numbers.push(loan.seller_loan_number);
        // Plain numbers have at most twelve digits before the point: eighteen in all.
        self.numbers.iter_mut().zip(loan.micros).for_each(|(column, micros)| column.values.push(micros));
        self.words.iter_mut().zip(loan.codes).for_each(|(column, code)| column.codes.push(code));
        self.dispositions.push(Disposition::ToPurchase as u8);
        self.pricing_spread.values.push(price.pricing_spread.0);
        self.final_price.values.push(price.final_price.0);
    }

    /// Notes the kept columns of the loan that is appended next: a JSON object.
    pub fn push_source_columns(&mut self, object: &str) {
        self.source_columns.push(row_number(self.lines.len()), object);
    }

    /// Notes what the number columns do not hold.
    #[cold]
    fn push_odd(&mut self, row: u32, decided: &Decided<'_, '_>) {
        let (mut written, mut exact) = (Vec::new(), Vec::new());
        for (field, cell) in Field::NUMERIC.into_iter().zip(&decided.loan.numbers) {
            match cell.reading {
                Reading::Unreadable(_) => written.push(format!("\"{field}\":{}", Value::from(cell.written))),
                Reading::Value(value) if value.micros().is_none_or(|micros| micros.unsigned_abs() >= EIGHTEEN_DIGITS) => {
                    exact.push(format!("\"{field}\":{value}"))
                }
                Reading::Value(_) | Reading::Missing => {}
            }
        }
        for (column, members) in [(&mut self.as_written, written), (&mut self.exact_values, exact)] {
            if !members.is_empty() {
                column.push(row, &format!("{{{}}}", members.join(",")));
            }
        }
    }

    /// How many bytes of text a range of loans has.
    pub fn text_bytes(&self, rows: &Range<usize>) -> usize {
        let sparse = [&self.projection_reason, &self.as_written, &self.exact_values, &self.source_columns];
        let words: usize = self.words.iter().map(|column| column.bytes(rows)).sum();
        self.loan_numbers.bytes(rows) + words + sparse.map(|column| column.bytes(rows)).iter().sum::<usize>()
    }

    /// How many loans there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// Exceptions: those of the loans of one block.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ExceptionColumns {
    /// Which tape of the run they are from.
    pub tape: u32,
    /// The line of each exception's loan.
    pub lines: Vec<i64>,
    /// The numbers of their loans, as shown.
    pub loan_numbers: TextColumn,
    /// The kinds, as their place in `ExceptionType::ALL`.
    #[serde(with = "super::stored_bytes")]
    pub types: Vec<u8>,
    /// The severities: 0 hard, 1 soft.
    #[serde(with = "super::stored_bytes")]
    pub severities: Vec<u8>,
    /// The messages.
    pub messages: TextColumn,
    /// The fields, several with commas.
    pub fields: TextColumn,
    /// What the loans have.
    pub actuals: TextColumn,
    /// What good loans have.
    pub limits: TextColumn,
    /// How far the values are from passing, as exact decimals.
    pub excesses: SparseText,
}

impl ExceptionColumns {
    /// Appends the exceptions of a loan.
    #[inline]
    pub fn push(&mut self, decided: &Decided<'_, '_>) {
        for exception in &decided.exceptions {
            let row = row_number(self.lines.len());
            self.lines.push(i64::try_from(decided.loan.line).unwrap_or(i64::MAX));
            self.loan_numbers.push(decided.loan.shown_number());
            self.types.push(exception.exception_type as u8);
            self.severities.push(severity_code(exception.severity));
            self.messages.push(&exception.evidence.message);
            self.fields.push(&exception.evidence.field);
            self.actuals.push(&exception.evidence.actual);
            self.limits.push(&exception.evidence.limit);
            if let Some(excess) = exception.evidence.excess {
                self.excesses.push(row, &excess.with_min_decimals(0));
            }
        }
    }

    /// How many bytes of text a range of exceptions has.
    pub fn text_bytes(&self, rows: &Range<usize>) -> usize {
        let texts = [&self.loan_numbers, &self.messages, &self.fields, &self.actuals, &self.limits];
        texts.map(|column| column.bytes(rows)).iter().sum::<usize>() + self.excesses.bytes(rows)
    }

    /// How many exceptions there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// The severities by their code.
pub const SEVERITIES: [Severity; 2] = [Severity::Hard, Severity::Soft];

fn severity_code(severity: Severity) -> u8 {
    match severity {
        Severity::Hard => 0,
        Severity::Soft => 1,
    }
}

/// A block holds far fewer than 2^32 rows.
fn row_number(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        loan::Loan,
        phases::{judge, pricing::IrrTarget},
        rules::rule_set::RuleSet,
        tape::{number::read_cell, units::ColumnUnit},
    };

    #[test]
    fn a_number_of_more_than_18_digits_stands_in_exact_values_only() {
        let (rules, mut columns) = (RuleSet::built_in(), FactColumns::default());
        for amount in ["999999999999.999999", "1000000000000", "5000000000000.25"] {
            let mut loan = Loan::empty(2);
            loan.numbers[0] = read_cell(Field::LoanAmount, amount, ColumnUnit::Percent, true);
            columns.push(&judge(&loan, None, &rules, &IrrTarget::DEFAULT));
        }
        assert_eq!(columns.numbers[0].values, [999_999_999_999_999_999, 0, 0]);
        assert_eq!(columns.numbers[0].nulls, [1, 2]);
        let exact: Vec<_> = columns.exact_values.range(&(0..3)).collect();
        assert_eq!(exact, [(1, &br#"{"loan_amount":1000000000000}"#[..]), (2, &br#"{"loan_amount":5000000000000.25}"#[..])]);
    }
}
