//! Eligibility: checks every rule on every loan that passed validation.

use jiff::civil::Date;

use crate::{
    loan::Loan,
    rules::{
        Verdict,
        guide::{Guide, Values, rule::Finding},
        rule_set::RuleSet,
    },
    waivers::waive,
};

use super::{Exception, validate::Validated};

/// A loan after the eligibility phase.
#[derive(Debug)]
pub struct Assessed<'l, 't> {
    pub(super) loan: &'l Loan<'t>,
    pub(super) exceptions: Vec<Exception<'l>>,
    pub(super) eligible: bool,
    /// Why the loan is held although no rule rejects it: the hard rules that cannot be decided, each with what is missing.
    pub(super) undecided: Vec<String>,
    pub(super) guide: &'l Guide,
    /// The values that the guide tests; empty for a loan that failed validation.
    pub(super) values: Values,
}

impl<'l, 't> Assessed<'l, 't> {
    pub fn loan(&self) -> &'l Loan<'t> {
        self.loan
    }

    /// Validations and rules that the loan failed, in the order of reports.
    pub fn exceptions(&self) -> &[Exception<'l>] {
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
pub fn assess<'l, 't>(validated: Validated<'l, 't>, rules: &'l RuleSet, pdate: Date) -> Assessed<'l, 't> {
    let Validated { loan, mut exceptions } = validated;
    let guide = rules.guide();
    if !exceptions.is_empty() {
        return Assessed { loan, exceptions, eligible: false, undecided: Vec::new(), guide, values: Vec::new() };
    }
    let values = guide.values(loan, pdate);
    for rule in rules.rules() {
        if let Verdict::Fail(evidence) = rule.check(loan)
            && guide.applies(rule.exception_type(), &values)
        {
            exceptions.push(Exception {
                kind: rule.exception_type().kind(),
                severity: rule.severity(),
                evidence,
                program: None,
                waiver: None,
            });
        }
    }
    let mut undecided = Vec::new();
    for Finding { kind, severity, evidence, holds } in guide.judge(loan, &values, pdate) {
        if holds {
            undecided.push(evidence.message.clone());
        }
        exceptions.push(Exception { kind, severity, evidence, program: None, waiver: None });
    }
    if !loan.waivers.is_empty() {
        waive(&mut exceptions, loan.waivers, pdate);
        undecided.retain(|message| !exceptions.iter().any(|of| of.is_waived() && of.evidence.message == *message));
    }
    let eligible = exceptions.iter().all(|exception| !exception.rejects());
    Assessed { loan, exceptions, eligible, undecided, guide, values }
}
