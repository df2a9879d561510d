//! Eligibility: checks every rule on every loan that passed validation.

use crate::{
    loan::Loan,
    rules::{Severity, Verdict, rule_set::RuleSet},
};

use super::{Exception, validate::Validated};

/// A loan after the eligibility phase.
#[derive(Debug)]
pub struct Assessed<'l, 't> {
    pub(super) loan: &'l Loan<'t>,
    pub(super) exceptions: Vec<Exception>,
    pub(super) eligible: bool,
}

impl<'l, 't> Assessed<'l, 't> {
    pub fn loan(&self) -> &'l Loan<'t> {
        self.loan
    }

    /// Validations and rules that the loan failed, in the order of reports.
    pub fn exceptions(&self) -> &[Exception] {
        &self.exceptions
    }

    /// Whether the loan may be bought: it passed validation and failed no hard rule.
    pub fn is_eligible(&self) -> bool {
        self.eligible
    }
}

/// Checks every rule, and does not stop at the first failure. A loan that failed validation skips the rules, because a rule
/// cannot judge a value that could not be read.
#[inline]
pub fn assess<'l, 't>(validated: Validated<'l, 't>, rules: &RuleSet) -> Assessed<'l, 't> {
    let Validated { loan, mut exceptions } = validated;
    if !exceptions.is_empty() {
        return Assessed { loan, exceptions, eligible: false };
    }
    for rule in rules.rules() {
        if let Verdict::Fail(evidence) = rule.check(loan) {
            exceptions.push(Exception { exception_type: rule.exception_type(), severity: rule.severity(), evidence });
        }
    }
    let eligible = exceptions.iter().all(|exception| exception.severity == Severity::Soft);
    Assessed { loan, exceptions, eligible }
}
