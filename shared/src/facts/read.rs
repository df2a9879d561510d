//! Reads pages of facts and exceptions.
//!
//! A page costs the same wherever it starts: the run's index gives the row group, and the page locations in the file give the
//! bytes to read. Columns that the filter does not look at are read only where rows have been found.

mod file;
mod group;
mod hybrid;
mod picked;
mod rows;
pub mod scan;
mod source;
mod values;

use std::{io, ops::Range};

use crate::{
    phases::disposition::Disposition,
    rules::{ExceptionKind, Severity},
};

use self::{
    file::ResultsFile,
    group::{Columns, Condition, Group},
};
use super::{
    EXCEPTIONS_FILE, FACTS_FILE,
    exception_columns::SEVERITIES,
    index::{ExceptionCount, ResultsIndex},
    schema::{EXCEPTION_SCHEMA, FACT_SCHEMA, FileColumn},
};

pub(crate) use self::rows::members_of;
pub use self::{
    rows::{ChosenFields, ExceptionRow, FactRow, SourceValue, StoredNumber, StoredValue},
    source::RangeReader,
};

/// An error while reading results.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The storage did not return the file, or a part of it.
    #[error("{file} could not be read: {source}")]
    Unavailable {
        /// Name of the file.
        file: &'static str,
        /// Error of the storage.
        source: io::Error,
    },
    /// The file is not as it was written, or is another file.
    #[error("{file} is damaged: {what}")]
    Damaged {
        /// Name of the file.
        file: &'static str,
        /// What is wrong with the file.
        what: String,
    },
}

/// Filter for facts. A field that is `None` lets everything through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FactFilter {
    pub disposition: Option<Disposition>,
    /// Loan number, compared exactly.
    pub seller_loan_number: Option<String>,
}

/// Filter for exceptions. A field that is `None` lets everything through; an unknown name lets nothing through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ExceptionFilter {
    /// Name of the kind.
    pub exception_type: Option<String>,
    pub severity: Option<Severity>,
    /// Category of the kind.
    pub exception_category: Option<String>,
    /// Criterion of the kind.
    pub rejection_criteria: Option<String>,
    /// Loan number, compared exactly.
    pub seller_loan_number: Option<String>,
    /// Whether the exception is waived.
    pub waived: Option<bool>,
}

impl FactFilter {
    /// Number of facts of a run that the filter lets through, if the index alone gives it. `None` when the filter has a loan
    /// number, unless the other fields let nothing through.
    pub fn count(&self, index: &ResultsIndex) -> Option<u64> {
        count(self, index)
    }
}

impl ExceptionFilter {
    /// Number of exceptions of a run that the filter lets through, if the index alone gives it. `None` when the filter has a loan
    /// number, unless the other fields let nothing through.
    pub fn count(&self, index: &ResultsIndex) -> Option<u64> {
        count(self, index)
    }

    fn has_type(&self, index: &ResultsIndex, count: &ExceptionCount) -> bool {
        let kind = index.kind(count.exception_type);
        let is = |wanted: &Option<String>, has: fn(&ExceptionKind) -> &str| {
            wanted.as_ref().is_none_or(|wanted| kind.is_some_and(|kind| has(kind) == wanted))
        };
        is(&self.exception_type, |kind| &kind.name)
            && is(&self.exception_category, |kind| &kind.category)
            && is(&self.rejection_criteria, |kind| &kind.rejection_criteria)
    }

    /// Number of exceptions of a count that are waived, or that are not, as the filter wants.
    fn with_waiver(&self, count: &ExceptionCount) -> u64 {
        u64::from(match self.waived {
            None => count.count,
            Some(true) => count.waived,
            Some(false) => count.count.saturating_sub(count.waived),
        })
    }

    fn has_severity(&self, count: &ExceptionCount) -> bool {
        self.severity.is_none_or(|severity| SEVERITIES.get(usize::from(count.severity)) == Some(&severity))
    }
}

/// A filter, and what it needs of the index to search a row group.
trait Filter {
    /// Counts of the index for a row group.
    type Counts;
    /// Counts of all row groups in the index.
    fn groups(index: &ResultsIndex) -> &[Self::Counts];
    /// Number of rows of a row group.
    fn rows(counts: &Self::Counts) -> u64;
    /// Number of rows of a row group that the filter lets through, without regard to the loan number.
    fn matching(&self, index: &ResultsIndex, counts: &Self::Counts) -> u64;
    /// Conditions to check on the rows themselves, the cheapest first.
    fn conditions(&self, index: &ResultsIndex, counts: &Self::Counts) -> Vec<Condition>;
    /// The loan number of the filter.
    fn number(&self) -> Option<&str>;
}

