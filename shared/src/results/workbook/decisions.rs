//! The decision workbook of a run, from its stored results.

use std::{collections::BTreeMap, io::Write};

use crate::{
    facts::{
        index::ResultsIndex,
        read::{ExceptionFilter, ExceptionRow, ExceptionsReader, FactsReader, RangeReader},
    },
    rules::Severity,
};

use super::{
    WorkbookError,
    exceptions::ExceptionSheet,
    figures::DecidedRun,
    loans::{LOAN_SHEETS, write_loans},
    package::{SheetLimits, Workbook},
    summary::{Notices, write_summary},
    tape_order::TapeOrder,
};

/// Number of exceptions read at once.
const EXCEPTIONS: usize = 8192;

/// The stored results of a run.
pub struct Stored<'r, R> {
    /// Loans with their decisions.
    pub facts: &'r FactsReader<R>,
    /// Exceptions of the loans.
    pub exceptions: &'r ExceptionsReader<R>,
    /// Places of the pages of both files.
    pub index: &'r ResultsIndex,
}

/// A kind of exception that the run found.
pub struct FoundRule {
    pub name: String,
    pub category: String,
    /// Severity in this run.
    pub severity: Severity,
    /// Number of exceptions.
    pub exceptions: u64,
    /// Number of loans with one or more of them.
    pub loans: u64,
    /// Message of the first exception in tape order.
    pub first_message: String,
}

/// Writes the decision workbook of a run: Summary, To purchase, Projected, Rejected, Exceptions.
///
/// # Errors
/// [`WorkbookError::Read`] when the results cannot be read or belong to another run, [`WorkbookError::Write`] when the output
/// cannot be written.
pub fn write_decisions<W: Write, R: RangeReader>(
    out: W,
    decided: &DecidedRun,
    stored: &Stored<'_, R>,
    limits: SheetLimits,
) -> Result<(), WorkbookError> {
    let run = &decided.run;
    let title = format!("Decisions of run {}", run.run_id);
    let mut workbook = Workbook::new(out, &title, Some(run.created_at), limits)?;
    let tapes = TapeOrder::new(&run.column_mapping);
    for sheet in &LOAN_SHEETS {
        write_loans(&mut workbook, sheet, decided.guide, stored, &tapes)?;
    }
    let rules = write_exceptions(&mut workbook, decided, stored)?;
    let notices = Notices::new(&tapes, decided.guide, limits, workbook.cut_texts());
    // The summary is the first sheet of the workbook, and is written last, when the exceptions of all rules are counted.
    write_summary(&mut workbook, decided, &rules, &notices)?;
    workbook.finish()
}

/// Writes the sheet of exceptions. Returns the kinds of exceptions that were found, the most frequent first.
fn write_exceptions<W: Write, R: RangeReader>(
    workbook: &mut Workbook<W>,
    decided: &DecidedRun,
    stored: &Stored<'_, R>,
) -> Result<Vec<FoundRule>, WorkbookError> {
    let run = &decided.run;
    let mut sheet = ExceptionSheet::begin(workbook, decided.guide.programs)?;
    let mut rules = BTreeMap::new();
    let mut last: Option<ExceptionRow> = None;
    let mut skip = 0;
    loop {
        let rows = stored.exceptions.page(stored.index, &ExceptionFilter::default(), skip, EXCEPTIONS)?;
        if rows.is_empty() {
            break;
        }
        skip += rows.len() as u64;
        for row in rows {
            sheet.add(run.run_id, run.created_at, &row)?;
            if row.waived.is_none() {
                count(&mut rules, &row, last.as_ref());
                last = Some(row);
            }
        }
    }
    sheet.finish()?;
    let mut rules: Vec<FoundRule> = rules.into_values().collect();
    // The sort is stable: equally frequent kinds stay in the order of their names.
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.exceptions));
    Ok(rules)
}

fn count(rules: &mut BTreeMap<String, FoundRule>, row: &ExceptionRow, last: Option<&ExceptionRow>) {
    // The exceptions of a loan are in the order of their kinds, so that exceptions of one kind are neighbours.
    let same_loan_and_rule = last.is_some_and(|last| {
        (&last.exception_type, &last.source_file, last.line) == (&row.exception_type, &row.source_file, row.line)
    });
    if !rules.contains_key(&row.exception_type) {
        let rule = FoundRule {
            name: row.exception_type.clone(),
            category: row.exception_category.clone(),
            severity: row.severity,
            exceptions: 0,
            loans: 0,
            first_message: row.message.clone(),
        };
        rules.insert(row.exception_type.clone(), rule);
    }
    if let Some(rule) = rules.get_mut(&row.exception_type) {
        rule.exceptions += 1;
        rule.loans += u64::from(!same_loan_and_rule);
    }
}
