//! A number of loans with their exact balance.

use std::cmp::Ordering;

use num_bigint::BigInt;
use serde::{Deserialize, Serialize};

use crate::{
    decimal::{Decimal, ExactSum, MICRO},
    loan::Loan,
};

use super::groups::{BALANCE_AT, NARROW_BALANCE};

/// The balance of one loan, as it is summed.
#[derive(Debug, Clone, Copy)]
pub(super) enum LoanBalance {
    Micros(i64),
    Wide(Decimal),
    /// The loan has no readable amount and is only counted.
    None,
}

impl LoanBalance {
    pub(super) fn of(loan: &Loan<'_>) -> Self {
        let cell = &loan.numbers[BALANCE_AT];
        match cell.micros().filter(|balance| balance.unsigned_abs() < NARROW_BALANCE) {
            Some(balance) => Self::Micros(balance),
            None => cell.value().map_or(Self::None, Self::Wide),
        }
    }
}

/// Compares two sums by their value.
pub(super) fn compare(one: &ExactSum, other: &ExactSum) -> Ordering {
    let ((one, one_scale), (other, other_scale)) = (one.total(), other.total());
    let lift = |value: BigInt, by: u8| value * BigInt::from(10).pow(u32::from(by));
    lift(one, other_scale).cmp(&lift(other, one_scale))
}

/// Number of loans, and the sum of their balances.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) loans: u64,
    /// Sum of the balances that are whole millionths, as nearly all are.
    micros: i128,
    /// Terms of the sum of all others, as [`ExactSum::terms`] gives them.
    wide: Vec<(u8, Vec<u8>)>,
}

impl Tally {
    #[inline]
    pub(super) fn add(&mut self, balance: LoanBalance) {
        self.loans += 1;
        match balance {
            LoanBalance::Micros(micros) => self.micros += i128::from(micros),
            LoanBalance::Wide(balance) => self.add_wide(balance),
            LoanBalance::None => {}
        }
    }

    #[cold]
    fn add_wide(&mut self, balance: Decimal) {
        let mut sum = ExactSum::of_terms(&self.wide);
        sum.add_decimal(balance);
        self.wide = sum.terms();
    }

    pub(super) fn merge(&mut self, next: &Self) {
        self.loans += next.loans;
        self.micros += next.micros;
        if !next.wide.is_empty() {
            let mut sum = ExactSum::of_terms(&self.wide);
            sum.merge(&ExactSum::of_terms(&next.wide));
            self.wide = sum.terms();
        }
    }

    /// The exact sum of the balances, in dollars.
    pub(super) fn balance(&self) -> ExactSum {
        let mut sum = ExactSum::of_terms(&self.wide);
        sum.add(self.micros, MICRO);
        sum
    }
}