impl Filter for FactFilter {
    type Counts = [u32; Disposition::ALL.len()];

    fn groups(index: &ResultsIndex) -> &[Self::Counts] {
        &index.facts
    }

    fn rows(counts: &Self::Counts) -> u64 {
        counts.iter().copied().map(u64::from).sum()
    }

    fn matching(&self, _: &ResultsIndex, counts: &Self::Counts) -> u64 {
        self.disposition.map_or_else(|| Self::rows(counts), |disposition| counts[disposition as usize].into())
    }

    fn conditions(&self, index: &ResultsIndex, counts: &Self::Counts) -> Vec<Condition> {
        let mut conditions = Vec::new();
        if let Some(disposition) = self.disposition.filter(|_| self.matching(index, counts) < Self::rows(counts)) {
            conditions.push(condition(&FACT_SCHEMA, "disposition", vec![disposition.as_str()]));
        }
        conditions.extend(self.number().map(|number| condition(&FACT_SCHEMA, "seller_loan_number", vec![number])));
        conditions
    }

    fn number(&self) -> Option<&str> {
        self.seller_loan_number.as_deref()
    }
}

impl Filter for ExceptionFilter {
    type Counts = Vec<ExceptionCount>;

    fn groups(index: &ResultsIndex) -> &[Self::Counts] {
        &index.exceptions
    }

    fn rows(counts: &Self::Counts) -> u64 {
        counts.iter().map(|count| u64::from(count.count)).sum()
    }

    fn matching(&self, index: &ResultsIndex, counts: &Self::Counts) -> u64 {
        let matching = counts.iter().filter(|count| self.has_type(index, count) && self.has_severity(count));
        matching.map(|count| self.with_waiver(count)).sum()
    }

    fn conditions(&self, index: &ResultsIndex, counts: &Self::Counts) -> Vec<Condition> {
        let mut conditions = Vec::new();
        let (of_type, others): (Vec<_>, Vec<_>) = counts.iter().partition(|count| self.has_type(index, count));
        if !others.is_empty() {
            let kinds = of_type.iter().filter_map(|count: &&ExceptionCount| index.kind(count.exception_type));
            let names = kinds.map(|kind| &*kind.name).collect();
            conditions.push(condition(&EXCEPTION_SCHEMA, "exception_type", names));
        }
        if let Some(severity) = self.severity.filter(|_| !of_type.iter().all(|count| self.has_severity(count))) {
            conditions.push(condition(&EXCEPTION_SCHEMA, "severity", vec![severity.as_str()]));
        }
        if let Some(waived) = self.waived.filter(|_| counts.iter().any(|count| self.with_waiver(count) < u64::from(count.count)))
        {
            conditions.push(Condition { present: Some(waived), ..condition(&EXCEPTION_SCHEMA, "waived", Vec::new()) });
        }
        conditions.extend(self.number().map(|number| condition(&EXCEPTION_SCHEMA, "seller_loan_number", vec![number])));
        conditions
    }

    fn number(&self) -> Option<&str> {
        self.seller_loan_number.as_deref()
    }
}

fn condition(schema: &[FileColumn], column: &str, texts: Vec<&str>) -> Condition {
    // The column is always one of the schema. A place past its end would be reported as a column that the file lacks.
    let column = schema.iter().position(|(name, ..)| *name == column).unwrap_or(schema.len());
    Condition { column, texts: texts.into_iter().map(str::to_owned).collect(), present: None }
}

fn count<F: Filter>(filter: &F, index: &ResultsIndex) -> Option<u64> {
    let matching = F::groups(index).iter().map(|counts| filter.matching(index, counts)).sum();
    (filter.number().is_none() || matching == 0).then_some(matching)
}

/// Reads pages of the facts of one run. A reader may be kept as long as the run exists, and shared between threads.
pub struct FactsReader<R> {
    file: ResultsFile<R>,
}

