//! Filters of loans by their words, numbers and exceptions.

use std::{collections::HashMap, ops::Range};

use crate::{
    decimal::Decimal,
    facts::{
        index::ResultsIndex,
        read::{
            FactsReader, RangeReader, ReadError,
            scan::{GroupColumns, Integers, Texts},
        },
    },
    phases::disposition::Disposition,
};

use super::{
    StoredRun,
    columns::{EXACT_VALUES, ExactValues, NumberField, WordField, damaged, integers_at, texts_at},
    exceptions::LoanExceptions,
    range::NumberFilter,
    row_set::RowSet,
};

/// Which loans of a run are wanted. The default lets every loan through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct LoanFilter {
    /// Conditions on words, at most one for each column.
    pub words: Vec<(WordField, Words)>,
    /// Conditions on numbers, at most one for each column.
    pub numbers: Vec<(NumberField, NumberFilter)>,
    /// Loan number, compared exactly.
    pub seller_loan_number: Option<String>,
    /// Text with which the loan number begins.
    pub search: Option<String>,
    pub exceptions: LoanExceptions,
}

/// Words of a column, of which a loan has one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Words(Vec<String>);

impl Words {
    /// The word of a loan without a word that could be read.
    pub const MISSING: &str = "missing";
    /// The word for every word that the vocabulary of its column does not have.
    pub const OTHER: &str = "other";

    /// Any of these words.
    pub fn any(words: impl IntoIterator<Item = String>) -> Self {
        Self(words.into_iter().collect())
    }

    pub(super) fn has(&self, word: &str) -> bool {
        self.0.iter().any(|wanted| wanted == word)
    }

    /// For each text of a column whether it is wanted.
    fn wanted(&self, field: WordField, texts: &Texts) -> Vec<bool> {
        let others = field.vocabulary().filter(|_| self.has(Self::OTHER));
        let is_wanted = |text: &str| self.has(text) || others.is_some_and(|words| !words.iter().any(|word| word == text));
        wanted_codes(texts, is_wanted)
    }
}

/// For each text of a column whether it is wanted.
pub(super) fn wanted_codes(texts: &Texts, mut is_wanted: impl FnMut(&str) -> bool) -> Vec<bool> {
    (0..texts.codes())
        .map(|code| u32::try_from(code).ok().and_then(|code| texts.text(code)).is_some_and(&mut is_wanted))
        .collect()
}

impl LoanFilter {
    /// The filter of a list by disposition.
    pub fn of_dispositions(dispositions: &[Disposition]) -> Self {
        let words = Words::any(dispositions.iter().map(|disposition| disposition.as_str().to_owned()));
        Self { words: vec![(WordField::DISPOSITION, words)], ..Self::default() }
    }

    /// The loans that the filter lets through.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the storage does not return a file. [`ReadError::Damaged`] when a file is damaged or does
    /// not belong to the index.
    pub fn rows<F: RangeReader, E: RangeReader>(&self, run: StoredRun<'_, F, E>) -> Result<RowSet, ReadError> {
        self.rows_from(run, 0, u64::MAX)
    }

    /// The loans from a place on that the filter lets through: at least `wanted` of them, unless the run has fewer. It reads no
    /// facts before the place, and none after the row group with the last loan that is wanted.
    ///
    /// # Errors
    /// Those of [`LoanFilter::rows`].
    pub fn rows_from<F: RangeReader, E: RangeReader>(
        &self,
        run: StoredRun<'_, F, E>,
        from: u64,
        wanted: u64,
    ) -> Result<RowSet, ReadError> {
        let mut rows = RowSet::all(loans(run.index));
        rows.retain(&(0..from), |_| false);
        if let Some(met) = self.exceptions.rows(run)? {
            rows.keep(&met);
        }
        let filter = self.with_implied_disposition();
        let (mut first, columns) = (0, filter.columns());
        if columns.is_empty() {
            return Ok(rows);
        }
        let mut found = 0;
        for (group, counts) in run.index.facts.iter().enumerate() {
            let end = first + counts.iter().map(|count| u64::from(*count)).sum::<u64>();
            if found >= wanted {
                rows.retain(&(first..end), |_| false);
            } else if rows.first_from(first).is_some_and(|row| row < end) {
                let scanned =
                    if filter.may_have(counts) { Some(scanned(run.facts, group, &columns, &(first..end))?) } else { None };
                filter.check_group(scanned.as_ref(), &(first..end), &mut rows)?;
                found += rows.count_within(&(first..end));
            }
            first = end;
        }
        Ok(rows)
    }

