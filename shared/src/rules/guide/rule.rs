//! The rules that a rule set defines: `[[rule]]`.

use jiff::civil::Date;

use crate::{
    decimal::Decimal,
    loan::{Loan, Unit},
    rules::{Evidence, ExceptionKind, ExceptionType, MISSING as MISSING_TEXT, Severity, excerpt},
};

use super::{
    condition::{Accepts, AllOf, Condition, Edge, End, Test, Truth, all, end_text, text_of, undetermined, why_undetermined},
    field::{Slot, Value, date_of},
};

/// What an undetermined rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// The loan is held, if the rule is hard.
    #[default]
    Hold,
    /// The loan fails the rule.
    Fail,
    /// The loan passes the rule.
    Pass,
}

impl Missing {
    pub const ALL: [(&'static str, Self); 3] = [("hold", Self::Hold), ("fail", Self::Fail), ("pass", Self::Pass)];
}

/// To which loans a rule applies: those that meet `when`, and do not meet `unless`.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    pub when: Condition,
    /// `None` excepts no loan.
    pub unless: Option<Condition>,
}

impl Scope {
    #[inline]
    pub fn applies(&self, values: &[Value]) -> Truth {
        let when = self.when.truth(values);
        match &self.unless {
            None => when,
            Some(unless) => when.min(!unless.truth(values)),
        }
    }

    /// The tests that leave open whether the rule applies.
    pub fn undetermined<'c>(&'c self, values: &'c [Value]) -> impl Iterator<Item = &'c Test> {
        let of_when = self.when.undetermined(values).filter(|_| self.when.truth(values) == Truth::Undetermined);
        of_when.chain(self.unless.iter().flat_map(|unless| unless.undetermined(values)))
    }

    /// The scope in one fixed form, for the hash of the rule set.
    pub fn push_canonical(&self, out: &mut String) {
        out.push_str("when");
        self.when.push_canonical(out);
        if let Some(unless) = &self.unless {
            out.push_str("unless");
            unless.push_canonical(out);
        }
    }
}

/// A rule that a rule set defines.
#[derive(Debug, Clone)]
pub struct OwnRule {
    pub kind: ExceptionKind,
    /// Severity from `hard_from` on.
    pub severity: Severity,
    /// Purchase date from which the rule is hard; before it the rule is soft. `None`: `severity` always holds.
    pub hard_from: Option<Date>,
    pub scope: Scope,
    pub require: AllOf,
    pub missing: Missing,
}

/// An exception, and whether it holds the loan.
#[derive(Debug)]
pub struct Finding<'r> {
    pub kind: &'r ExceptionKind,
    pub severity: Severity,
    pub evidence: Evidence,
    /// Whether a loan that nothing rejects is held because of it.
    pub holds: bool,
}

/// A loan, and what a guide needs to judge it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'s, 't> {
    pub loan: &'s Loan<'t>,
    pub slots: &'s [Slot],
    /// The values of the slots.
    pub values: &'s [Value],
    pub pdate: Date,
}

impl OwnRule {
    /// Severity of a loan that is bought on this date.
    pub fn severity_at(&self, pdate: Date) -> Severity {
        severity_at(self.severity, self.hard_from, pdate)
    }

    /// Whether a loan violates the rule.
    #[inline]
    pub fn is_violated(&self, values: &[Value]) -> Truth {
        match all(&self.require, values) {
            Truth::True => Truth::False,
            required => self.scope.applies(values).min(!required),
        }
    }

    /// Whether the rule has nothing to say about a loan.
    #[inline]
    pub fn passes(&self, values: &[Value]) -> bool {
        match self.is_violated(values) {
            Truth::False => true,
            Truth::Undetermined => self.missing == Missing::Pass,
            Truth::True => false,
        }
    }

