//! What the rules say about a loan, passes included. Judging itself stays where the rules are: a rule that fails is shown by the
//! exception that it reports, and this module adds what the passes leave untold.

use std::borrow::Cow;

use jiff::civil::Date;

use crate::{
    decimal::Decimal,
    loan::{CellValue, Loan, WordCell},
};

use super::{
    Check, Evidence, MISSING, Rule, Severity, Verdict, canonical_word,
    guide::{
        Guide, Values,
        condition::{Accepts, Edge, Test, Truth},
        rule::{Finding, OwnRule, Subject, actual},
    },
};

/// What a rule says about one field of a loan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldCheck {
    /// The field, or several separated by commas.
    pub field: Cow<'static, str>,
    /// The value of the loan, as text; empty for a rule that was not checked.
    pub actual: Cow<'static, str>,
    pub outcome: CheckOutcome,
    /// Cell of a grid that decides; `None` for all other rules.
    pub source: Option<String>,
}

/// Result of a rule for one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckOutcome {
    /// The loan passes. With the distance to the nearer bound; `None` when the rule has no bound, or only one at zero.
    Passed(Option<Decimal>),
    /// The loan fails, with the severity of its exception.
    Failed(Severity, Evidence),
    /// The rule does not apply to the loan.
    NotApplicable,
    /// A value that the loan lacks decides the rule.
    Undetermined,
}

/// The smaller of two distances, as far as there are any.
pub(super) fn nearer(one: Option<Decimal>, other: Option<Decimal>) -> Option<Decimal> {
    [one, other].into_iter().flatten().min()
}

impl Rule {
    /// What the rule says about a loan that passed validation. `applies`: whether the guide has the rule apply to the loan.
    pub fn check_field(&self, loan: &Loan<'_>, applies: bool) -> FieldCheck {
        let of = |actual, outcome| FieldCheck { field: self.field.name().into(), actual, outcome, source: None };
        if !applies {
            return of("".into(), CheckOutcome::NotApplicable);
        }
        match self.check(loan) {
            Verdict::Fail(evidence) => of(evidence.actual.clone(), CheckOutcome::Failed(self.severity, evidence)),
            Verdict::Pass => {
                let (actual, headroom) = self.passed(loan);
                of(actual, CheckOutcome::Passed(headroom))
            }
        }
    }

    /// The value of a loan that passes, and its distance to the nearer bound.
    fn passed(&self, loan: &Loan<'_>) -> (Cow<'static, str>, Option<Decimal>) {
        match &self.check {
            Check::Word { at, .. } => {
                let word = match loan.words[*at] {
                    WordCell::Known(code) => canonical_word(*at, code).into(),
                    WordCell::Other(written) => written.to_owned().into(),
                    WordCell::ManyUnits { written, .. } => written.to_owned().into(),
                    WordCell::Missing => MISSING.into(),
                };
                (word, None)
            }
            Check::Number { at, min, max } => match loan.numbers[*at].reading {
                CellValue::Value(value) => {
                    let below = max.as_ref().and_then(|max| distance(max.value, value, max.value));
                    let above = min.as_ref().and_then(|min| distance(value, min.value, min.value));
                    (value.with_min_decimals(0).into(), nearer(below, above))
                }
                CellValue::Missing | CellValue::Unreadable(_) => (MISSING.into(), None),
            },
        }
    }
}

/// The distance from a number down to another; `None` when the bound is zero, which every sound value is far from.
pub(super) fn distance(upper: Decimal, lower: Decimal, bound: Decimal) -> Option<Decimal> {
    upper.checked_sub(lower).filter(|_| !bound.is_zero())
}

