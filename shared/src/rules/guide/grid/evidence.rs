//! What a grid reports about a loan.

use std::{borrow::Cow, sync::Arc};

use crate::rules::{
    Evidence, ExceptionType, Severity,
    guide::{
        condition::{Edge, End, Truth},
        field::{Slot, TestedField},
        rule::{
            Finding, MESSAGE_ROOM, Subject, actual, beyond, no_limit, push_shown, severity_at, undecided, undetermined_finding,
        },
    },
};

use super::{AxisPlace, Grid, GridBody, GridCase, Lookup, Reporting};

impl Grid {
    /// Judges a loan by a grid of limits.
    pub fn judge<'r>(&'r self, subject: Subject<'_, '_>, findings: &mut Vec<Finding<'r>>) {
        let Some(Reporting { kind, severity, hard_from }) = &self.reporting else { return };
        let severity = severity_at(*severity, *hard_from, subject.pdate);
        let (scope, found) = (self.scope.applies(subject.values), self.find(subject.values));
        match (scope.min(self.violates(found, subject.values)), found) {
            (Truth::False, _) => {}
            (Truth::True, Lookup::Case(case)) => {
                let failed = (0..self.limits.len()).filter_map(|at| self.beyond_limit(&self.cases[case], case, at, subject));
                findings.extend(failed.map(|evidence| Finding { kind, severity, evidence, holds: false }));
            }
            (Truth::True, _) => {
                let evidence = self.no_cell(subject, &self.no_cell_limit);
                findings.push(Finding { kind, severity, evidence, holds: false });
            }
            (Truth::Undetermined, Lookup::Overlap(..)) if scope == Truth::True => findings.push(Finding {
                kind: ExceptionType::Undetermined.kind(),
                severity: Severity::Soft,
                evidence: self.undetermined(subject),
                holds: true,
            }),
            (Truth::Undetermined, _) => {
                let evidence = || self.undetermined(subject);
                findings.extend(undetermined_finding(kind, severity, self.missing, evidence));
            }
        }
    }

    /// Evidence for a grid that is undetermined for a loan: a missing value decides, the grid has no cell, or two rows fit.
    pub fn undetermined(&self, subject: Subject<'_, '_>) -> Evidence {
        let scope = self.scope.applies(subject.values);
        let found = self.find(subject.values);
        match (scope, found) {
            (Truth::True, Lookup::NoCell) => return self.no_cell(subject, &no_limit()),
            (Truth::True, Lookup::Overlap(one, other)) => return self.overlap(subject, one, other),
            _ => {}
        }
        let mut open: Vec<&Slot> = self.scope.undetermined(subject.values).map(|test| &subject.slots[test.slot]).collect();
        let of_grid = match found {
            Lookup::Undetermined => self.undetermined_slots(subject),
            Lookup::Case(case) => {
                let limits = self.limits.iter().filter(|limit| limit.is_missed(case, subject.values) == Truth::Undetermined);
                limits.map(|limit| limit.slot).collect()
            }
            Lookup::NoCell | Lookup::EachFitting | Lookup::Overlap(..) => Vec::new(),
        };
        open.extend(of_grid.into_iter().map(|slot| &subject.slots[slot]));
        undecided(&self.name, &open, subject.loan)
    }

    /// The slots that leave the grid undetermined, in the order of its fields.
    fn undetermined_slots(&self, subject: Subject<'_, '_>) -> Vec<usize> {
        match &self.body {
            GridBody::List(list) => list.undetermined_slots(subject.values),
            GridBody::Matrix(matrix) => {
                let axes = [&matrix.rows, &matrix.columns].into_iter();
                axes.filter(|axis| axis.place(subject.values) == AxisPlace::Undetermined).map(|axis| axis.slot).collect()
            }
        }
    }

    /// Evidence for a loan that is beyond one of the limits of a case; `None` when it is not.
    fn beyond_limit(&self, of: &GridCase, case: usize, at: usize, subject: Subject<'_, '_>) -> Option<Evidence> {
        let limit = &self.limits[at];
        if limit.is_missed(case, subject.values) != Truth::True {
            return None;
        }
        let end = End { edge: Edge::Number(of.results.get(at).copied().flatten()?), inclusive: true };
        let text = limit.texts[case].as_ref()?;
        let place = limit.places[case].get_or_init(|| self.place(of, at));
        Some(beyond(limit.slot, subject, (end, text, limit.is_max), |message, _| message.push_str(place)))
    }

    /// Where a limit comes from, as the end of a message: ` of max_ltv (LTV!D7: credit score 700-719, loan amount <= 1,500,000)`.
    #[cold]
    fn place(&self, of: &GridCase, at: usize) -> Box<str> {
        let address = self.table.full_address(of.row, of.column + at);
        let about = self.about(of);
        let place = if about.is_empty() { address } else { format!("{address}: {about}") };
        format!(" of {} ({place})", self.name).into()
    }

    /// What a case is about, by its headings as written: `credit score 700-719, loan amount <= 1,500,000`.
    fn about(&self, case: &GridCase) -> String {
        let headings: Vec<&str> = match &self.body {
            GridBody::Matrix(_) => vec![self.table.cell(case.row, 0), self.table.cell(0, case.column)],
            GridBody::List(_) => (0..self.fields.len()).map(|column| self.table.cell(case.row, column)).collect(),
        };
        let asked = self.fields.iter().zip(headings).filter(|(_, heading)| !matches!(*heading, "" | "*"));
        asked.map(|(field, heading)| format!("{} {heading}", label(field))).collect::<Vec<_>>().join(", ")
    }

    /// Evidence for a loan that the grid has no cell for.
    fn no_cell(&self, subject: Subject<'_, '_>, limit: &Arc<str>) -> Evidence {
        let mut message = String::with_capacity(MESSAGE_ROOM);
        message.extend([&self.name, " has no cell for "]);
        self.push_values(&mut message, subject);
        self.about_all_values(subject, limit, message)
    }

    /// Evidence for a loan that two rows of the grid fit.
    fn overlap(&self, subject: Subject<'_, '_>, one: usize, other: usize) -> Evidence {
        let [one, other] = [one, other].map(|case| self.table.full_address(self.cases[case].row, 0));
        let mut message = format!("{} cannot be decided: the rows of {one} and {other} both fit ", self.name);
        self.push_values(&mut message, subject);
        self.about_all_values(subject, &no_limit(), message)
    }

    /// Appends the values of all fields of the grid: `credit score 612 × loan amount $1,200,000.00`.
    fn push_values(&self, message: &mut String, subject: Subject<'_, '_>) {
        for (at, (label, slot)) in self.labels.iter().zip(&self.slots).enumerate() {
            if at > 0 {
                message.push_str(" × ");
            }
            message.push_str(label);
            message.push(' ');
            push_shown(message, *slot, subject);
        }
    }

    /// Evidence that shows the values of all fields of the grid.
    fn about_all_values(&self, subject: Subject<'_, '_>, limit: &Arc<str>, message: String) -> Evidence {
        let actual: Vec<String> = self.slots.iter().map(|slot| actual(*slot, subject)).collect();
        let field = self.fields.first().map_or(Cow::Borrowed(""), TestedField::shared_name);
        Evidence { field, actual: actual.join(" × ").into(), limit: Arc::clone(limit), excess: None, message }
    }
}

/// The name of a field inside a sentence: `credit score`, `LTV`.
pub(super) fn label(field: &TestedField) -> String {
    let label = field.label();
    let mut letters = label.chars();
    match (letters.next(), letters.next()) {
        (Some(first), second) if second.is_none_or(char::is_lowercase) => {
            first.to_lowercase().chain(label.chars().skip(1)).collect()
        }
        _ => label.to_owned(),
    }
}
