//! Reading pages of facts and exceptions.
//!
//! A page costs the same wherever it starts: the index of the run says in which row group that is, and the locations of
//! the file's pages which of their bytes to read. Columns other than those that a filter looks at are read only where rows
//! have been found.

mod file;
mod group;
mod rows;
mod source;
mod texts;

use std::io;

use crate::{
    phases::disposition::Disposition,
    rules::{ExceptionType, Kind, Severity},
};

use self::{
    file::ResultsFile,
    group::{Columns, Condition, Group},
};
use super::{
    EXCEPTIONS_FILE, FACTS_FILE,
    columns::SEVERITIES,
    encode::{EXCEPTION_SCHEMA, FACT_SCHEMA, Kind as ColumnKind},
    index::{ExceptionCount, ResultsIndex},
};

pub use self::{
    rows::{ExceptionRow, FactRow, StoredNumber},
    source::RangeReader,
};

/// Why results could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The storage did not give the file, or a part of it.
    #[error("{file} could not be read: {source}")]
    Unavailable {
        /// The name of the file.
        file: &'static str,
        /// What the storage said.
        source: io::Error,
    },
    /// The file is not as it was written, or is another one.
    #[error("{file} is damaged: {what}")]
    Damaged {
        /// The name of the file.
        file: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

/// Which facts are wanted. What is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FactFilter {
    /// The disposition.
    pub disposition: Option<Disposition>,
    /// The loan number, to the letter.
    pub seller_loan_number: Option<String>,
}

/// Which exceptions are wanted. What is `None` does not matter, and a text that nothing has matches nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExceptionFilter {
    /// The name of the kind.
    pub exception_type: Option<String>,
    /// The severity.
    pub severity: Option<Severity>,
    /// The category of the kind.
    pub exception_category: Option<String>,
    /// The criterion of the kind.
    pub rejection_criteria: Option<String>,
    /// The loan number, to the letter.
    pub seller_loan_number: Option<String>,
}

/// What a row group offers to a filter, as far as the index knows.
struct Offer {
    /// How many rows the row group has.
    rows: u64,
    /// How many of them the filter lets through, not asking for the loan number.
    matching: u64,
    /// What is to be asked of the rows themselves.
    conditions: Vec<Condition>,
}

impl FactFilter {
    /// How many facts of a run the filter lets through, where the index alone knows it: not if it asks for a loan number,
    /// unless the rest rules everything out.
    pub fn count(&self, index: &ResultsIndex) -> Option<u64> {
        count(index.facts.iter().map(|counts| self.offer(counts)), self.seller_loan_number.as_deref())
    }

    fn offer(&self, counts: &[u32; Disposition::ALL.len()]) -> Offer {
        let rows = counts.iter().copied().map(u64::from).sum();
        let matching = self.disposition.map_or(rows, |disposition| counts[disposition as usize].into());
        let mut conditions = Vec::new();
        if let Some(disposition) = self.disposition.filter(|_| matching < rows) {
            conditions.push(condition(&FACT_SCHEMA, "disposition", vec![disposition.as_str().to_owned()]));
        }
        if let Some(number) = &self.seller_loan_number {
            conditions.push(condition(&FACT_SCHEMA, "seller_loan_number", vec![number.clone()]));
        }
        Offer { rows, matching, conditions }
    }
}

impl ExceptionFilter {
    /// How many exceptions of a run the filter lets through, where the index alone knows it: not if it asks for a loan
    /// number, unless the rest rules everything out.
    pub fn count(&self, index: &ResultsIndex) -> Option<u64> {
        count(index.exceptions.iter().map(|counts| self.offer(counts)), self.seller_loan_number.as_deref())
    }

    fn offer(&self, counts: &[ExceptionCount]) -> Offer {
        let sum = |counts: &mut dyn Iterator<Item = &ExceptionCount>| counts.map(|count| u64::from(count.count)).sum();
        let of_type = |count: &&ExceptionCount| self.has_type(count);
        let of_severity = |count: &&ExceptionCount| self.has_severity(count);
        let mut conditions = Vec::new();
        if !counts.iter().all(|count| of_type(&count)) {
            let names = counts.iter().filter(of_type).filter_map(exception_type).map(|kind| kind.name().to_owned()).collect();
            conditions.push(condition(&EXCEPTION_SCHEMA, "exception_type", names));
        }
        if let Some(severity) = self.severity.filter(|_| !counts.iter().filter(of_type).all(|count| of_severity(&count))) {
            conditions.push(condition(&EXCEPTION_SCHEMA, "severity", vec![severity.as_str().to_owned()]));
        }
        if let Some(number) = &self.seller_loan_number {
            conditions.push(condition(&EXCEPTION_SCHEMA, "seller_loan_number", vec![number.clone()]));
        }
        let matching = sum(&mut counts.iter().filter(of_type).filter(of_severity));
        Offer { rows: sum(&mut counts.iter()), matching, conditions }
    }

