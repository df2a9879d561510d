//! The answer of a what-if, as the API and the command line show it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    decimal::{ExactSum, Ratio},
    phases::disposition::Disposition,
    results::summary::LoanTotals,
    rules::Severity,
};

use super::tally::{ExceptionKey, Tally};

/// What a run decided, and what it would have decided under other rules or at another target.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WhatIfAnswer {
    /// Totals of each disposition as the run decided.
    pub before: Sides,
    /// Totals of each disposition under the changed rules.
    pub after: Sides,
    /// Number and balance of the loans by disposition before, then by disposition after.
    pub moves: Moves,
    /// Number of exceptions of each program, type and severity, before and after. Waived exceptions are left out.
    pub by_rule: Vec<RuleChange>,
    /// Dollars to pay for the loans of `to_purchase`.
    pub price: PriceChange,
}

/// Totals of each disposition.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WhatIfDispositions)]
pub struct Sides {
    /// Loans to buy.
    pub to_purchase: DispositionTotals,
    /// Eligible loans that are held for later.
    pub projected: DispositionTotals,
    /// Rejected loans.
    pub rejected: DispositionTotals,
}

/// Totals of one disposition. Averages are weighted by balance over the loans that have the value, rounded to 4 decimals.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WhatIfTotals)]
pub struct DispositionTotals {
    /// Number of loans.
    #[schema(example = 1)]
    pub count: u64,
    /// Sum of their loan amounts, in dollars, exact.
    #[schema(value_type = f64, example = 250_000)]
    pub balance: ExactSum,
    /// Average price, in percent of the balance. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 96.125)]
    pub wa_price: Option<Ratio>,
    /// Average note rate, in percent. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 6.5)]
    pub wac: Option<Ratio>,
    /// Average LTV, in percent. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 80)]
    pub wa_ltv: Option<Ratio>,
    /// Average credit score. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 720)]
    pub wa_credit_score: Option<Ratio>,
}

/// Number and balance of loans by disposition before, then by disposition after.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WhatIfMoves)]
pub struct Moves {
    /// Loans that the run buys.
    pub to_purchase: MovedTo,
    /// Loans that the run holds.
    pub projected: MovedTo,
    /// Loans that the run rejects.
    pub rejected: MovedTo,
}

/// Number and balance of loans by disposition after.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WhatIfMovedTo)]
pub struct MovedTo {
    /// Loans that would be bought.
    pub to_purchase: CountAndBalance,
    /// Loans that would be held.
    pub projected: CountAndBalance,
    /// Loans that would be rejected.
    pub rejected: CountAndBalance,
}

/// A number of loans and their balance.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CountAndBalance {
    /// Number of loans.
    #[schema(example = 1)]
    pub count: u64,
    /// Sum of their loan amounts, in dollars, exact.
    #[schema(value_type = f64, example = 250_000)]
    pub balance: ExactSum,
}

/// How often loans fail a rule, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RuleChange {
    /// Program whose rule it is. Null: a validation, or a rule set without programs.
    #[schema(required, example = json!(null))]
    pub program: Option<String>,
    /// Type of the exceptions.
    #[schema(example = "ltv_ratio")]
    pub exception_type: String,
    /// Severity of the exceptions.
    pub severity: Severity,
    /// Number of exceptions of the run.
    #[schema(example = 3)]
    pub before: u64,
    /// Number of exceptions under the changed rules.
    #[schema(example = 1)]
    pub after: u64,
}

/// Dollars to pay, before and after: the exact sum of amount × price / 100 over the loans of `to_purchase`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PriceChange {
    /// Dollars that the run pays.
    #[schema(value_type = f64, example = 240_312.5)]
    pub before: ExactSum,
    /// Dollars under the changed rules.
    #[schema(value_type = f64, example = 480_625)]
    pub after: ExactSum,
}

/// Loans that would be bought, for each value of a parameter.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WhatIfSweep {
    /// The parameter that takes one value after the other.
    #[schema(example = "limits.ltv_ratio.max")]
    pub parameter: String,
    /// One point for each value, ascending.
    pub curve: Vec<CurvePoint>,
}