impl<R: RangeReader> FactsReader<R> {
    /// Reads the footer of the facts file and the locations of its pages.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the storage does not return the file. [`ReadError::Damaged`] when the file is damaged or
    /// has other columns.
    pub fn open(reader: R) -> Result<Self, ReadError> {
        Ok(Self { file: ResultsFile::open(reader, FACTS_FILE, &FACT_SCHEMA)? })
    }

    /// Number of loans.
    pub fn rows(&self) -> usize {
        self.groups().checked_sub(1).map_or(0, |last| self.group_rows(last).end)
    }

    /// The rows of a row group, empty past the last one.
    pub fn group_rows(&self, group: usize) -> Range<usize> {
        let Some(group) = self.file.groups().get(group) else { return 0..0 };
        let first = usize::try_from(group.first_row).unwrap_or(usize::MAX);
        first..first.saturating_add(group.rows)
    }

    /// At most `limit` of the facts that the filter lets through, in tape order, after the first `skip` of them.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the storage does not return the file. [`ReadError::Damaged`] when the file is damaged or
    /// does not belong to the index.
    pub fn page(&self, index: &ResultsIndex, filter: &FactFilter, skip: u64, limit: usize) -> Result<Vec<FactRow>, ReadError> {
        let mut rows = page(&self.file, index, filter, (skip, limit), FactRow::all)?;
        if index.programs.is_empty() {
            rows.iter_mut().for_each(|row| row.program = None);
        }
        Ok(rows)
    }
}

/// Reads pages of the exceptions of one run. A reader may be kept as long as the run exists, and shared between threads.
pub struct ExceptionsReader<R> {
    file: ResultsFile<R>,
}

impl<R: RangeReader> ExceptionsReader<R> {
    /// Reads the footer of the exceptions file and the locations of its pages.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the storage does not return the file. [`ReadError::Damaged`] when the file is damaged or
    /// has other columns.
    pub fn open(reader: R) -> Result<Self, ReadError> {
        Ok(Self { file: ResultsFile::open(reader, EXCEPTIONS_FILE, &EXCEPTION_SCHEMA)? })
    }

    /// At most `limit` of the exceptions that the filter lets through, in tape order, after the first `skip` of them.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the storage does not return the file. [`ReadError::Damaged`] when the file is damaged or
    /// does not belong to the index.
    pub fn page(
        &self,
        index: &ResultsIndex,
        filter: &ExceptionFilter,
        skip: u64,
        limit: usize,
    ) -> Result<Vec<ExceptionRow>, ReadError> {
        let mut rows = page(&self.file, index, filter, (skip, limit), ExceptionRow::all)?;
        if index.programs.is_empty() {
            rows.iter_mut().for_each(|row| row.program = None);
        }
        Ok(rows)
    }
}

/// Reads a page. Row groups before the page are skipped by their counts alone. Row groups that hold the page are searched, and
/// read where rows were found.
fn page<R: RangeReader, F: Filter, T>(
    file: &ResultsFile<R>,
    index: &ResultsIndex,
    filter: &F,
    (mut skip, limit): (u64, usize),
    rows: impl for<'c> Fn(&Columns<'c, '_, R>) -> Result<Vec<T>, ReadError>,
) -> Result<Vec<T>, ReadError> {
    let groups = F::groups(index);
    if !groups.iter().map(F::rows).eq(file.groups().iter().map(|group| group.rows as u64)) {
        return Err(file.damaged("its row groups are not those of the run's index"));
    }
    // Without a loan number, the number of rows must be exactly that of the index.
    let counted = filter.number().is_none();
    let mut page = Vec::new();
    for (counts, group) in groups.iter().zip(file.groups()) {
        let (matching, wanted) = (filter.matching(index, counts), limit - page.len());
        if wanted == 0 {
            break;
        }
        if matching == 0 {
            continue;
        }
        if counted && matching <= skip {
            skip -= matching;
            continue;
        }
        let mut group = Group::new(file, group);
        let selected = group.select(filter.conditions(index, counts), skip, wanted)?;
        if counted && selected.rows.len() as u64 != (matching - skip).min(wanted as u64) {
            return Err(file.damaged("a row group has not the rows that the run's index counts"));
        }
        skip -= selected.skipped;
        if !selected.rows.is_empty() {
            page.extend(rows(&group.read(&selected.rows)?)?);
        }
    }
    Ok(page)
}
