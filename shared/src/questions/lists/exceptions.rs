//! Filters of loans by their exceptions, and lists of exceptions of some loans.

use crate::{
    decimal::Decimal,
    facts::{
        EXCEPTIONS_FILE,
        decimals::EXCESS,
        exception_columns::SEVERITIES,
        index::{ExceptionCount, ResultsIndex},
        read::{
            ExceptionFilter, ExceptionsReader, RangeReader, ReadError,
            scan::{GroupColumns, Integers, Texts},
        },
        schema::EXCEPTION_SCHEMA,
    },
    rules::Severity,
};

use super::{
    StoredRun,
    filter::{Words, loans, wanted_codes},
    range::ExcessRange,
    row_set::RowSet,
};

/// Conditions on the exceptions of a loan. The default lets every loan through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct LoanExceptions {
    /// Type that one exception of the loan has, together with `severity`, `category`, `program` and `excess`.
    pub exception_type: Option<String>,
    pub severity: Option<Severity>,
    pub category: Option<String>,
    /// Programs of the exceptions that count, here and for `only_reason`.
    pub program: Option<Words>,
    /// Type of all hard exceptions of the loan.
    pub only_reason: Option<String>,
    /// Distance from passing: of the one exception, and the largest of the exceptions of `only_reason`.
    pub excess: Option<ExcessRange>,
}

/// The columns that the conditions read, in order.
const COLUMNS: [&str; 8] =
    ["row", "exception_type", "severity", "exception_category", "program", "excess", "exact_excess", "limit"];

/// Column with the waiver of an exception; null for an exception that is not waived.
const WAIVED: &str = "waived";

