//! Lists of a run's loans and exceptions: filtered, sorted, and read page by page.
//!
//! A list is a set of places in the stored file, or a sequence of them. The places are found by reading only the columns that the
//! filter and the order need; the rows of a page are read afterwards.

pub mod columns;
pub mod exceptions;
pub mod filter;
pub mod order;
pub mod range;
pub mod row_set;

use crate::facts::{
    index::ResultsIndex,
    read::{ExceptionFilter, ExceptionsReader, FactsReader, RangeReader, ReadError},
};

use self::{exceptions::exceptions_of, filter::LoanFilter, order::LoanOrder, row_set::RowSet};

/// The stored results of a run.
pub struct StoredRun<'r, F, E> {
    pub facts: &'r FactsReader<F>,
    pub exceptions: &'r ExceptionsReader<E>,
    /// Counts of the row groups of both files.
    pub index: &'r ResultsIndex,
}

impl<F, E> Clone for StoredRun<'_, F, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F, E> Copy for StoredRun<'_, F, E> {}

/// The loans of a list, as their places in the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoanList {
    /// In tape order.
    InOrder(RowSet),
    /// In another order.
    Sorted(Vec<u32>),
}

impl LoanList {
    /// Finds the loans that a filter lets through, in an order.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the storage does not return a file. [`ReadError::Damaged`] when a file is damaged or does
    /// not belong to the index.
    pub fn find<F: RangeReader, E: RangeReader>(
        run: StoredRun<'_, F, E>,
        filter: &LoanFilter,
        order: LoanOrder,
    ) -> Result<Self, ReadError> {
        let rows = filter.rows(run)?;
        Ok(match order {
            LoanOrder::Line { descending: false } => Self::InOrder(rows),
            order => Self::Sorted(order.sorted(run.facts, &rows)?),
        })
    }

    /// Number of loans.
    pub fn count(&self) -> u64 {
        match self {
            Self::InOrder(rows) => rows.count(),
            Self::Sorted(rows) => rows.len() as u64,
        }
    }

    /// The places of at most `limit` loans, after the first `skip`.
    pub fn page(&self, skip: u64, limit: usize) -> Vec<u64> {
        match self {
            Self::InOrder(rows) => rows.after(skip).take(limit).collect(),
            Self::Sorted(rows) => {
                let skip = usize::try_from(skip).unwrap_or(usize::MAX);
                rows.iter().skip(skip).take(limit).map(|row| u64::from(*row)).collect()
            }
        }
    }

    /// The places of the loans before and after a loan of the list. Both are `None` for a loan that is not in the list.
    pub fn neighbours(&self, row: u64) -> (Option<u64>, Option<u64>) {
        match self {
            Self::InOrder(rows) if rows.has(row) => (rows.last_before(row), rows.first_from(row + 1)),
            Self::InOrder(_) => (None, None),
            Self::Sorted(rows) => {
                let Some(at) = rows.iter().position(|place| u64::from(*place) == row) else { return (None, None) };
                let place = |at: usize| rows.get(at).map(|place| u64::from(*place));
                (at.checked_sub(1).and_then(place), place(at + 1))
            }
        }
    }

    /// Number of bytes that the list takes in memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::InOrder(rows) => rows.bytes(),
            Self::Sorted(rows) => rows.len() * size_of::<u32>(),
        }
    }
}

/// Finds the exceptions that a filter lets through and whose loans another filter lets through, as their places among the exceptions
/// of the run. With `waived`, only those that are waived, or only the others.
///
/// # Errors
/// Those of [`LoanList::find`].
pub fn find_exceptions<F: RangeReader, E: RangeReader>(
    run: StoredRun<'_, F, E>,
    filter: &ExceptionFilter,
    waived: Option<bool>,
    loans: &LoanFilter,
) -> Result<RowSet, ReadError> {
    exceptions_of(run.exceptions, run.index, filter, waived, &loans.rows(run)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loan_has_neighbours_in_its_list() {
        let in_order = LoanList::InOrder([3, 64, 200].into_iter().collect());
        let sorted = LoanList::Sorted(vec![64, 200, 3]);
        for (list, before, after) in [(&in_order, Some(3), Some(200)), (&sorted, None, Some(200))] {
            assert_eq!(list.neighbours(64), (before, after));
            assert_eq!(list.neighbours(5), (None, None));
        }
        assert_eq!((in_order.neighbours(200), sorted.neighbours(3)), ((Some(64), None), (Some(200), None)));
        assert_eq!((in_order.page(1, 5), sorted.page(1, 1), sorted.page(9, 1)), (vec![64, 200], vec![200], vec![]));
        assert_eq!((in_order.count(), sorted.count()), (3, 3));
    }
}