    /// The filter with the disposition that its other conditions imply: only rejected loans have a reason for their rejection.
    fn with_implied_disposition(&self) -> Self {
        let mut filter = self.clone();
        if self.exceptions.only_reason.is_some() {
            filter.words.extend(Self::of_dispositions(&[Disposition::Rejected]).words);
        }
        filter
    }

    /// Whether a row group with these numbers of loans of each disposition may have a loan that the filter lets through.
    fn may_have(&self, counts: &[u32; Disposition::ALL.len()]) -> bool {
        let mut of_disposition = self.words.iter().filter(|(field, _)| *field == WordField::DISPOSITION);
        of_disposition.all(|(_, words)| {
            Disposition::ALL.into_iter().any(|disposition| counts[disposition as usize] > 0 && words.has(disposition.as_str()))
        })
    }

    /// Removes the rows of a row group that a condition rejects; all of them when nothing of the row group was read. The columns
    /// are those of [`LoanFilter::columns`].
    fn check_group(&self, columns: Option<&GroupColumns>, places: &Range<u64>, rows: &mut RowSet) -> Result<(), ReadError> {
        let Some(columns) = columns else {
            rows.retain(places, |_| false);
            return Ok(());
        };
        let mut ats = 0..;
        let mut next = || ats.next().ok_or_else(damaged);
        for (field, words) in &self.words {
            let column = texts_at(columns, next()?)?;
            keep_wanted(rows, places, column, &words.wanted(*field, column), words.has(Words::MISSING));
        }
        if !self.numbers.is_empty() {
            let fields: Vec<NumberField> = self.numbers.iter().map(|(field, _)| *field).collect();
            let exact = ExactValues::read(texts_at(columns, next()?)?, columns.rows, &fields)?;
            for (field, filter) in &self.numbers {
                keep_numbers(rows, places, integers_at(columns, next()?)?, &exact, (*field, *filter));
            }
        }
        if self.seller_loan_number.is_some() || self.search.is_some() {
            let column = texts_at(columns, next()?)?;
            let is_wanted = |number: &str| {
                self.seller_loan_number.as_ref().is_none_or(|wanted| wanted == number)
                    && self.search.as_ref().is_none_or(|start| number.starts_with(start))
            };
            keep_wanted(rows, places, column, &wanted_codes(column, is_wanted), false);
        }
        Ok(())
    }

    /// Names of the columns that the conditions read, in order.
    fn columns(&self) -> Vec<&'static str> {
        let mut columns: Vec<&'static str> = self.words.iter().map(|(field, _)| field.name()).collect();
        if !self.numbers.is_empty() {
            columns.push(EXACT_VALUES);
            columns.extend(self.numbers.iter().map(|(field, _)| field.name()));
        }
        if self.seller_loan_number.is_some() || self.search.is_some() {
            columns.push("seller_loan_number");
        }
        columns
    }
}

/// Keeps the rows of a row group whose text is wanted.
fn keep_wanted(rows: &mut RowSet, places: &Range<u64>, column: &Texts, wanted: &[bool], missing: bool) {
    rows.retain(places, |row| match column.code(row) {
        Texts::NONE => missing,
        code => wanted.get(code as usize).copied().unwrap_or(false),
    });
}

/// Keeps the rows of a row group whose number is let through.
fn keep_numbers(
    rows: &mut RowSet,
    places: &Range<u64>,
    column: &Integers,
    exact: &ExactValues,
    (field, filter): (NumberField, NumberFilter),
) {
    let exact: HashMap<usize, Decimal> = exact.of(field).collect();
    match filter {
        NumberFilter::Missing => rows.retain(places, |row| column.get(row).is_none() && !exact.contains_key(&row)),
        NumberFilter::In(range) => {
            let (least, most) = range.mantissas(field.stored());
            rows.retain(places, |row| match exact.get(&row) {
                Some(value) => range.has(*value),
                None => column.get(row).is_some_and(|mantissa| (least..=most).contains(&mantissa)),
            });
        }
    }
}

/// Number of loans of a run.
pub(super) fn loans(index: &ResultsIndex) -> u64 {
    index.facts.iter().flatten().map(|count| u64::from(*count)).sum()
}

/// Columns of a row group, which must hold these places.
pub(super) fn scanned<R: RangeReader>(
    facts: &FactsReader<R>,
    group: usize,
    columns: &[&str],
    places: &Range<u64>,
) -> Result<GroupColumns, ReadError> {
    let scanned = facts.scan(group, columns)?;
    if scanned.first_row == places.start && scanned.rows as u64 == places.end - places.start {
        Ok(scanned)
    } else {
        Err(damaged())
    }
}