impl OwnRule {
    /// What the rule says about a loan that passed validation: an entry for each exception, and one for each other field.
    pub fn check_fields(&self, subject: Subject<'_, '_>) -> Vec<FieldCheck> {
        let mut findings: Vec<Finding<'_>> = Vec::new();
        self.judge(subject, &mut findings);
        let mut checks = failures(&self.kind.name, &mut findings);
        let is_open = !findings.is_empty() || self.is_violated(subject.values) == Truth::Undetermined;
        let applies = self.scope.applies(subject.values) != Truth::False;
        for test in &self.require {
            let field = test.field.shared_name();
            let outcome = match test.truth(subject.values) {
                _ if !applies => CheckOutcome::NotApplicable,
                // The exceptions of the rule say so.
                Truth::False if !checks.is_empty() => continue,
                Truth::True if !is_open => CheckOutcome::Passed(headroom(test, subject)),
                Truth::True | Truth::False | Truth::Undetermined => CheckOutcome::Undetermined,
            };
            let shown = if applies { actual(test.slot, subject).into() } else { "".into() };
            match checks.iter_mut().find(|check| check.field == field) {
                // Several tests of one field: the nearest bound counts.
                Some(FieldCheck { outcome: CheckOutcome::Passed(known), .. }) => {
                    if let CheckOutcome::Passed(found) = outcome {
                        *known = nearer(*known, found);
                    }
                }
                Some(_) => {}
                None => checks.push(FieldCheck { field, actual: shown, outcome, source: None }),
            }
        }
        checks
    }
}

/// Takes the exceptions of a rule's own kind out of what it found. Those that are left say that it is undetermined.
pub(super) fn failures(kind: &str, findings: &mut Vec<Finding<'_>>) -> Vec<FieldCheck> {
    let own = findings.extract_if(.., |finding| *finding.kind.name == *kind);
    let check = |Finding { severity, evidence, .. }: Finding<'_>| FieldCheck {
        field: evidence.field.clone(),
        actual: evidence.actual.clone(),
        outcome: CheckOutcome::Failed(severity, evidence),
        source: None,
    };
    own.map(check).collect()
}

/// The distance of a value that meets a test to the nearer end of the accepted ones.
fn headroom(test: &Test, subject: Subject<'_, '_>) -> Option<Decimal> {
    let Accepts::Range { min, max } = &test.accepts else { return None };
    let value = subject.slots[test.slot].decimal(subject.loan, subject.pdate)?;
    let number = |edge: Edge| if let Edge::Number(number) = edge { Some(number) } else { None };
    let below = max.and_then(|end| number(end.edge)).and_then(|max| distance(max, value, max));
    let above = min.and_then(|end| number(end.edge)).and_then(|min| distance(value, min, min));
    nearer(below, above)
}

impl Guide {
    /// What the comparisons between fields say about a loan that passed validation, each with its kind.
    pub fn check_consistency(&self, loan: &Loan<'_>, values: &Values) -> Vec<(super::ExceptionType, FieldCheck)> {
        let judged = self.contradicted(loan, values);
        let check = |(rule, _): &(super::ExceptionType, Severity)| {
            let (field, _) = self.comparison(*rule);
            let found = judged.iter().find(|(of, ..)| of == rule);
            let (actual, outcome) = match found {
                _ if !self.applies(*rule, values) => ("".into(), CheckOutcome::NotApplicable),
                Some((_, severity, evidence)) => (evidence.actual.clone(), CheckOutcome::Failed(*severity, evidence.clone())),
                None => match self.shown_number(field, loan) {
                    Some(value) => (value.into(), CheckOutcome::Passed(None)),
                    None => (MISSING.into(), CheckOutcome::Undetermined),
                },
            };
            let field = found.map_or(field.into(), |(.., evidence)| evidence.field.clone());
            (*rule, FieldCheck { field, actual, outcome, source: None })
        };
        self.consistency().iter().map(check).collect()
    }

    /// The values that the guide's rules test, for a loan that is bought on a date.
    pub fn subject<'s, 't>(&'s self, loan: &'s Loan<'t>, values: &'s Values, pdate: Date) -> Subject<'s, 't> {
        Subject { loan, slots: self.slots(), values, pdate }
    }
}
