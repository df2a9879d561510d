//! The phases that judge one loan. Each phase takes the type that the phase before it returns, so that any other order does not
//! compile: [`Loan`](crate::loan::Loan) → [`Validated`](validate::Validated) → [`Assessed`](eligibility::Assessed) →
//! [`Priced`](pricing::Priced) → [`Decided`](disposition::Decided).

pub mod at_once;
pub mod disposition;
pub mod eligibility;
pub mod pricing;
pub mod programs;
pub mod validate;

use crate::{
    loan::Loan,
    rules::{Evidence, ExceptionKind, Severity, rule_set::RuleSet},
};

pub use self::at_once::{Scratch, buy_at_once};
use self::{
    disposition::Decided,
    pricing::Pricing,
    programs::{ProgramRef, judge_by_programs},
    validate::{FirstUse, Validated},
};

/// A validation or rule that a loan failed. An exception is a finding about the loan, never an error of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception<'r> {
    pub kind: &'r ExceptionKind,
    /// Whether the exception rejects the loan.
    pub severity: Severity,
    /// Why the loan failed.
    pub evidence: Evidence,
    /// The program whose rule the loan failed; `None` for a validation, and for a rule set without programs.
    pub program: Option<ProgramRef<'r>>,
}

/// Takes one loan through all phases. `first_use` is where the run used the loan number first; `None` if this loan is the first
/// use.
#[inline]
pub fn judge<'l, 't>(loan: &'l Loan<'t>, first_use: Option<&FirstUse>, rules: &'l RuleSet, pricing: &Pricing) -> Decided<'l, 't> {
    let validated = validate::validate(loan, first_use, rules.guide().required());
    if rules.programs().is_empty() {
        return judge_by(validated, rules, pricing);
    }
    let by_programs = if validated.failed() { None } else { judge_by_programs(loan, rules, pricing) };
    // A loan that failed validation is rejected by all programs.
    by_programs.unwrap_or_else(|| Decided { eligible_in: Some(0), ..judge_by(validated, rules, pricing) })
}

/// Takes a validated loan through the phases of one rule set.
#[inline]
fn judge_by<'l, 't>(validated: Validated<'l, 't>, rules: &'l RuleSet, pricing: &Pricing) -> Decided<'l, 't> {
    let assessed = eligibility::assess(validated, rules, pricing.pdate());
    let priced = pricing::price(assessed, pricing);
    disposition::decide(priced, rules.projection())
}

/// Whether all programs surely reject a loan, found without evidence: the loan fails a validation, or a hard rule that applies to
/// every loan. `false` only means that the phases must decide.
pub fn is_surely_rejected(loan: &Loan<'_>, first_use: Option<&FirstUse>, rules: &RuleSet) -> bool {
    if !validate::is_sound(loan, first_use, rules.guide().required()) {
        return true;
    }
    let rejects = |rules: &RuleSet| {
        let hard = rules.rules().iter().filter(|rule| rule.severity() == Severity::Hard);
        hard.filter(|rule| rules.guide().scope(rule.exception_type()).is_none()).any(|rule| !rule.passes(loan))
    };
    let programs = rules.programs();
    if programs.is_empty() { rejects(rules) } else { programs.iter().all(|program| rejects(&program.rules)) }
}
