//! Why loans are rejected or held, with their balances, counted while the run is made.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    phases::{
        Exception,
        disposition::{Decided, Disposition, HoldPolicy},
    },
    rules::{
        ExceptionKind, ExceptionType, Severity,
        distance::{DistanceUnit, STEPS},
        rule_set::RuleSet,
    },
    tape::declared::DeclaredFields,
};

use super::{
    findings_place,
    reason_figures::{Held, OnlyReason, Pair, Reason, Reasons, Step},
    tally::{LoanBalance, Tally, compare},
};

/// Largest number of pairs in the result.
const PAIRS: usize = 10;

/// The counts of a run, or of a part of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct ReasonCounts {
    /// First the rows of exceptions without a program, then those of each program. Within, by the place of the findings.
    rows: Vec<Vec<Option<Box<Row>>>>,
    /// In the order of [`HoldPolicy::ALL`].
    held: [HeldCount; HoldPolicy::ALL.len()],
    /// Loans with exactly two hard types, by the ids of the types.
    pairs: BTreeMap<[u16; 2], Tally>,
    /// The fields that the rule set declares, while loans are counted.
    #[serde(skip)]
    declared: Option<Arc<DeclaredFields>>,
}

/// Exceptions of one program, type and severity.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Row {
    exceptions: u64,
    all: Tally,
    only: Tally,
    /// The loans of `only` by the first step that their largest excess is within.
    steps: [Tally; STEPS],
    unit: RowUnit,
}

/// The unit of the excesses of a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum RowUnit {
    #[default]
    None,
    One(DistanceUnit),
    /// A rule over several fields may have several units, which no step compares.
    Several,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct HeldCount {
    /// The reason of the first loan.
    reason: Option<String>,
    tally: Tally,
}

impl RowUnit {
    fn note(&mut self, other: Self) {
        *self = match (*self, other) {
            (Self::None, other) => other,
            (unit, Self::None) => unit,
            (unit, other) if unit == other => unit,
            _ => Self::Several,
        };
    }
}

impl Row {
    fn merge(&mut self, next: &Self) {
        self.exceptions += next.exceptions;
        self.all.merge(&next.all);
        self.only.merge(&next.only);
        self.steps.iter_mut().zip(&next.steps).for_each(|(ours, theirs)| ours.merge(theirs));
        self.unit.note(next.unit);
    }

    fn finish(&self, program: Option<&str>, kind: &ExceptionKind, severity: Severity) -> Reason {
        // A rule of the table has the unit of its field even if no loan has an excess.
        let of_table = ExceptionType::ALL.get(usize::from(kind.id)).map(|kind| DistanceUnit::of_kind(*kind));
        let unit = of_table.unwrap_or(match self.unit {
            RowUnit::One(unit) => Some(unit),
            RowUnit::None | RowUnit::Several => None,
        });
        let mut within = Tally::default();
        let steps = unit.into_iter().flat_map(|unit| unit.steps().into_iter().zip(&self.steps));
        let by_distance = steps.map(|(up_to, of_step)| {
            within.merge(of_step);
            Step { up_to, loans: within.loans, balance: within.balance() }
        });
        let by_distance = by_distance.collect();
        Reason {
            program: program.map(str::to_owned),
            exception_type: kind.name.clone().into_owned(),
            severity,
            category: kind.category.clone().into_owned(),
            exceptions: self.exceptions,
            loans: self.all.loans,
            balance: self.all.balance(),
            only_reason: OnlyReason { loans: self.only.loans, balance: self.only.balance() },
            distance_unit: unit,
            by_distance,
        }
    }
}

/// Index of the rows of an exception's program.
fn program_of(exception: &Exception<'_>) -> usize {
    exception.program.map_or(0, |program| usize::from(program.index) + 1)
}

impl ReasonCounts {
    /// Prepares counting under a rule set.
    pub(super) fn begin(&mut self, rules: &RuleSet) {
        let declared = rules.guide().declared();
        self.declared = (!declared.fields.is_empty()).then(|| Arc::clone(declared));
    }

