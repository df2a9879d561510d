//! What a grid reports about a loan.

use crate::rules::{
    Evidence, ExceptionType, Severity,
    guide::{
        condition::{Edge, End, Truth},
        field::{Slot, TestedField},
        rule::{Finding, Subject, actual, beyond, severity_at, shown, undecided, undetermined_finding},
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
                let limit = format!("a cell of {}", self.name);
                findings.push(Finding { kind, severity, evidence: self.no_cell(subject, &limit), holds: false });
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
            (Truth::True, Lookup::NoCell) => return self.no_cell(subject, ""),
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
        let address = self.table.full_address(of.row, of.column + at);
        let about = self.about(of);
        let place = if about.is_empty() { address } else { format!("{address}: {about}") };
        Some(beyond(limit.slot, subject, end, limit.is_max, |_| format!(" of {} ({place})", self.name)))
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
    fn no_cell(&self, subject: Subject<'_, '_>, limit: &str) -> Evidence {
        let values =
            self.fields.iter().zip(&self.slots).map(|(field, slot)| format!("{} {}", label(field), shown(*slot, subject)));
        let message = format!("{} has no cell for {}", self.name, values.collect::<Vec<_>>().join(" × "));
        self.about_all_values(subject, limit, message)
    }

    /// Evidence for a loan that two rows of the grid fit.
    fn overlap(&self, subject: Subject<'_, '_>, one: usize, other: usize) -> Evidence {
        let [one, other] = [one, other].map(|case| self.table.full_address(self.cases[case].row, 0));
        let values =
            self.fields.iter().zip(&self.slots).map(|(field, slot)| format!("{} {}", label(field), shown(*slot, subject)));
        let values = values.collect::<Vec<_>>().join(" × ");
        let message = format!("{} cannot be decided: the rows of {one} and {other} both fit {values}", self.name);
        self.about_all_values(subject, "", message)
    }

    /// Evidence that shows the values of all fields of the grid.
    fn about_all_values(&self, subject: Subject<'_, '_>, limit: &str, message: String) -> Evidence {
        let actual: Vec<String> = self.slots.iter().map(|slot| actual(*slot, subject)).collect();
        let field = self.fields.first().map_or("", |field| field.name()).to_owned();
        Evidence { field: field.into(), actual: actual.join(" × ").into(), limit: limit.into(), excess: None, message }
    }
}

/// The name of a field inside a sentence: `credit score`, `LTV`.
fn label(field: &TestedField) -> String {
    let label = field.label();
    let mut letters = label.chars();
    match (letters.next(), letters.next()) {
        (Some(first), second) if second.is_none_or(char::is_lowercase) => {
            first.to_lowercase().chain(label.chars().skip(1)).collect()
        }
        _ => label.to_owned(),
    }
}
