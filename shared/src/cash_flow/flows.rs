//! The cash flows of a loan month by month, as a table.
//!
//! This is the first form of the formulas that [`value`](super::value) sums: from the first month to the last one, with all amounts that
//! the trade's standard names. Tests hold both forms to each other.

use crate::decimal::Decimal;

use super::{
    assumptions::{Assumptions, Rates},
    double::Double,
    quote::growth_and_coupon,
    value::{Schedule, paid_shares},
};

/// Amounts of one month, of a loan with a balance of 1.
#[derive(Debug, Clone, Copy)]
pub struct MonthFlows {
    /// Balance that performs at the end of the month.
    pub performing: Double,
    pub new_defaults: Double,
    /// Balance in foreclosure at the end of the month.
    pub in_foreclosure: Double,
    /// Scheduled balance at the end of the month, without prepayments and defaults.
    pub scheduled_balance: Double,
    /// Scheduled principal of the performing balance.
    pub amortization: Double,
    pub prepayments: Double,
    /// Scheduled principal that is advanced for the balance in foreclosure.
    pub amortization_of_defaults: Double,
    /// Interest less the servicing fee.
    pub interest: Double,
    pub recovery: Double,
    pub loss: Double,
}

impl MonthFlows {
    /// Principal that is paid or recovered.
    pub fn principal(&self) -> Double {
        self.amortization + self.amortization_of_defaults + self.prepayments + self.recovery
    }

    /// All that is paid.
    pub fn cash(&self) -> Double {
        self.interest + self.principal()
    }
}

/// The cash flows of a loan under these assumptions.
pub fn flows(note_rate: Decimal, schedule: &Schedule, assumptions: &Assumptions) -> Vec<MonthFlows> {
    let [growth, coupon] = growth_and_coupon(note_rate, assumptions.servicing_fee);
    let rates = Rates::new(assumptions);
    let balances = scheduled_balances(growth, schedule);
    let lag = rates.lag as usize;
    let (zero, one) = (Double::ZERO, Double::ONE);
    let (mut performing, mut in_foreclosure) = (one, zero);
    let mut defaults = Vec::new();
    let mut months = Vec::new();
    for month in 1..=schedule.term as usize {
        let (before, after) = (balances[month - 1], balances[month]);
        let left = after / before;
        let age = (schedule.age as usize + month - 1).min(rates.steps.len() - 1);
        let is_late = month + lag > schedule.term as usize;
        let step = if is_late { rates.last_steps[age] } else { rates.steps[age] };
        let new_defaults = performing * step.default;
        defaults.push(new_defaults);
        let amortization = (performing - new_defaults) * (one - left);
        let prepayments = performing * left * step.prepay;
        let defaulted = month.checked_sub(lag + 1).map_or(zero, |at| defaults[at]);
        let advanced = rates.advances && month > lag;
        let balance_at_recovery = if advanced { defaulted * (before / balances[month - 1 - lag]) } else { defaulted };
        let loss = smaller(defaulted * rates.severity, balance_at_recovery);
        let waiting = new_defaults + in_foreclosure;
        let amortization_of_defaults = if rates.advances { (waiting - balance_at_recovery) * (one - left) } else { zero };
        let on_interest = performing - new_defaults + if rates.advances { waiting } else { zero };
        in_foreclosure = waiting - balance_at_recovery - amortization_of_defaults;
        performing = performing - new_defaults - prepayments - amortization;
        months.push(MonthFlows {
            performing,
            new_defaults,
            in_foreclosure,
            scheduled_balance: after,
            amortization,
            prepayments,
            amortization_of_defaults,
            interest: on_interest * coupon,
            recovery: balance_at_recovery - loss,
            loss,
        });
    }
    months
}

fn smaller(one: Double, other: Double) -> Double {
    if other < one { other } else { one }
}

/// The balance of 1 at the end of each month from 0, if the borrower pays as scheduled. What is left at the end is paid then.
fn scheduled_balances(growth: Double, schedule: &Schedule) -> Vec<Double> {
    let mut paid: Vec<Double> = paid_shares(schedule, growth).collect();
    paid.reverse();
    let mut balances = vec![Double::ONE];
    for paid in paid {
        balances.push(balances[balances.len() - 1] * (Double::ONE - paid));
    }
    balances
}