    /// Adds a loan that took the phases one after the other. Waived exceptions are no reasons.
    pub(super) fn add(&mut self, decided: &Decided<'_, '_>) {
        if decided.exceptions.is_empty() && decided.holds.is_empty() {
            return;
        }
        let balance = LoanBalance::of(decided.loan);
        for (nth, exception) in decided.exceptions.iter().enumerate().filter(|(_, exception)| !exception.is_waived()) {
            let unit = self.unit_of(exception);
            let row = self.row(program_of(exception), exception.kind.id, exception.severity);
            row.exceptions += 1;
            let is_same = |earlier: &Exception<'_>| {
                !earlier.is_waived()
                    && earlier.kind.id == exception.kind.id
                    && earlier.severity == exception.severity
                    && program_of(earlier) == program_of(exception)
            };
            if !decided.exceptions[..nth].iter().any(is_same) {
                row.all.add(balance);
            }
            if let Some(unit) = unit {
                row.unit.note(RowUnit::One(unit));
            }
        }
        if decided.disposition == Disposition::Rejected {
            self.add_only_reasons(decided, balance);
            self.add_pair(decided, balance);
        }
        let mut seen = 0_u8;
        for hold in &decided.holds {
            let bit = 1 << hold.policy as u8;
            if seen & bit == 0 {
                seen |= bit;
                let held = &mut self.held[hold.policy as usize];
                held.reason.get_or_insert_with(|| hold.reason.clone());
                held.tally.add(balance);
            }
        }
    }

    /// Counts a rejected loan for each program whose hard exceptions are all of one type.
    fn add_only_reasons(&mut self, decided: &Decided<'_, '_>, balance: LoanBalance) {
        // The exceptions of a program are next to each other.
        for of_program in decided.exceptions.chunk_by(|one, next| program_of(one) == program_of(next)) {
            let mut hard = of_program.iter().filter(|exception| exception.rejects());
            let Some(first) = hard.clone().next() else { continue };
            if hard.any(|exception| exception.kind.id != first.kind.id) {
                continue;
            }
            let hard = of_program.iter().filter(|exception| exception.rejects());
            // `None` as soon as an exception is within no step.
            let step = hard.map(|exception| self.unit_of(exception)?.step_of(&exception.evidence));
            let step = step.reduce(|one, other| Some(one?.max(other?))).flatten();
            let row = self.row(program_of(first), first.kind.id, Severity::Hard);
            row.only.add(balance);
            if let Some(step) = step {
                row.steps[step].add(balance);
            }
        }
    }

    /// Counts a rejected loan that has hard exceptions of exactly two types.
    fn add_pair(&mut self, decided: &Decided<'_, '_>, balance: LoanBalance) {
        let mut types: [Option<u16>; 2] = [None; 2];
        for exception in decided.exceptions.iter().filter(|exception| exception.rejects()) {
            let id = exception.kind.id;
            match types {
                [None, _] => types[0] = Some(id),
                [Some(first), _] if first == id => {}
                [_, None] => types[1] = Some(id),
                [_, Some(second)] if second == id => {}
                _ => return,
            }
        }
        if let [Some(one), Some(other)] = types {
            self.pairs.entry([one.min(other), one.max(other)]).or_default().add(balance);
        }
    }

    /// The unit of the excess of an exception; `None` when no step compares it.
    fn unit_of(&self, exception: &Exception<'_>) -> Option<DistanceUnit> {
        exception.evidence.excess?;
        match ExceptionType::ALL.get(usize::from(exception.kind.id)) {
            Some(kind) => DistanceUnit::of_kind(*kind),
            None => {
                let field = &*exception.evidence.field;
                let declared = self.declared.as_ref().and_then(|declared| declared.get(field));
                declared.map_or_else(|| DistanceUnit::of_field(field), |field| DistanceUnit::of(field.unit))
            }
        }
    }

    fn row(&mut self, program: usize, id: u16, severity: Severity) -> &mut Row {
        let at = findings_place(id, severity);
        if self.rows.len() <= program {
            self.rows.resize_with(program + 1, Vec::new);
        }
        let rows = &mut self.rows[program];
        if rows.len() <= at {
            rows.resize_with(at + 1, || None);
        }
        rows[at].get_or_insert_default()
    }

    /// Adds the counts of the next part, in tape order.
    pub(super) fn merge(&mut self, next: &Self) {
        if self.rows.len() < next.rows.len() {
            self.rows.resize_with(next.rows.len(), Vec::new);
        }
        for (ours, theirs) in self.rows.iter_mut().zip(&next.rows) {
            if ours.len() < theirs.len() {
                ours.resize_with(theirs.len(), || None);
            }
            for (ours, theirs) in ours.iter_mut().zip(theirs) {
                if let Some(theirs) = theirs {
                    ours.get_or_insert_default().merge(theirs);
                }
            }
        }
        for (ours, theirs) in self.held.iter_mut().zip(&next.held) {
            if ours.reason.is_none() {
                ours.reason.clone_from(&theirs.reason);
            }
            ours.tally.merge(&theirs.tally);
        }
        for (types, theirs) in &next.pairs {
            self.pairs.entry(*types).or_default().merge(theirs);
        }
    }

    /// The finished object. `kind` gives the kind with an id, `programs` are the names of the programs.
    pub(super) fn finish<'s>(&self, kind: impl Fn(u16) -> Option<&'s ExceptionKind>, programs: &[&str]) -> Reasons {
        let mut reasons = Vec::new();
        for (of, rows) in self.rows.iter().enumerate() {
            let program = of.checked_sub(1).and_then(|index| programs.get(index).copied());
            for (at, row) in (0_u16..).zip(rows) {
                let severity = if at % 2 == 0 { Severity::Hard } else { Severity::Soft };
                if let (Some(row), Some(kind)) = (row, kind(at / 2)) {
                    reasons.push(row.finish(program, kind, severity));
                }
            }
        }
        // The sort is stable: rows of one type keep the order of the programs, hard before soft.
        reasons.sort_by(|a, b| compare(&b.balance, &a.balance).then_with(|| a.exception_type.cmp(&b.exception_type)));
        let held = HoldPolicy::ALL.into_iter().zip(&self.held).filter_map(|(policy, held)| {
            Some(Held { policy, reason: held.reason.clone()?, loans: held.tally.loans, balance: held.tally.balance() })
        });
        let mut held: Vec<_> = held.collect();
        held.sort_by(|a, b| compare(&b.balance, &a.balance));
        let pairs = self.pairs.iter().filter_map(|(types, tally)| {
            let mut types = [kind(types[0])?, kind(types[1])?].map(|kind| kind.name.clone().into_owned());
            types.sort();
            Some(Pair { types, loans: tally.loans, balance: tally.balance() })
        });
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_by(|a, b| compare(&b.balance, &a.balance).then_with(|| a.types.cmp(&b.types)));
        pairs.truncate(PAIRS);
        Reasons { reasons, held, pairs }
    }
}
