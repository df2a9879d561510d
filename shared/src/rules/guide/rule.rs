//! The rules that a rule set defines: `[[rule]]`.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use jiff::civil::Date;

use crate::{
    decimal::Decimal,
    loan::{Loan, Unit},
    rules::{Evidence, ExceptionKind, ExceptionType, MISSING as MISSING_TEXT, Severity, excerpt},
};

use super::{
    condition::{Accepts, AllOf, Condition, Edge, End, Test, Truth, all, push_why_undetermined, text_of, undetermined},
    field::{Slot, Value, date_of},
};

/// Capacity reserved for a message, in bytes: about the usual length.
pub const MESSAGE_ROOM: usize = 128;

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
    let mut message = String::with_capacity(MESSAGE_ROOM);
    message.push_str(rule);
    message.push_str(" cannot be decided: ");
    for (at, slot) in open.iter().enumerate() {
        if open[..at].iter().any(|earlier| earlier.field == slot.field) {
            continue;
        }
        if at > 0 {
            message.push_str(", ");
        }
        push_why_undetermined(&mut message, slot, loan);
    }
    let first = open.first();
    let actual = first.and_then(|slot| slot.written(loan)).map_or(MISSING_TEXT.into(), |written| written.to_owned().into());
    let field = first.map_or(Cow::Borrowed(""), |slot| slot.field.shared_name());
    Evidence { field, actual, limit: no_limit(), excess: None, message }
}

/// The limit of an exception that has none.
pub fn no_limit() -> Arc<str> {
    static NONE: LazyLock<Arc<str>> = LazyLock::new(|| "".into());
    Arc::clone(&NONE)
}

/// Evidence for a loan that a rule applies to, and that does not meet one of its requirements.
fn failure(test: &Test, subject: Subject<'_, '_>, condition: &str) -> Evidence {
    let slot = &subject.slots[test.slot];
    if let Accepts::Range { min, max } = &test.accepts {
        let above = test.is_exceeded(subject.values);
        if let Some(end) = if above { *max } else { *min } {
            let limit = (end, test.limit_text(above), above);
            return beyond(test.slot, subject, limit, |message, by| {
                push_condition(message, condition);
                push_by(message, slot, by);
            });
        }
    }
    let mut message = String::with_capacity(MESSAGE_ROOM);
    message.push_str(test.field.label());
    message.push(' ');
    let mut actual = actual(test.slot, subject);
    match &test.accepts {
        Accepts::Missing => {
            message.push_str("is ");
            message.push_str(excerpt(&shown(test.slot, subject)));
            message.push_str(", and must be missing");
        }
        Accepts::Present => match slot.written(subject.loan) {
            Some(written) => {
                message.extend(["\"", excerpt(written), "\" cannot be read"]);
                actual = written.to_owned();
            }
            None => {
                message.push_str("is missing");
                actual = MISSING_TEXT.to_owned();
            }
        },
        Accepts::Words { not, .. } | Accepts::Numbers { not, .. } => {
            push_quoted(&mut message, test.slot, subject);
            if *not {
                message.push_str(" is not accepted");
            } else {
                message.extend([" is not ", test.wanted()]);
            }
        }
        Accepts::Range { .. } => message.push_str("is not accepted"),
    }
    push_condition(&mut message, condition);
    let (field, limit) = (test.field.shared_name(), Arc::clone(test.limit_text(true)));
    Evidence { field, actual: actual.into(), limit, excess: None, message }
}

/// Appends under which condition a loan fails a rule.
fn push_condition(message: &mut String, condition: &str) {
    if !condition.is_empty() {
        message.extend([" for ", condition]);
    }
}

/// Appends a distance from passing: ` (by 5.00)`; nothing where there is none.
fn push_by(message: &mut String, slot: &Slot, excess: Option<Decimal>) {
    if let Some(excess) = excess.filter(|excess| !excess.is_zero()) {
        message.push_str(" (by ");
        slot.field.push_distance(message, excess);
        message.push(')');
    }
}

