//! Exceptions of a block in memory, column by column.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{
    phases::disposition::Decided,
    rules::{Severity, kinds::Kinds},
};

use super::{
    columns::{NumberColumn, SparseText, TextColumn, TextSize, row_number},
    decimals::EXCESS,
    waterfall::CodedTexts,
};

/// Exceptions of the loans of one block.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ExceptionColumns {
    /// Index of the block's tape among the tapes of the run.
    pub tape: u32,
    /// Line of each exception's loan.
    pub lines: Vec<i64>,
    /// Place of each exception's loan in the block, from 0.
    pub rows: Vec<u32>,
    /// Place in the run of the first loan of the block, from 0. A block learns it when it is appended to the results.
    pub first_row: u64,
    /// Numbers of their loans, as outputs show them.
    pub loan_numbers: TextColumn,
    /// Programs; `None` for a rule set without programs.
    pub programs: Option<CodedTexts>,
    /// Ids of their kinds.
    pub types: Vec<u16>,
    /// The kinds that occur.
    pub kinds: Kinds,
    /// Severities: 0 hard, 1 soft.
    #[serde(with = "super::stored_bytes")]
    pub severities: Vec<u8>,
    pub messages: TextColumn,
    /// The fields of each exception, with commas between several.
    pub fields: TextColumn,
    /// Values of the loans.
    pub actuals: TextColumn,
    /// Values that a loan needs to pass.
    pub limits: TextColumn,
    /// Distances of the values from passing. A distance that does not fit exactly is rounded half to even.
    pub excesses: NumberColumn,
    /// Exact distances, as decimal text, of those that do not fit exactly.
    pub exact_excesses: SparseText,
    /// Waivers of those that are waived, as JSON objects.
    pub waived: SparseText,
}

/// How large the exceptions of a block are. Blocks of one tape are alike.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExceptionsSize {
    rows: usize,
    texts: [TextSize; 5],
}

impl ExceptionColumns {
    fn texts(&mut self) -> [&mut TextColumn; 5] {
        [&mut self.loan_numbers, &mut self.messages, &mut self.fields, &mut self.actuals, &mut self.limits]
    }

    /// Makes room for as many exceptions as another block has.
    pub fn reserve_as(&mut self, size: ExceptionsSize) {
        let rows = size.rows + size.rows / 8;
        self.lines.reserve(rows);
        self.rows.reserve(rows);
        self.types.reserve(rows);
        self.severities.reserve(rows);
        self.excesses.values.reserve(rows);
        self.texts().into_iter().zip(size.texts).for_each(|(column, size)| column.reserve_as(size));
    }

    pub fn size(&mut self) -> ExceptionsSize {
        ExceptionsSize { rows: self.lines.len(), texts: self.texts().map(|column| column.size()) }
    }

    /// Appends the exceptions of a loan. `place` is the place of the loan in the block.
    #[inline]
    pub fn push(&mut self, decided: &Decided<'_, '_>, place: u32) {
        for exception in &decided.exceptions {
            let row = row_number(self.lines.len());
            self.lines.push(i64::try_from(decided.loan.line).unwrap_or(i64::MAX));
            self.rows.push(place);
            self.loan_numbers.push(decided.loan.shown_number());
            self.types.push(exception.kind.id);
            if let Some(programs) = &mut self.programs {
                programs.codes.push(exception.program.map_or(CodedTexts::NONE, |program| program.index.into()));
            }
            self.kinds.note(exception.kind);
            self.severities.push(severity_code(exception.severity));
            self.messages.push(&exception.evidence.message);
            self.fields.push(&exception.evidence.field);
            self.actuals.push(&exception.evidence.actual);
            self.limits.push(&exception.evidence.limit);
            let excess = exception.evidence.excess;
            let exact = excess.and_then(|excess| EXCESS.exact(excess));
            self.excesses.push(exact.or_else(|| excess.and_then(|excess| EXCESS.rounded(excess))));
            if let Some(excess) = excess.filter(|_| exact.is_none()) {
                self.exact_excesses.push(row, &excess.to_string());
            }
            if let Some(waiver) = exception.waiver.filter(|_| exception.is_waived()) {
                self.waived.push(row, &waiver.json());
            }
        }
    }

    /// Number of bytes of text in a range of exceptions.
    pub fn text_bytes(&self, rows: &Range<usize>) -> usize {
        let texts = [&self.loan_numbers, &self.messages, &self.fields, &self.actuals, &self.limits];
        texts.map(|column| column.bytes(rows)).iter().sum::<usize>() + self.exact_excesses.bytes(rows) + self.waived.bytes(rows)
    }

    /// Number of exceptions.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether the block has no exceptions.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        loan::{ColumnUnit, Field, Loan, NumberCell, WORDS, WordCell},
        phases::{
            judge,
            pricing::{IrrTarget, Pricing},
        },
        rules::rule_set::RuleSet,
        tape::number::read_cell,
    };

    fn good() -> Loan<'static> {
        let mut loan = Loan { seller_loan_number: Some("L-1".into()), ..Loan::empty(7) };
        let cells = ["250000", "6.5", "80", "35", "720", "312500", "312500"];
        loan.numbers =
            cells.map(|cell| NumberCell::ordinary(cell.parse::<crate::decimal::Decimal>().unwrap().micros().unwrap(), cell));
        loan.words = [WordCell::Known(0); WORDS];
        loan
    }

    #[test]
    fn an_excess_that_does_not_fit_stands_as_text() {
        let rules = RuleSet::from_toml("[limits]\nltv_ratio = { max = 80 }").unwrap();
        let mut columns = ExceptionColumns::default();
        for (place, (at, cell)) in (0..).zip([(2, "80.000001"), (2, "80.0000015"), (0, "5000000000.5"), (0, "50000000000")]) {
            let mut loan = good();
            loan.numbers[at] = read_cell(Field::NUMERIC[at], cell, ColumnUnit::Percent, true);
            let pricing = Pricing::new(&rules, IrrTarget::DEFAULT, jiff::civil::date(2026, 2, 2));
            columns.push(&judge(&loan, None, &rules, &pricing), place);
        }
        assert_eq!(columns.rows, [0, 1, 2, 3]);
        assert_eq!(columns.excesses.values, [1, 2, 0, 0]);
        assert_eq!(columns.excesses.nulls, [2, 3]);
        let exact: Vec<_> = columns.exact_excesses.range(&(0..4)).collect();
        assert_eq!(exact, [(1, &b"0.0000015"[..]), (2, b"4995000000.5"), (3, b"49995000000")]);
    }
}
