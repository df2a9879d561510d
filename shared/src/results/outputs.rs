//! Output files of a run, in one table for the engine, the API and the command line.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    field::Field,
    loan::OrdinaryLoan,
    phases::{
        disposition::{Decided, Disposition},
        pricing::Price,
    },
    rules::rule_set::RuleSet,
};

use super::{
    csv::{push_bought, push_projected, push_purchase, push_rejection},
    pricing_report,
    summary::SummaryBuilder,
};

/// An output file of a run.
pub struct Output {
    /// Stable key in the API.
    pub key: &'static str,
    pub file_name: &'static str,
    /// Whether the file begins with the columns of a loan and its decision.
    of_loans: bool,
    /// Further columns, after those of the loan.
    columns: &'static [&'static str],
    rows: RowSource,
    /// Number of rows below the header.
    count: fn(&SummaryBuilder) -> u64,
}

/// Source of the rows of an output file.
enum RowSource {
    /// Each loan of one disposition, in tape order.
    Loans(Disposition, fn(&mut Vec<u8>, &Decided<'_, '_>)),
    /// The summary, at the end of the run.
    Summary(fn(&SummaryBuilder) -> Vec<u8>),
    /// Each priced loan, in tape order. Only a run whose rule set adjusts prices has this file.
    Prices,
}

/// Number of output files.
const COUNT: usize = 5;

pub static OUTPUTS: [Output; COUNT] = [
    Output {
        key: "purchase_tape",
        file_name: "purchase_tape.csv",
        of_loans: true,
        columns: &[],
        rows: RowSource::Loans(Disposition::ToPurchase, push_purchase),
        count: |summary| summary.count(Disposition::ToPurchase),
    },
    Output {
        key: "projected_tape",
        file_name: "projected_tape.csv",
        of_loans: true,
        columns: &["projection_reason"],
        rows: RowSource::Loans(Disposition::Projected, push_projected),
        count: |summary| summary.count(Disposition::Projected),
    },
    Output {
        key: "rejection_report",
        file_name: "rejection_report.csv",
        of_loans: true,
        columns: &["exception_type", "severity", "message", "rejection_criteria"],
        rows: RowSource::Loans(Disposition::Rejected, push_rejection),
        count: SummaryBuilder::reported,
    },
    Output {
        key: "exception_summary",
        file_name: "exception_summary.csv",
        of_loans: false,
        columns: &["exception_type", "exception_category", "severity", "count", "rejection_criteria", "sample_message"],
        rows: RowSource::Summary(SummaryBuilder::exception_summary_rows),
        count: SummaryBuilder::exception_kinds,
    },
    Output {
        key: PRICING_REPORT_KEY,
        file_name: "pricing_report.csv",
        of_loans: false,
        columns: &[],
        rows: RowSource::Prices,
        count: SummaryBuilder::priced,
    },
];

/// Key of the pricing report in the API.
pub const PRICING_REPORT_KEY: &str = "pricing_report";

/// Index of the purchase tape in [`OUTPUTS`]. Loans that are bought at once are written to it directly.
const PURCHASE_TAPE: usize = 0;
/// Index of the pricing report in [`OUTPUTS`].
const PRICING_REPORT: usize = 4;

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key)
    }
}

impl Output {
    /// Whether runs under a rule set have the file.
    pub fn is_of(&self, rules: &RuleSet) -> bool {
        !matches!(self.rows, RowSource::Prices) || rules.shows_waterfall()
    }

    /// The header row, with its line break.
    pub fn header(&self, rules: &RuleSet) -> Vec<u8> {
        let loan = Field::CANONICAL.iter().map(|field| field.name()).chain(["disposition", "pricing_spread", "final_price"]);
        let loan = loan.filter(|_| self.of_loans);
        let prices = if matches!(self.rows, RowSource::Prices) { pricing_report::columns(rules) } else { Vec::new() };
        let is_report = matches!(self.rows, RowSource::Loans(Disposition::Rejected, _));
        let program = (is_report && !rules.programs().is_empty()).then_some("program");
        let columns: Vec<&str> = loan.chain(self.columns.iter().copied()).chain(prices).chain(program).collect();
        (columns.join(",") + "\n").into_bytes()
    }

    /// Rows from the summary; empty for a file whose rows come from loans.
    pub fn summary_rows(&self, summary: &SummaryBuilder) -> Vec<u8> {
        match self.rows {
            RowSource::Loans(..) | RowSource::Prices => Vec::new(),
            RowSource::Summary(rows) => rows(summary),
        }
    }

    /// Number of rows below the header.
    pub fn row_count(&self, summary: &SummaryBuilder) -> u64 {
        (self.count)(summary)
    }
}

/// Rows of one block of loans, for each output file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct LoanRows([StoredRows; COUNT]);

#[derive(Debug, Default, Serialize, Deserialize)]
struct StoredRows(#[serde(with = "crate::facts::stored_bytes")] Vec<u8>);

impl LoanRows {
    /// Appends a loan to the output file of its disposition.
    pub fn push(&mut self, decided: &Decided<'_, '_>) {
        for (output, StoredRows(out)) in OUTPUTS.iter().zip(&mut self.0) {
            if let RowSource::Loans(disposition, push) = output.rows
                && disposition == decided.disposition
            {
                push(out, decided);
            }
        }
    }

    /// Appends an ordinary loan to the purchase tape. `numbers` are the cells of its numbers as written in the tape, separated by
    /// commas: first loan amount to credit score, then purchase price and appraisal value.
    #[inline]
    pub fn push_bought(&mut self, loan: &OrdinaryLoan<'_>, numbers: [&[u8]; 2], price: Price) {
        push_bought(&mut self.0[PURCHASE_TAPE].0, loan, numbers, price);
    }

    /// The rows of the pricing report.
    pub fn pricing_report(&mut self) -> &mut Vec<u8> {
        &mut self.0[PRICING_REPORT].0
    }

    /// Rows of each output file, in the order of [`OUTPUTS`].
    pub fn each(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|StoredRows(rows)| rows.as_slice())
    }

    /// Removes the rows and keeps their memory for the next block.
    pub fn clear(&mut self) {
        self.0.iter_mut().for_each(|StoredRows(rows)| rows.clear());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bought_loans_go_to_the_purchase_tape() {
        assert!(matches!(OUTPUTS[PURCHASE_TAPE].rows, RowSource::Loans(Disposition::ToPurchase, _)));
        assert!(matches!(OUTPUTS[PRICING_REPORT].rows, RowSource::Prices));
    }

    #[test]
    fn every_disposition_has_a_file_and_no_two_files_have_one_name() {
        for disposition in Disposition::ALL {
            let lists = |output: &&Output| matches!(output.rows, RowSource::Loans(listed, _) if listed == disposition);
            assert_eq!(OUTPUTS.iter().filter(lists).count(), 1, "{disposition:?}");
        }
        let names: std::collections::BTreeSet<&str> = OUTPUTS.iter().flat_map(|output| [output.key, output.file_name]).collect();
        assert_eq!(names.len(), 2 * COUNT);
    }
}