/// Evidence for a value that is beyond an end of the accepted ones. The limit is the end, its text, and whether it is the upper one.
/// `behind` appends the end of the message, and gets the distance from passing.
pub fn beyond(
    at: usize,
    subject: Subject<'_, '_>,
    (end, limit, above): (End, &Arc<str>, bool),
    behind: impl FnOnce(&mut String, Option<Decimal>),
) -> Evidence {
    let slot = &subject.slots[at];
    let value = slot.decimal(subject.loan, subject.pdate);
    let mut message = String::with_capacity(MESSAGE_ROOM);
    message.push_str(slot.field.label());
    message.push(' ');
    match value {
        Some(value) => slot.field.push_shown(&mut message, value),
        None => push_shown(&mut message, at, subject),
    }
    let is_date = matches!(end.edge, Edge::Date(_));
    message.push_str(match (above, end.inclusive, is_date) {
        (true, true, false) => " is above the maximum ",
        (true, false, false) => " is not below ",
        (false, true, false) => " is below the minimum ",
        (false, false, false) => " is not above ",
        (true, true, true) => " is after the latest date ",
        (true, false, true) => " is not before ",
        (false, true, true) => " is before the earliest date ",
        (false, false, true) => " is not after ",
    });
    let excess = match end.edge {
        Edge::Number(edge) => {
            slot.field.push_shown(&mut message, edge);
            value.and_then(|value| if above { value.checked_sub(edge) } else { edge.checked_sub(value) })
        }
        Edge::Date(date) => {
            message.push_str(&date.to_string());
            None
        }
    };
    behind(&mut message, excess);
    let actual = value.map_or_else(|| actual(at, subject), |value| value.with_min_decimals(0));
    Evidence { field: slot.field.shared_name(), actual: actual.into(), limit: Arc::clone(limit), excess, message }
}

/// The value in a slot as text, as in [`Evidence::actual`].
pub fn actual(at: usize, subject: Subject<'_, '_>) -> String {
    let slot = &subject.slots[at];
    if let Some(number) = slot.decimal(subject.loan, subject.pdate) {
        return number.with_min_decimals(0);
    }
    word(at, subject).or_else(|| slot.written(subject.loan)).unwrap_or(MISSING_TEXT).to_owned()
}

/// Appends the value in a slot for people. A date that was read is shown as `2026-01-31`, however the tape writes it.
pub fn push_shown(out: &mut String, at: usize, subject: Subject<'_, '_>) {
    let slot = &subject.slots[at];
    if let Some(date) = (slot.field.unit() == Unit::Date).then(|| date_of(subject.values[at])).flatten() {
        return out.push_str(&date.to_string());
    }
    match slot.decimal(subject.loan, subject.pdate) {
        Some(number) => slot.field.push_shown(out, number),
        None => out.push_str(word(at, subject).or_else(|| slot.written(subject.loan)).unwrap_or(MISSING_TEXT)),
    }
}

/// The value in a slot for people.
fn shown(at: usize, subject: Subject<'_, '_>) -> String {
    let mut text = String::new();
    push_shown(&mut text, at, subject);
    text
}

/// Appends the value in a slot for people; a word in quotation marks.
fn push_quoted(out: &mut String, at: usize, subject: Subject<'_, '_>) {
    if subject.slots[at].field.unit() == Unit::Word {
        out.extend(["\"", excerpt(&actual(at, subject)), "\""]);
    } else {
        push_shown(out, at, subject);
    }
}

/// The canonical word in a slot; `None` when the value is no word of the vocabulary.
fn word<'s>(at: usize, subject: Subject<'s, '_>) -> Option<&'s str> {
    let code = u8::try_from(subject.values[at]).ok()?;
    let word = subject.slots[at].field.words()?.word(code);
    (!word.is_empty()).then_some(word)
}
