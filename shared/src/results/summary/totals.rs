//! Totals of loans for questions after a run: count, balance, averages and dollars.

use crate::{
    decimal::{ExactSum, MICRO, Ratio},
    loan::{Loan, OrdinaryLoan},
    phases::pricing::Price,
};

use super::groups::{Group, Share};

/// Exact totals of a group of loans.
#[derive(Debug, Clone, Default)]
pub struct LoanTotals(Group);

/// What one loan adds to the totals of its groups, at a price.
pub struct LoanShare(Share);

impl LoanShare {
    /// The share of a loan; without a price, the loan does not count in averages of prices.
    pub fn new(loan: &Loan<'_>, price: Option<Price>) -> Self {
        Self(Share::of(loan, price))
    }

    /// The share of an ordinary loan; `None` when its numbers are too large for narrow sums.
    #[inline]
    pub fn of_ordinary(loan: &OrdinaryLoan<'_>, price: Price) -> Option<Self> {
        Share::ordinary(loan, price).map(Self)
    }
}

impl LoanTotals {
    #[inline]
    pub fn add(&mut self, share: &LoanShare) {
        self.0.add(&share.0);
    }

    pub fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
    }

    pub fn count(&self) -> u64 {
        self.0.count
    }

    /// Sum of the loan amounts, in dollars.
    pub fn balance(&self) -> ExactSum {
        self.0.balance()
    }

    /// Averages weighted by balance: note rate, LTV, DTI, credit score.
    pub fn averages(&self) -> [Option<Ratio>; 4] {
        [0, 1, 2, 3].map(|at| self.0.average(at))
    }

    /// Average price weighted by balance, in percent of the balance.
    pub fn average_price(&self) -> Option<Ratio> {
        self.0.average_price()
    }

    /// The exact sum of amount × price / 100, in dollars.
    pub fn exact_dollars(&self) -> ExactSum {
        let sum = self.0.sum(self.0.priced, MICRO + 4, |wide| &wide.priced);
        // A division by 100 moves the decimal point by two digits.
        let terms: Vec<(u8, Vec<u8>)> = sum.terms().into_iter().map(|(scale, digits)| (scale + 2, digits)).collect();
        ExactSum::of_terms(&terms)
    }
}