/// The loans that would be bought at one value of a parameter.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CurvePoint {
    /// Value of the parameter.
    #[schema(value_type = f64, example = 97.5)]
    pub value: crate::decimal::Decimal,
    /// Number of loans to buy.
    #[schema(example = 2)]
    pub count: u64,
    /// Sum of their loan amounts, in dollars, exact.
    #[schema(value_type = f64, example = 500_000)]
    pub balance: ExactSum,
    /// Average price weighted by balance, in percent of the balance. Null: no loan is bought.
    #[schema(required, value_type = Option<f64>, example = 96.125)]
    pub wa_price: Option<Ratio>,
}

impl DispositionTotals {
    fn new(totals: &LoanTotals) -> Self {
        let [wac, wa_ltv, _, wa_credit_score] = totals.averages();
        Self { count: totals.count(), balance: totals.balance(), wa_price: totals.average_price(), wac, wa_ltv, wa_credit_score }
    }
}

impl Sides {
    fn new(totals: &[LoanTotals; Disposition::ALL.len()]) -> Self {
        let of = |disposition: Disposition| DispositionTotals::new(&totals[disposition as usize]);
        Self {
            to_purchase: of(Disposition::ToPurchase),
            projected: of(Disposition::Projected),
            rejected: of(Disposition::Rejected),
        }
    }

    /// The totals of a disposition.
    pub fn of(&self, disposition: Disposition) -> &DispositionTotals {
        match disposition {
            Disposition::ToPurchase => &self.to_purchase,
            Disposition::Projected => &self.projected,
            Disposition::Rejected => &self.rejected,
        }
    }
}

impl Moves {
    fn new(moves: &[[(u64, ExactSum); Disposition::ALL.len()]; Disposition::ALL.len()]) -> Self {
        let of = |from: Disposition| {
            let to = |to: Disposition| {
                let (count, balance) = &moves[from as usize][to as usize];
                CountAndBalance { count: *count, balance: balance.clone() }
            };
            MovedTo {
                to_purchase: to(Disposition::ToPurchase),
                projected: to(Disposition::Projected),
                rejected: to(Disposition::Rejected),
            }
        };
        Self {
            to_purchase: of(Disposition::ToPurchase),
            projected: of(Disposition::Projected),
            rejected: of(Disposition::Rejected),
        }
    }

    /// The loans that move from one disposition to another, or stay.
    pub fn of(&self, from: Disposition, to: Disposition) -> &CountAndBalance {
        let moved = match from {
            Disposition::ToPurchase => &self.to_purchase,
            Disposition::Projected => &self.projected,
            Disposition::Rejected => &self.rejected,
        };
        match to {
            Disposition::ToPurchase => &moved.to_purchase,
            Disposition::Projected => &moved.projected,
            Disposition::Rejected => &moved.rejected,
        }
    }
}

impl WhatIfAnswer {
    pub(super) fn new(tally: Tally, before: BTreeMap<ExceptionKey, u64>) -> Self {
        let mut by_kind: BTreeMap<ExceptionKey, (u64, u64)> = before.into_iter().map(|(key, count)| (key, (count, 0))).collect();
        for (key, count) in tally.exceptions_after() {
            by_kind.entry(key).or_default().1 += count;
        }
        let rule = |((program, exception_type, severity), (before, after))| RuleChange {
            program,
            exception_type,
            severity,
            before,
            after,
        };
        let mut by_rule: Vec<RuleChange> = by_kind.into_iter().map(rule).collect();
        // The rules with the most exceptions come first; ties are in the order of program, type and severity.
        by_rule.sort_by_key(|rule| std::cmp::Reverse(rule.before.max(rule.after)));
        let bought = Disposition::ToPurchase as usize;
        Self {
            price: PriceChange { before: tally.before[bought].exact_dollars(), after: tally.after[bought].exact_dollars() },
            before: Sides::new(&tally.before),
            after: Sides::new(&tally.after),
            moves: Moves::new(&tally.moves),
            by_rule,
        }
    }
}
