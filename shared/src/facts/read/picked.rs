//! Reads rows by their places.

use super::{
    ExceptionRow, ExceptionsReader, FactRow, FactsReader, ReadError,
    file::ResultsFile,
    group::{Columns, Group},
    source::RangeReader,
};
use crate::facts::index::ResultsIndex;

impl<R: RangeReader> FactsReader<R> {
    /// The facts at these places of the run, in the given order.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the storage does not return the file. [`ReadError::Damaged`] when the file is damaged or
    /// does not have a place.
    pub fn at(&self, index: &ResultsIndex, places: &[u64]) -> Result<Vec<FactRow>, ReadError> {
        let mut rows = picked(&self.file, places, FactRow::all)?;
        if index.programs.is_empty() {
            rows.iter_mut().for_each(|row| row.program = None);
        }
        Ok(rows)
    }
}

impl<R: RangeReader> ExceptionsReader<R> {
    /// The exceptions at these places among the exceptions of the run, in the given order.
    ///
    /// # Errors
    /// Those of [`FactsReader::at`].
    pub fn at(&self, index: &ResultsIndex, places: &[u64]) -> Result<Vec<ExceptionRow>, ReadError> {
        let mut rows = picked(&self.file, places, ExceptionRow::all)?;
        if index.programs.is_empty() {
            rows.iter_mut().for_each(|row| row.program = None);
        }
        Ok(rows)
    }
}

/// Reads each row group once, at all places in it.
fn picked<R: RangeReader, T>(
    file: &ResultsFile<R>,
    places: &[u64],
    rows: impl for<'c> Fn(&Columns<'c, '_, R>) -> Result<Vec<T>, ReadError>,
) -> Result<Vec<T>, ReadError> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_unstable_by_key(|at| places[*at]);
    let mut found: Vec<Option<T>> = places.iter().map(|_| None).collect();
    let mut left = &order[..];
    for group in file.groups() {
        let end = group.first_row.saturating_add(group.rows as u64);
        let (here, rest) = left.split_at(left.partition_point(|at| places[*at] < end));
        left = rest;
        if here.is_empty() {
            continue;
        }
        let mut of_group: Vec<usize> = here.iter().map(|at| (places[*at] - group.first_row) as usize).collect();
        of_group.dedup();
        let read = rows(&Group::new(file, group).read(&of_group)?)?;
        if of_group.len() != here.len() || read.len() != here.len() {
            return Err(file.damaged("a place was requested twice"));
        }
        here.iter().zip(read).for_each(|(at, row)| found[*at] = Some(row));
    }
    found.into_iter().collect::<Option<_>>().ok_or_else(|| file.damaged("it lacks a row of the run"))
}