    fn has_type(&self, count: &ExceptionCount) -> bool {
        let kind = exception_type(count).map(ExceptionType::kind);
        let is = |wanted: &Option<String>, has: fn(&Kind) -> &str| {
            wanted.as_ref().is_none_or(|wanted| kind.is_some_and(|kind| has(kind) == wanted))
        };
        is(&self.exception_type, |kind| kind.name)
            && is(&self.exception_category, |kind| kind.category)
            && is(&self.rejection_criteria, |kind| kind.rejection_criteria)
    }

    fn has_severity(&self, count: &ExceptionCount) -> bool {
        self.severity.is_none_or(|severity| SEVERITIES.get(usize::from(count.severity)) == Some(&severity))
    }
}

fn exception_type(count: &ExceptionCount) -> Option<ExceptionType> {
    ExceptionType::ALL.get(usize::from(count.exception_type)).copied()
}

fn count(offers: impl Iterator<Item = Offer>, seller_loan_number: Option<&str>) -> Option<u64> {
    let matching = offers.map(|offer| offer.matching).sum();
    (seller_loan_number.is_none() || matching == 0).then_some(matching)
}

fn condition(schema: &[(&str, ColumnKind, bool)], column: &str, texts: Vec<String>) -> Condition {
    // The column is one of the schema: an index past its end would be noticed as a column that the file lacks.
    let column = schema.iter().position(|(name, ..)| *name == column).unwrap_or(schema.len());
    Condition { column, texts }
}

/// Reads pages of the facts of one run. It may be kept as long as the run, and shared.
pub struct FactsReader<R> {
    file: ResultsFile<R>,
}

impl<R: RangeReader> FactsReader<R> {
    /// Reads the footer of the facts and the locations of its pages.
    ///
    /// # Errors
    /// The file cannot be had, is damaged, or is another one.
    pub fn open(reader: R) -> Result<Self, ReadError> {
        Ok(Self { file: ResultsFile::open(reader, FACTS_FILE, &FACT_SCHEMA)? })
    }

    /// At most `limit` of the facts that the filter lets through, in tape order, after the first `skip` of them.
    ///
    /// # Errors
    /// The file cannot be had, is damaged, or is not the one that the index is of.
    pub fn page(&self, index: &ResultsIndex, filter: &FactFilter, skip: u64, limit: usize) -> Result<Vec<FactRow>, ReadError> {
        let offers = index.facts.iter().map(|counts| filter.offer(counts));
        page(&self.file, offers, filter.seller_loan_number.is_none(), (skip, limit), FactRow::all)
    }
}

/// Reads pages of the exceptions of one run. It may be kept as long as the run, and shared.
pub struct ExceptionsReader<R> {
    file: ResultsFile<R>,
}

impl<R: RangeReader> ExceptionsReader<R> {
    /// Reads the footer of the exceptions and the locations of its pages.
    ///
    /// # Errors
    /// The file cannot be had, is damaged, or is another one.
    pub fn open(reader: R) -> Result<Self, ReadError> {
        Ok(Self { file: ResultsFile::open(reader, EXCEPTIONS_FILE, &EXCEPTION_SCHEMA)? })
    }

    /// At most `limit` of the exceptions that the filter lets through, in tape order, after the first `skip` of them.
    ///
    /// # Errors
    /// The file cannot be had, is damaged, or is not the one that the index is of.
    pub fn page(
        &self,
        index: &ResultsIndex,
        filter: &ExceptionFilter,
        skip: u64,
        limit: usize,
    ) -> Result<Vec<ExceptionRow>, ReadError> {
        let offers = index.exceptions.iter().map(|counts| filter.offer(counts));
        page(&self.file, offers, filter.seller_loan_number.is_none(), (skip, limit), ExceptionRow::all)
    }
}

/// Reads a page, given what each row group offers. `known` is whether exactly as many rows as are offered are there.
fn page<R: RangeReader, T>(
    file: &ResultsFile<R>,
    offers: impl ExactSizeIterator<Item = Offer>,
    known: bool,
    (mut skip, limit): (u64, usize),
    rows: impl for<'c> Fn(&Columns<'c, '_, R>) -> Result<Vec<T>, ReadError>,
) -> Result<Vec<T>, ReadError> {
    if offers.len() != file.groups() {
        return Err(file.damaged("its row groups are not those of the run's index"));
    }
    let mut page = Vec::new();
    for (at, offer) in offers.enumerate() {
        if page.len() == limit {
            break;
        }
        if offer.matching == 0 {
            continue;
        }
        if known && offer.matching <= skip {
            skip -= offer.matching;
            continue;
        }
        let mut group = Group::new(file, at, offer.rows)?;
        let wanted = limit - page.len();
        let selected = group.select(offer.conditions, skip, wanted)?;
        if known && selected.rows.len() as u64 != (offer.matching - skip).min(wanted as u64) {
            return Err(file.damaged("a row group has not the rows that the run's index says"));
        }
        skip -= selected.skipped;
        if !selected.rows.is_empty() {
            page.extend(rows(&group.read(&selected.rows)?)?);
        }
    }
    Ok(page)
}
