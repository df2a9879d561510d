//! One stored loan explained.

use std::sync::Arc;

use serde::Serialize;

use super::{Explanation, explain};
use crate::{
    facts::{
        index::ResultsIndex,
        read::{ExceptionRow, ExceptionsReader, FactRow, FactsReader, RangeReader, ReadError},
    },
    phases::pricing::Pricing,
    questions::stored_loan::{CellRoom, LoanNeeds, StoredLoans, TapeFailures},
    rules::rule_set::RuleSet,
    waivers::Waivers,
};

/// The stored results of a run, and what judged its loans.
pub struct ExplainedRun<'r, R> {
    pub facts: &'r FactsReader<R>,
    pub exceptions: &'r ExceptionsReader<R>,
    pub index: &'r ResultsIndex,
    pub rules: &'r Arc<RuleSet>,
    pub pricing: &'r Pricing,
    pub waivers: Option<&'r Waivers>,
}

/// A loan as lists show it, with its exceptions and its explanation. It serializes as one object.
#[derive(Debug, Serialize)]
pub struct ExplainedLoan {
    #[serde(flatten)]
    pub loan: FactRow,
    pub exceptions: Vec<ExceptionRow>,
    #[serde(flatten)]
    pub explanation: Explanation,
}

impl<R: RangeReader> ExplainedRun<'_, R> {
    /// Explains the loan at a place of the run; `None` when the run has fewer loans.
    ///
    /// # Errors
    /// [`ReadError`] when the stored results cannot be read.
    pub fn loan(&self, row: u64) -> Result<Option<ExplainedLoan>, ReadError> {
        let Ok(place) = usize::try_from(row) else { return Ok(None) };
        let Some(group) = (0..self.facts.groups()).find(|group| self.facts.group_rows(*group).contains(&place)) else {
            return Ok(None);
        };
        let Some(loan) = self.facts.at(self.index, &[row])?.pop() else { return Ok(None) };
        let failures = TapeFailures::read(self.exceptions, self.rules.guide().declared())?;
        let loans = StoredLoans::read(self.facts, group, &LoanNeeds::of(&[self.rules]), &failures, self.waivers)?;
        let at = place - self.facts.group_rows(group).start;
        let explanation = loans.with_standard(at, &mut CellRoom::default(), |standard| {
            loans.with_loan(at, standard, |loan, first_use| explain(loan, first_use, self.rules, self.pricing))
        });
        let exceptions = self.exceptions.at(self.index, &self.exceptions_of(row)?)?;
        Ok(Some(ExplainedLoan { loan, exceptions, explanation }))
    }

    /// The places of a loan's exceptions among those of the run.
    fn exceptions_of(&self, row: u64) -> Result<Vec<u64>, ReadError> {
        let mut places = Vec::new();
        for group in 0..self.exceptions.groups() {
            let scanned = self.exceptions.scan(group, &["row"])?;
            let Some(rows) = scanned.integers(0) else { continue };
            let is_of_loan = |at: &usize| rows.get(*at).is_some_and(|of| u64::try_from(of) == Ok(row));
            places.extend((0..scanned.rows).filter(is_of_loan).map(|at| scanned.first_row + at as u64));
        }
        Ok(places)
    }

    /// The places of the loans with a number, in the order of the tape.
    ///
    /// # Errors
    /// [`ReadError`] when the stored results cannot be read.
    pub fn rows_of(&self, number: &str) -> Result<Vec<u64>, ReadError> {
        let mut found = Vec::new();
        for group in 0..self.facts.groups() {
            let scanned = self.facts.scan(group, &["seller_loan_number"])?;
            let Some(numbers) = scanned.texts(0) else { continue };
            let is_wanted = |at: &usize| numbers.get(*at) == Some(number);
            found.extend((0..scanned.rows).filter(is_wanted).map(|at| scanned.first_row + at as u64));
        }
        Ok(found)
    }
}