    /// Judges a loan.
    pub fn judge<'r>(&'r self, subject: Subject<'_, '_>, findings: &mut Vec<Finding<'r>>) {
        let severity = self.severity_at(subject.pdate);
        match self.is_violated(subject.values) {
            Truth::False => {}
            Truth::True => {
                let condition = self.scope.when.phrase(subject.values);
                let failed = self.require.iter().filter(|test| test.truth(subject.values) == Truth::False);
                findings.extend(failed.map(|test| Finding {
                    kind: &self.kind,
                    severity,
                    evidence: failure(test, subject, &condition),
                    holds: false,
                }));
            }
            Truth::Undetermined => {
                let open: Vec<&Slot> = self.undetermined(subject.values).map(|test| &subject.slots[test.slot]).collect();
                let evidence = || undecided(&self.kind.name, &open, subject.loan);
                findings.extend(undetermined_finding(&self.kind, severity, self.missing, evidence));
            }
        }
    }

    /// The tests that leave the rule undetermined, in the order of the rule.
    fn undetermined<'c>(&'c self, values: &'c [Value]) -> impl Iterator<Item = &'c Test> {
        let required = undetermined(&self.require, values).filter(|_| all(&self.require, values) == Truth::Undetermined);
        self.scope.undetermined(values).chain(required)
    }

    /// What the rule requires, for people.
    pub fn requirement(&self) -> String {
        text_of(&self.require)
    }

    /// The rule in one fixed form, for the hash of the rule set.
    pub fn push_canonical(&self, out: &mut String) {
        let ExceptionKind { name, category, rejection_criteria, .. } = &self.kind;
        let hard_from = self.hard_from.map_or_else(String::new, |date| date.to_string());
        let severity = self.severity.as_str();
        out.push_str(&format!("{name}={severity},{hard_from},{category},{rejection_criteria},{:?},", self.missing));
        self.scope.push_canonical(out);
        out.push_str("require(");
        self.require.iter().for_each(|test| test.push_canonical(out));
        out.push_str(")\n");
    }
}

/// Severity of a rule or grid for a loan that is bought on this date.
pub fn severity_at(severity: Severity, hard_from: Option<Date>, pdate: Date) -> Severity {
    match hard_from {
        Some(from) if pdate < from => Severity::Soft,
        _ => severity,
    }
}

/// What a rule or grid that cannot be decided reports; `None` when the loan passes it.
pub fn undetermined_finding(
    kind: &ExceptionKind,
    severity: Severity,
    missing: Missing,
    evidence: impl FnOnce() -> Evidence,
) -> Option<Finding<'_>> {
    match missing {
        Missing::Pass => None,
        Missing::Fail => Some(Finding { kind, severity, evidence: evidence(), holds: false }),
        Missing::Hold => Some(Finding {
            kind: ExceptionType::Undetermined.kind(),
            severity: Severity::Soft,
            evidence: evidence(),
            holds: severity == Severity::Hard,
        }),
    }
}

