//! The phases that judge one loan. Each is a function from the type that the phase before it gives, so that no other
//! order can be written: [`Loan`](crate::loan::Loan) → [`Validated`](validate::Validated) →
//! [`Assessed`](eligibility::Assessed) → [`Priced`](pricing::Priced) → [`Decided`](disposition::Decided).

pub mod at_once;
pub mod disposition;
pub mod eligibility;
pub mod pricing;
pub mod validate;

use crate::{
    loan::Loan,
    rules::{Evidence, ExceptionType, Severity, rule_set::RuleSet},
};

pub use self::at_once::buy_at_once;
use self::{disposition::Decided, pricing::IrrTarget, validate::FirstUse};

/// A rule that a loan failed: never an error of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// What was failed.
    pub exception_type: ExceptionType,
    /// Whether it turns the loan down.
    pub severity: Severity,
    /// Why.
    pub evidence: Evidence,
}

/// Takes one loan through all phases that judge it. `first_use` is where its number was used before.
#[inline]
pub fn judge<'l, 't>(
    loan: &'l Loan<'t>,
    first_use: Option<&FirstUse>,
    rules: &RuleSet,
    irr_target: &IrrTarget,
) -> Decided<'l, 't> {
    let validated = validate::validate(loan, first_use);
    let assessed = eligibility::assess(validated, rules);
    let priced = pricing::price(assessed, irr_target);
    disposition::decide(priced, rules.projection())
}
