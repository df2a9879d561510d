//! Averages of WAL and duration, weighted by balance.

use serde::{Deserialize, Serialize};

use crate::{
    decimal::{Decimal, ExactSum, MICRO, Ratio},
    loan::{Loan, OrdinaryLoan},
    phases::pricing::Price,
    ten_thousandths::TenThousandths,
};

use super::groups::{BALANCE_AT, NARROW_BALANCE};

/// Sums over the loans of a disposition: WAL, then duration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Lives([LifeSum; 2]);

/// Sum of one number of years.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct LifeSum {
    /// Sum of balance × years, of the loans whose balance is a whole number of millionths.
    weighted: i128,
    /// Sum of their balances.
    weights: i128,
    /// Terms of the same sums of all other loans, as [`ExactSum::terms`] gives them.
    wide: Option<Box<[SumTerms; 2]>>,
}

type SumTerms = Vec<(u8, Vec<u8>)>;

/// A balance as it is summed.
#[derive(Clone, Copy)]
enum Balance {
    Micros(i64),
    Wide(Decimal),
}

impl Lives {
    /// Adds a loan, if it has a price by its cash flows.
    #[inline]
    pub(super) fn add(&mut self, loan: &Loan<'_>, price: Option<Price>) {
        let Some(price) = price.filter(has_life) else { return };
        let cell = &loan.numbers[BALANCE_AT];
        let narrow = cell.micros().filter(|balance| balance.unsigned_abs() < NARROW_BALANCE).map(Balance::Micros);
        if let Some(balance) = narrow.or_else(|| cell.value().map(Balance::Wide)) {
            self.add_years(balance, price);
        }
    }

    /// Adds an ordinary loan, whose balance is below [`NARROW_BALANCE`].
    #[inline]
    pub(super) fn add_bought(&mut self, loan: &OrdinaryLoan<'_>, price: Price) {
        if has_life(&price) {
            self.add_years(Balance::Micros(loan.micros[BALANCE_AT]), price);
        }
    }

    fn add_years(&mut self, balance: Balance, price: Price) {
        for (sum, years) in self.0.iter_mut().zip([price.wal, price.duration]) {
            let Some(years) = years else { continue };
            match balance {
                Balance::Micros(balance) => {
                    sum.weighted += i128::from(balance) * i128::from(years.0);
                    sum.weights += i128::from(balance);
                }
                Balance::Wide(balance) => sum.add_wide(balance, years),
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.0.iter_mut().zip(&other.0) {
            ours.weighted += theirs.weighted;
            ours.weights += theirs.weights;
            if let Some(theirs) = &theirs.wide {
                let wide = ours.wide.get_or_insert_default();
                for (ours, theirs) in wide.iter_mut().zip(theirs.iter()) {
                    let mut sum = ExactSum::of_terms(ours);
                    sum.merge(&ExactSum::of_terms(theirs));
                    *ours = sum.terms();
                }
            }
        }
    }

    /// WAL and duration in years, to 4 decimals; `None` when no loan has one.
    pub(super) fn averages(&self) -> [Option<Ratio>; 2] {
        self.0.each_ref().map(|LifeSum { weighted, weights, wide }| {
            let [mut years, mut balance] = wide
                .as_deref()
                .map_or_else(Default::default, |[years, balance]| [years, balance].map(|terms| ExactSum::of_terms(terms)));
            years.add(*weighted, MICRO + 4);
            balance.add(*weights, MICRO);
            years.ratio(&balance, 4)
        })
    }
}

fn has_life(price: &Price) -> bool {
    price.wal.is_some() || price.duration.is_some()
}

impl LifeSum {
    #[cold]
    fn add_wide(&mut self, balance: Decimal, years: TenThousandths) {
        let wide = self.wide.get_or_insert_default();
        let [mut weighted, mut weights] = wide.each_ref().map(|terms| ExactSum::of_terms(terms));
        weighted.add_product(balance, years.decimal());
        weights.add_decimal(balance);
        **wide = [weighted.terms(), weights.terms()];
    }
}