/// Evidence for a rule or grid that cannot be decided: the values of these slots are missing.
pub fn undecided(rule: &str, open: &[&Slot], loan: &Loan<'_>) -> Evidence {
    let mut reasons: Vec<String> = Vec::new();
    for slot in open {
        let reason = why_undetermined(slot, loan);
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    let message = format!("{rule} cannot be decided: {}", reasons.join(", "));
    let (field, actual) =
        open.first().map_or(("", MISSING_TEXT), |slot| (slot.field.name(), slot.written(loan).unwrap_or(MISSING_TEXT)));
    Evidence { field: field.to_owned().into(), actual: actual.to_owned().into(), limit: "".into(), excess: None, message }
}

/// Evidence for a loan that a rule applies to, and that does not meet one of its requirements.
fn failure(test: &Test, subject: Subject<'_, '_>, condition: &str) -> Evidence {
    let slot = &subject.slots[test.slot];
    let (label, field) = (test.field.label(), test.field.name());
    let under = if condition.is_empty() { String::new() } else { format!(" for {condition}") };
    let evidence = |actual: String, limit: String, excess: Option<Decimal>, message: String| Evidence {
        field: field.to_owned().into(),
        actual: actual.into(),
        limit: limit.into(),
        excess,
        message,
    };
    match &test.accepts {
        Accepts::Missing => {
            let message = format!("{label} is {}, and must be missing{under}", excerpt(&shown(test.slot, subject)));
            evidence(actual(test.slot, subject), test.limit(), None, message)
        }
        Accepts::Present => {
            let written = slot.written(subject.loan);
            let reason = written.map_or("is missing".to_owned(), |written| format!("\"{}\" cannot be read", excerpt(written)));
            evidence(written.unwrap_or(MISSING_TEXT).to_owned(), test.limit(), None, format!("{label} {reason}{under}"))
        }
        Accepts::Words { not: true, .. } | Accepts::Numbers { not: true, .. } => {
            let message = format!("{label} {} is not accepted{under}", quoted(test.slot, subject));
            evidence(actual(test.slot, subject), test.limit(), None, message)
        }
        Accepts::Words { .. } | Accepts::Numbers { .. } => {
            let message = format!("{label} {} is not {}{under}", quoted(test.slot, subject), test.wanted());
            evidence(actual(test.slot, subject), test.limit(), None, message)
        }
        Accepts::Range { min, max } => {
            let above = test.is_exceeded(subject.values);
            let end = if above { *max } else { *min };
            match end {
                Some(end) => beyond(test.slot, subject, end, above, |by| format!("{under}{by}")),
                None => evidence(actual(test.slot, subject), test.limit(), None, format!("{label} is not accepted")),
            }
        }
    }
}

/// Evidence for a value that is beyond an end of the accepted ones. `behind` gives the end of the message, and gets the distance as
/// ` (by 5.00)`, or nothing where there is no distance.
pub fn beyond(at: usize, subject: Subject<'_, '_>, end: End, above: bool, behind: impl FnOnce(String) -> String) -> Evidence {
    let slot = &subject.slots[at];
    let excess = excess(slot, subject, end, above);
    let is_date = matches!(end.edge, Edge::Date(_));
    let side = match (above, end.inclusive, is_date) {
        (true, true, false) => "is above the maximum",
        (true, false, false) => "is not below",
        (false, true, false) => "is below the minimum",
        (false, false, false) => "is not above",
        (true, true, true) => "is after the latest date",
        (true, false, true) => "is not before",
        (false, true, true) => "is before the earliest date",
        (false, false, true) => "is not after",
    };
    let by = excess.filter(|excess| !excess.is_zero()).map(|excess| format!(" (by {})", slot.field.show_distance(excess)));
    let edge = match end.edge {
        Edge::Number(number) => slot.field.show(number),
        Edge::Date(date) => date.to_string(),
    };
    let message = format!("{} {} {side} {edge}{}", slot.field.label(), shown(at, subject), behind(by.unwrap_or_default()));
    Evidence {
        field: slot.field.name().to_owned().into(),
        actual: actual(at, subject).into(),
        limit: end_text(end, if above { '<' } else { '>' }).into(),
        excess,
        message,
    }
}

/// Distance of a number from passing; `None` for dates.
fn excess(slot: &Slot, subject: Subject<'_, '_>, end: End, above: bool) -> Option<Decimal> {
    let Edge::Number(edge) = end.edge else { return None };
    let value = slot.decimal(subject.loan, subject.pdate)?;
    if above { value.checked_sub(edge) } else { edge.checked_sub(value) }
}

/// The value in a slot as text, as in [`Evidence::actual`].
pub fn actual(at: usize, subject: Subject<'_, '_>) -> String {
    let slot = &subject.slots[at];
    if let Some(number) = slot.decimal(subject.loan, subject.pdate) {
        return number.with_min_decimals(0);
    }
    word(at, subject).or_else(|| slot.written(subject.loan)).unwrap_or(MISSING_TEXT).to_owned()
}

/// The value in a slot for people. A date that was read is shown as `2026-01-31`, however the tape writes it.
pub fn shown(at: usize, subject: Subject<'_, '_>) -> String {
    let slot = &subject.slots[at];
    if let Some(date) = (slot.field.unit() == Unit::Date).then(|| date_of(subject.values[at])).flatten() {
        return date.to_string();
    }
    let number = slot.decimal(subject.loan, subject.pdate);
    number.map_or_else(|| actual(at, subject), |number| slot.field.show(number))
}

/// The value in a slot for people; a word in quotation marks.
fn quoted(at: usize, subject: Subject<'_, '_>) -> String {
    let is_word = subject.slots[at].field.unit() == Unit::Word;
    if is_word { format!("\"{}\"", excerpt(&actual(at, subject))) } else { shown(at, subject) }
}

/// The canonical word in a slot; `None` when the value is no word of the vocabulary.
fn word<'s>(at: usize, subject: Subject<'s, '_>) -> Option<&'s str> {
    let code = u8::try_from(subject.values[at]).ok()?;
    let word = subject.slots[at].field.words()?.word(code);
    (!word.is_empty()).then_some(word)
}
