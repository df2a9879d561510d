//! Finds which fields of which loans differ: field by field, so that one field of one run is in memory at a time.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use super::{
    bits::RowSet,
    column::{CellPair, FieldValues, ODD, OddCells, Scale, TextHasher},
    matching::NONE,
    side::{ComparedRun, Loans},
};
use crate::{
    decimal::Decimal,
    facts::read::{RangeReader, ReadError},
    loan::{ColumnField, Field},
};

/// Number of declared fields that are read at a time: more of them would take more memory.
const DECLARED_AT_ONCE: usize = 4;

/// A field that differs, and the loans in which it does, by their rows in the base run.
#[derive(Debug)]
pub(super) struct FieldChanges {
    pub(super) field: ColumnField,
    pub(super) rows: RowSet,
    pub(super) loans: u64,
}

/// Two runs with what is kept of their loans.
pub(super) struct Pair<'r, R> {
    pub(super) runs: [ComparedRun<'r, R>; 2],
    pub(super) loans: [Loans; 2],
    pub(super) partners: Vec<u32>,
    pub(super) hasher: TextHasher,
}

/// A field and its tolerance.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) field: ColumnField,
    pub(super) tolerance: Option<Decimal>,
}

/// What one thread does at a time.
enum Task<'a> {
    Known(&'a Asked, Field),
    Declared(&'a [Asked]),
    Reasons,
}

/// What differs between matched loans.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// The fields that differ in a loan, in the order of `asked`.
    pub(super) fields: Vec<FieldChanges>,
    /// The loans whose types of exceptions differ.
    pub(super) reasons: RowSet,
}

impl<R: RangeReader> Pair<'_, R> {
    /// Compares fields and types of exceptions of all matched loans. The declared fields are the last of `asked`.
    pub(super) fn changes(&self, asked: &[Asked], threads: usize) -> Result<Changes, ReadError> {
        let known = asked.iter().filter_map(|asked| Some(Task::Known(asked, asked.field.known()?)));
        let declared = &asked[known.clone().count()..];
        // The longest tasks come first.
        let mut tasks: Vec<Task<'_>> = declared.chunks(DECLARED_AT_ONCE).map(Task::Declared).collect();
        tasks.push(Task::Reasons);
        tasks.extend(known);
        let (next, found) = (AtomicUsize::new(0), Mutex::new(Ok(Changes::default())));
        let work = || {
            while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                let done = self.change(task);
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                match (&mut *found, done) {
                    (Ok(all), Ok(some)) => all.add(some),
                    (Ok(_), Err(error)) => *found = Err(error),
                    (Err(_), _) => return,
                }
            }
        };
        std::thread::scope(|scope| {
            (1..threads).for_each(|_| _ = scope.spawn(work));
            work();
        });
        let mut changes = found.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        let place = |field: &ColumnField| asked.iter().position(|asked| asked.field == *field);
        changes.fields.sort_by_key(|changed| place(&changed.field));
        Ok(changes)
    }

    fn change(&self, task: &Task<'_>) -> Result<Changes, ReadError> {
        match task {
            Task::Known(asked, field) => {
                let found = self.known_changes(asked, *field)?;
                Ok(Changes { fields: found.into_iter().collect(), ..Changes::default() })
            }
            Task::Declared(asked) => self.declared_changes(asked),
            Task::Reasons => {
                let [base, with] = self.runs.map(|run| run.reason_sets(&self.hasher));
                let (base, with) = (base?, with?);
                let mut reasons = RowSet::new(self.partners.len());
                for (row, partner) in self.partners.iter().enumerate().filter(|(_, partner)| **partner != NONE) {
                    if base.get(row) != with.get(*partner as usize) {
                        reasons.insert(row);
                    }
                }
                Ok(Changes { fields: Vec::new(), reasons })
            }
        }
    }

    fn known_changes(&self, asked: &Asked, field: Field) -> Result<Option<FieldChanges>, ReadError> {
        let odd = [0, 1].map(|side: usize| self.loans[side].odd.get(field.name()));
        let with = self.runs[1].all_known(field, odd[1], &self.hasher)?;
        let mut finder = Finder::new(asked, odd, self.partners.len());
        for group in 0..self.runs[0].facts.groups() {
            let (first, mut values) = self.runs[0].known(group, field, &self.hasher)?;
            let first = usize::try_from(first).unwrap_or(usize::MAX);
            for row in odd[0].into_iter().flat_map(OddCells::keys) {
                let at = (*row as usize).checked_sub(first).and_then(|at| values.get_mut(at));
                at.into_iter().for_each(|value| *value = ODD);
            }
            let partners = self.partners.get(first..).unwrap_or_default();
            finder.find(first, &values, partners, &with);
        }
        Ok(finder.finish())
    }

    fn declared_changes(&self, asked: &[Asked]) -> Result<Changes, ReadError> {
        let names: Vec<Arc<str>> = asked.iter().map(|asked| Arc::from(asked.field.name())).collect();
        let [base, with] = self.runs.map(|run| run.all_declared(&names, &self.hasher));
        let mut changes = Changes::default();
        for ((asked, base), with) in asked.iter().zip(base?).zip(with?) {
            let FieldValues { values, odd } = base;
            let mut finder = Finder::new(asked, [Some(&odd), Some(&with.odd)], self.partners.len());
            finder.find(0, &values, &self.partners, &with.values);
            changes.fields.extend(finder.finish());
        }
        Ok(changes)
    }
}

impl Changes {
    fn add(&mut self, more: Self) {
        self.fields.extend(more.fields);
        if more.reasons != RowSet::default() {
            self.reasons = more.reasons;
        }
    }
}

/// Finds the loans in which a field differs.
struct Finder<'c> {
    asked: &'c Asked,
    scale: Scale,
    odd: [Option<&'c OddCells>; 2],
    rows: RowSet,
    loans: u64,
}

impl<'c> Finder<'c> {
    fn new(asked: &'c Asked, odd: [Option<&'c OddCells>; 2], rows: usize) -> Self {
        Self { asked, scale: Scale::of(&asked.field), odd, rows: RowSet::new(rows), loans: 0 }
    }

    /// Compares the values of consecutive loans of the base run with those of their partners.
    fn find(&mut self, first: usize, values: &[i64], partners: &[u32], with: &[i64]) {
        for (row, (value, partner)) in (first..).zip(values.iter().zip(partners)) {
            // A loan without a partner has one past the last.
            let Some(other) = with.get(*partner as usize) else { continue };
            if (value != other || *value == ODD) && self.differ([row, *partner as usize], [*value, *other]) {
                self.rows.insert(row);
                self.loans += 1;
            }
        }
    }

    fn differ(&self, rows: [usize; 2], values: [i64; 2]) -> bool {
        let odd = [0, 1].map(|side| self.odd[side]?.get(&u32::try_from(rows[side]).ok()?));
        CellPair { values, odd }.differ(self.scale, self.asked.tolerance)
    }

    fn finish(self) -> Option<FieldChanges> {
        let Self { asked, rows, loans, .. } = self;
        (loans > 0).then(|| FieldChanges { field: asked.field.clone(), rows, loans })
    }
}
