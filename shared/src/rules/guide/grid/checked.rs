//! What a grid of limits says about a loan, passes included.

use crate::rules::{
    checked::{CheckOutcome, FieldCheck, distance, failures},
    guide::{
        condition::Truth,
        rule::{Finding, Subject, actual},
    },
};

use super::{Grid, Lookup};

impl Grid {
    /// What a grid of limits says about a loan that passed validation: an entry for each exception, and one for each other field that
    /// it limits.
    pub fn check_fields(&self, subject: Subject<'_, '_>) -> Vec<FieldCheck> {
        let Some(kind) = self.kind() else { return Vec::new() };
        let mut findings: Vec<Finding<'_>> = Vec::new();
        self.judge(subject, &mut findings);
        let mut checks = failures(&kind.name, &mut findings);
        let (scope, found) = (self.scope.applies(subject.values), self.find(subject.values));
        let cell = |case: usize, at: usize| {
            let case = self.cases.get(case)?;
            Some(self.table.full_address(case.row, case.column + at))
        };
        if let Lookup::Case(case) = found {
            for check in &mut checks {
                let at = self.limits.iter().position(|limit| subject.slots[limit.slot].field.shared_name() == check.field);
                check.source = at.and_then(|at| cell(case, at));
            }
        }
        for (at, limit) in self.limits.iter().enumerate() {
            let slot = &subject.slots[limit.slot];
            let field = slot.field.shared_name();
            if checks.iter().any(|check| check.field == field) {
                continue;
            }
            let (outcome, source) = match found {
                _ if scope == Truth::False => (CheckOutcome::NotApplicable, None),
                Lookup::Case(case) if findings.is_empty() && limit.is_missed(case, subject.values) == Truth::False => {
                    let bound = self.cases.get(case).and_then(|case| case.results.get(at).copied().flatten());
                    let value = slot.decimal(subject.loan, subject.pdate);
                    let room = bound.zip(value).and_then(|(bound, value)| {
                        if limit.is_max { distance(bound, value, bound) } else { distance(value, bound, bound) }
                    });
                    (CheckOutcome::Passed(room), cell(case, at))
                }
                Lookup::NoCell if !checks.is_empty() => continue,
                _ => (CheckOutcome::Undetermined, None),
            };
            let shown = if scope == Truth::False { String::new() } else { actual(limit.slot, subject) };
            checks.push(FieldCheck { field, actual: shown.into(), outcome, source });
        }
        checks
    }
}
