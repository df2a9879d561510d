//! A parameter that takes one value after the other, and what would be bought at each.

use crate::{
    decimal::Decimal,
    facts::read::{RangeReader, ReadError},
    loan::{Loan, OrdinaryLoan},
    phases::{
        Scratch, buy_at_once,
        disposition::Disposition,
        is_surely_rejected, judge,
        pricing::{Price, Pricing},
    },
    results::summary::{LoanShare, LoanTotals},
};

use super::{CurvePoint, Scenario, StoredRun, WhatIfSweep, each_row_group};
use crate::questions::stored_loan::{CellRoom, StoredLoans};

/// Largest number of values of a sweep.
pub const MAX_VALUES: usize = 41;

/// A parameter and its values, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweptParameter {
    /// `irr_target`, or the keys that lead to a number of the rule set: `limits.ltv_ratio.max`.
    pub parameter: String,
    pub values: Vec<Decimal>,
}

impl SweptParameter {
    /// The values `from`, `from + step`, … up to `to`.
    ///
    /// # Errors
    /// A sentence when the step is not above zero, the range is empty, or it has more than [`MAX_VALUES`] values.
    pub fn new(parameter: &str, from: Decimal, to: Decimal, step: Decimal) -> Result<Self, String> {
        if !step.is_positive() {
            return Err(format!("the step must be above 0, not {step}"));
        }
        if from > to {
            return Err(format!("from {from} must not be above to {to}"));
        }
        let mut values = Vec::new();
        let mut value = Some(from);
        while let Some(now) = value.filter(|value| *value <= to) {
            if values.len() == MAX_VALUES {
                return Err(format!("from {from} to {to} by {step} are more than {MAX_VALUES} values: take a larger step"));
            }
            values.push(now);
            value = now.checked_add(step);
        }
        Ok(Self { parameter: parameter.to_owned(), values })
    }
}

/// Judges the loans of a run again for each value of a parameter. `scenarios` has one entry for each value.
///
/// # Errors
/// [`ReadError`] when the stored results cannot be read.
pub fn sweep<R: RangeReader>(
    run: &StoredRun<'_, R>,
    swept: &SweptParameter,
    scenarios: &[Scenario],
) -> Result<WhatIfSweep, ReadError> {
    let judges: Vec<SweepJudge<'_>> = scenarios
        .iter()
        .map(|scenario| SweepJudge { scenario, pricing: Pricing::new(&scenario.rules, scenario.irr_target, run.pdate) })
        .collect();
    let new = || vec![LoanTotals::default(); judges.len()];
    let add = |totals: &mut Vec<LoanTotals>, loans: &StoredLoans<'_>| add_group(totals, &judges, loans);
    let merge = |totals: &mut Vec<LoanTotals>, more: Vec<LoanTotals>| {
        totals.iter_mut().zip(&more).for_each(|(ours, theirs)| ours.merge(theirs));
    };
    let totals = match scenarios.first() {
        None => Vec::new(),
        Some(first) => each_row_group(run, &first.rules, new, add, merge)?,
    };
    let point = |(value, totals): (&Decimal, &LoanTotals)| CurvePoint {
        value: *value,
        count: totals.count(),
        balance: totals.balance(),
        wa_price: totals.average_price(),
    };
    Ok(WhatIfSweep { parameter: swept.parameter.clone(), curve: swept.values.iter().zip(&totals).map(point).collect() })
}

struct SweepJudge<'s> {
    scenario: &'s Scenario,
    pricing: Pricing,
}

fn add_group(totals: &mut [LoanTotals], judges: &[SweepJudge<'_>], loans: &StoredLoans<'_>) {
    let (mut scratch, mut room) = (Scratch::default(), CellRoom::default());
    for row in 0..loans.len() {
        loans.with_standard(row, &mut room, |standard| {
            // One bit for each value at which the loan still has to go through the phases.
            let mut open = (1_u64 << judges.len()) - 1;
            if let Some(loan) = loans.ordinary(row) {
                for (at, judge) in judges.iter().enumerate() {
                    let bought = buy_at_once(&loan, standard, &judge.scenario.rules, &judge.pricing, &mut scratch);
                    if let Some(price) = bought {
                        totals[at].add(&share_of(&loan, price));
                        open &= !(1 << at);
                    }
                }
            }
            if open == 0 {
                return;
            }
            loans.with_loan(row, standard, |loan, first_use| {
                for (at, SweepJudge { scenario, pricing }) in judges.iter().enumerate().filter(|(at, _)| open >> at & 1 == 1) {
                    if is_surely_rejected(loan, first_use, &scenario.rules) {
                        continue;
                    }
                    let decided = judge(loan, first_use, &scenario.rules, pricing);
                    if decided.disposition == Disposition::ToPurchase {
                        totals[at].add(&LoanShare::new(loan, decided.price));
                    }
                }
            });
        });
    }
}

fn share_of(loan: &OrdinaryLoan<'_>, price: Price) -> LoanShare {
    LoanShare::of_ordinary(loan, price).unwrap_or_else(|| {
        let loan: Loan<'_> = loan.in_full();
        LoanShare::new(&loan, Some(price))
    })
}