/// These columns, then the one of waivers where the exceptions have it.
fn and_waivers(columns: &[&'static str]) -> Vec<&'static str> {
    let of_schema = EXCEPTION_SCHEMA.iter().map(|(name, ..)| *name).filter(|name| *name == WAIVED);
    columns.iter().copied().chain(of_schema).collect()
}

/// A row group of exceptions with the texts that are wanted.
struct ExceptionGroup<'c> {
    rows: usize,
    loans: &'c Integers,
    types: &'c Texts,
    severities: &'c Texts,
    categories: &'c Texts,
    programs: &'c Texts,
    excess: &'c Integers,
    exact_excess: &'c Texts,
    limits: &'c Texts,
    waivers: Option<&'c Texts>,
}

impl<'c> ExceptionGroup<'c> {
    fn new(columns: &'c GroupColumns) -> Result<Self, ReadError> {
        let texts = |at| columns.texts(at).ok_or_else(damaged);
        let integers = |at| columns.integers(at).ok_or_else(damaged);
        Ok(Self {
            rows: columns.rows,
            loans: integers(0)?,
            types: texts(1)?,
            severities: texts(2)?,
            categories: texts(3)?,
            programs: texts(4)?,
            excess: integers(5)?,
            exact_excess: texts(6)?,
            limits: texts(7)?,
            waivers: columns.texts(COLUMNS.len()),
        })
    }

    fn loan(&self, row: usize) -> Result<u64, ReadError> {
        self.loans.get(row).and_then(|loan| u64::try_from(loan).ok()).ok_or_else(damaged)
    }

    /// Whether an exception is waived, so that no filter of loans counts it.
    fn is_waived(&self, row: usize) -> bool {
        self.waivers.is_some_and(|waivers| waivers.code(row) != Texts::NONE)
    }

    fn excess(&self, row: usize) -> Result<Option<Decimal>, ReadError> {
        match self.exact_excess.get(row) {
            Some(exact) => exact.parse().map(Some).map_err(|_| damaged()),
            None => Ok(self.excess.get(row).and_then(|mantissa| EXCESS.value(mantissa))),
        }
    }

    /// The bound of a limit with one bound, such as `<= 97.0`; `None` for any other limit.
    fn bound(&self, row: usize) -> Option<Decimal> {
        self.limits.get(row)?.trim_start_matches(['<', '>', '=', ' ']).parse().ok()
    }
}

/// For each text of a column whether it is wanted; `None` when all are.
fn wanted(texts: &Texts, wanted: Option<&str>) -> Option<Vec<bool>> {
    wanted.map(|wanted| wanted_codes(texts, |text| text == wanted))
}

fn has(wanted: &Option<Vec<bool>>, code: u32) -> bool {
    wanted.as_ref().is_none_or(|wanted| wanted.get(code as usize).copied().unwrap_or(false))
}

impl LoanExceptions {
    fn asks_for_one(&self) -> bool {
        let program = self.program.is_some() && self.only_reason.is_none();
        self.exception_type.is_some() || self.severity.is_some() || self.category.is_some() || program
    }

    /// Whether the conditions let every loan through.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The loans that meet the conditions, without regard to their dispositions; `None` when all do.
    pub(super) fn rows<F: RangeReader, E: RangeReader>(&self, run: StoredRun<'_, F, E>) -> Result<Option<RowSet>, ReadError> {
        let mut met = None;
        if self.asks_for_one() {
            met = Some(self.with_one(run)?);
        }
        if let Some(kind) = &self.only_reason {
            let only = self.with_only(run, kind)?;
            match &mut met {
                Some(met) => met.keep(&only),
                None => met = Some(only),
            }
        }
        Ok(met)
    }

    /// The loans with one exception that meets all conditions.
    fn with_one<F: RangeReader, E: RangeReader>(&self, run: StoredRun<'_, F, E>) -> Result<RowSet, ReadError> {
        let mut met = RowSet::none(loans(run.index));
        let filter = ExceptionFilter {
            exception_type: self.exception_type.clone(),
            severity: self.severity,
            exception_category: self.category.clone(),
            ..ExceptionFilter::default()
        };
        for (group, counts) in run.index.exceptions.iter().enumerate() {
            if !filter.may_have(run.index, counts) {
                continue;
            }
            let columns = run.exceptions.scan(group, &and_waivers(&COLUMNS))?;
            let group = ExceptionGroup::new(&columns)?;
            let types = wanted(group.types, self.exception_type.as_deref());
            let severities = wanted(group.severities, self.severity.map(Severity::as_str));
            let categories = wanted(group.categories, self.category.as_deref());
            let programs = self.wanted_programs(&group);
            for row in 0..group.rows {
                let is_met = has(&types, group.types.code(row))
                    && has(&severities, group.severities.code(row))
                    && has(&categories, group.categories.code(row))
                    && programs(group.programs.code(row));
                if is_met && !group.is_waived(row) && self.is_near(&group, row)? {
                    met.add(group.loan(row)?);
                }
            }
        }
        Ok(met)
    }

    /// Whether an exception has a program that counts, by the code of the program.
    fn wanted_programs(&self, group: &ExceptionGroup<'_>) -> impl Fn(u32) -> bool + use<> {
        let wanted = self
            .program
            .as_ref()
            .map(|words| (wanted_codes(group.programs, |program| words.has(program)), words.has(Words::MISSING)));
        move |code| match &wanted {
            None => true,
            Some((_, missing)) if code == Texts::NONE => *missing,
            Some((wanted, _)) => wanted.get(code as usize).copied().unwrap_or(false),
        }
    }

    fn is_near(&self, group: &ExceptionGroup<'_>, row: usize) -> Result<bool, ReadError> {
        let Some(range) = self.excess.filter(|_| self.exception_type.is_some()) else { return Ok(true) };
        Ok(range.has(group.excess(row)?, group.bound(row)))
    }

    /// The loans all of whose hard exceptions are of one type, and whose largest distance is in the range.
    fn with_only<F: RangeReader, E: RangeReader>(&self, run: StoredRun<'_, F, E>, kind: &str) -> Result<RowSet, ReadError> {
        let none = || RowSet::none(loans(run.index));
        let (mut of_type, mut other, mut far_enough) = (none(), none(), none());
        let hard = ExceptionFilter { severity: Some(Severity::Hard), ..ExceptionFilter::default() };
        for (group, counts) in run.index.exceptions.iter().enumerate() {
            if !hard.may_have(run.index, counts) {
                continue;
            }
            let columns = run.exceptions.scan(group, &and_waivers(&COLUMNS))?;
            let group = ExceptionGroup::new(&columns)?;
            let types = wanted(group.types, Some(kind));
            let severities = wanted(group.severities, Some(Severity::Hard.as_str()));
            let programs = self.wanted_programs(&group);
            for row in 0..group.rows {
                let counts = has(&severities, group.severities.code(row)) && programs(group.programs.code(row));
                if !counts || group.is_waived(row) {
                    continue;
                }
                let loan = group.loan(row)?;
                if !has(&types, group.types.code(row)) {
                    other.add(loan);
                    continue;
                }
                of_type.add(loan);
                let Some(range) = &self.excess else { continue };
                let (excess, bound) = (group.excess(row)?, group.bound(row));
                if !range.clears_upper(excess, bound) {
                    other.add(loan);
                } else if range.clears_lower(excess, bound) {
                    far_enough.add(loan);
                }
            }
        }
        of_type.remove_all(&other);
        if self.excess.is_some() {
            of_type.keep(&far_enough);
        }
        Ok(of_type)
    }
}

impl ExceptionFilter {
    /// Whether a row group with these counts may have an exception that the filter lets through.
    fn may_have(&self, index: &ResultsIndex, counts: &[ExceptionCount]) -> bool {
        let is = |wanted: &Option<String>, has: &str| wanted.as_ref().is_none_or(|wanted| wanted == has);
        counts.iter().any(|count| {
            let of_severity = self.severity.is_none_or(|wanted| SEVERITIES.get(usize::from(count.severity)) == Some(&wanted));
            let kind = index.kind(count.exception_type);
            of_severity
                && kind.is_some_and(|kind| {
                    is(&self.exception_type, &kind.name)
                        && is(&self.exception_category, &kind.category)
                        && is(&self.rejection_criteria, &kind.rejection_criteria)
                })
        })
    }
}

/// The exceptions that a filter lets through, of these loans, as their places among the exceptions of the run; with `waived`, only those
/// that are waived, or only the others.
pub(super) fn exceptions_of<R: RangeReader>(
    exceptions: &ExceptionsReader<R>,
    index: &ResultsIndex,
    filter: &ExceptionFilter,
    waived: Option<bool>,
    loans: &RowSet,
) -> Result<RowSet, ReadError> {
    const COLUMNS: [&str; 6] =
        ["row", "exception_type", "severity", "exception_category", "rejection_criteria", "seller_loan_number"];
    let own = if filter.seller_loan_number.is_some() { &COLUMNS[..] } else { &COLUMNS[..5] };
    let columns = if waived.is_some() { and_waivers(own) } else { own.to_vec() };
    let mut found = RowSet::none(index.exceptions.iter().flatten().map(|count| u64::from(count.count)).sum());
    for (group, counts) in index.exceptions.iter().enumerate() {
        if !filter.may_have(index, counts) {
            continue;
        }
        let scanned = exceptions.scan(group, &columns)?;
        let waivers = scanned.texts(own.len());
        let texts = |at: usize| scanned.texts(at).ok_or_else(damaged);
        let conditions = [
            filter.exception_type.as_deref(),
            filter.severity.map(Severity::as_str),
            filter.exception_category.as_deref(),
            filter.rejection_criteria.as_deref(),
            filter.seller_loan_number.as_deref(),
        ];
        let mut checks = Vec::new();
        for (at, condition) in conditions.into_iter().enumerate().filter(|(_, condition)| condition.is_some()) {
            let column = texts(at + 1)?;
            checks.push((column, wanted(column, condition)));
        }
        let places = scanned.integers(0).ok_or_else(damaged)?;
        for row in 0..scanned.rows {
            let loan = places.get(row).and_then(|loan| u64::try_from(loan).ok()).ok_or_else(damaged)?;
            let is_waived = waivers.is_some_and(|waivers| waivers.code(row) != Texts::NONE);
            if waived.is_some_and(|waived| waived != is_waived) {
                continue;
            }
            if loans.has(loan) && checks.iter().all(|(column, wanted)| has(wanted, column.code(row))) {
                found.add(scanned.first_row + row as u64);
            }
        }
    }
    Ok(found)
}

/// The error for exceptions with values that the engine does not write.
fn damaged() -> ReadError {
    ReadError::Damaged { file: EXCEPTIONS_FILE, what: "it has values that no run stores".to_owned() }
}
