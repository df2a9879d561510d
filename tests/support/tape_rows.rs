//! Rows of tapes for tests, and what a run says of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use parquet::{
    file::{reader::FileReader, serialized_reader::SerializedFileReader},
    record::Field as Value,
};
use shared::{
    decimal::Decimal,
    engine::Tuning,
    error::RunError,
    loan::{ColumnUnit, Field},
    phases::disposition::Disposition,
    rules::rule_set::RuleSet,
    tape::notices::Notice,
};

use crate::support::runs::{Finished, GOOD_CELLS, HEADER, run_tape, run_tapes};

/// The columns without which a tape cannot be used.
pub const REQUIRED: [&str; 6] = ["seller_loan_number", "loan_amount", "note_rate", "ltv_ratio", "credit_score", "property_type"];
pub const TUNING: Tuning = Tuning { threads: 2, block_bytes: 64 * 1024 };

/// A row of a tape with the canonical columns: a loan that is bought, with these cells replaced.
pub fn loan(number: &str, cells: &[(&str, &str)]) -> String {
    let mut row: Vec<&str> = [number].into_iter().chain(GOOD_CELLS.split(',')).collect();
    for (column, text) in cells {
        row[HEADER.split(',').position(|name| name == *column).unwrap()] = text;
    }
    let quoted = |cell: &&str| {
        if cell.contains([',', '\n']) && !cell.starts_with('"') { format!("\"{cell}\"") } else { (*cell).to_owned() }
    };
    row.iter().map(quoted).collect::<Vec<_>>().join(",")
}

/// A row of a loan that is bought.
pub fn good(number: &str) -> String {
    loan(number, &[])
}

/// A tape with the canonical columns and these lines below its header.
pub fn tape(lines: &[impl AsRef<str>]) -> String {
    lines.iter().fold(HEADER.to_owned(), |tape, line| tape + "\n" + line.as_ref())
}

pub fn run_lines(lines: &[impl AsRef<str>]) -> Finished {
    run_tape(tape(lines)).unwrap()
}

/// A run of one loan with this cell, together with good loans that fix the units of its columns.
pub fn run_cell(column: &str, text: &str) -> Finished {
    run_lines(&[loan("X", &[(column, text)]), good("GOOD"), good("TOO")])
}

pub fn run_with_rules(lines: &[String], rules: &str) -> Finished {
    run_tapes(&[("tape.csv", tape(lines).as_bytes())], &RuleSet::from_toml(rules).unwrap(), TUNING).unwrap()
}

#[track_caller]
pub fn refused(bytes: impl AsRef<[u8]>) -> RunError {
    run_tape(bytes).map(|finished| finished.outcome.summary.total_loans()).unwrap_err()
}

/// Rows with their cells by column.
pub type Rows = Vec<BTreeMap<String, String>>;

/// The rows of a stored file, with cells as text. A missing value has no cell.
pub fn stored(finished: &Finished, file_name: &str) -> Rows {
    let file = SerializedFileReader::new(Bytes::from(finished.files[file_name].clone())).unwrap();
    let text = |value: &Value| match value {
        Value::Str(text) => text.clone(),
        other => other.to_string(),
    };
    let cells = |row: parquet::record::Row| {
        let present = row.get_column_iter().filter(|(_, value)| !matches!(value, Value::Null));
        present.map(|(name, value)| (name.clone(), text(value))).collect()
    };
    file.get_row_iter(None).unwrap().map(|row| cells(row.unwrap())).collect()
}

/// The loans of a run as they are stored.
pub fn facts(finished: &Finished) -> Rows {
    stored(finished, "facts.parquet")
}

/// The exceptions of a run as they are stored, each with its excess as the API shows it: without zeros at the end, and exact
/// where the column has only the rounded excess.
pub fn exceptions(finished: &Finished) -> Rows {
    let mut rows = stored(finished, "exceptions.parquet");
    for row in &mut rows {
        let exact = row.remove("exact_excess").or_else(|| Some(row.get("excess")?.parse::<Decimal>().unwrap().to_string()));
        row.extend(exact.map(|excess| ("excess".to_owned(), excess)));
    }
    rows
}

/// The cells of a column; an empty text where a row has no cell.
pub fn column(rows: &Rows, name: &str) -> Vec<String> {
    rows.iter().map(|row| row.get(name).cloned().unwrap_or_default()).collect()
}

/// Loan numbers of the loans that are bought.
pub fn bought(finished: &Finished) -> Vec<String> {
    column(&finished.rows("purchase_tape.csv"), "seller_loan_number")
}

/// Loan number, disposition and line of each loan.
pub fn fates(finished: &Finished) -> Vec<(String, String, String)> {
    let fate = |row: &BTreeMap<String, String>| ["seller_loan_number", "disposition", "line"].map(|name| row[name].clone());
    facts(finished).iter().map(|row| fate(row).into()).collect()
}

/// The columns of a loan that the engine only keeps.
pub fn kept(fact: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    serde_json::from_str(&fact["source_columns"]).unwrap()
}

/// These cells of a row, as one text.
pub fn told(row: &BTreeMap<String, String>, names: &str) -> String {
    names.split(' ').map(|name| row.get(name).map_or("", String::as_str)).collect::<Vec<_>>().join(" | ")
}

/// Code and line of each notice of a run.
pub fn noticed(finished: &Finished) -> Vec<String> {
    let notice = |notice: &Notice| {
        let code = serde_json::to_value(notice.code).unwrap();
        let line = notice.line.map_or_else(String::new, |line| format!(" {line}"));
        code.as_str().unwrap().to_owned() + &line
    };
    finished.outcome.notices.kept().iter().map(notice).collect()
}

/// Types of the exceptions of a run, in order.
pub fn found(finished: &Finished) -> Vec<String> {
    column(&exceptions(finished), "exception_type")
}

/// The only exception of a run.
#[track_caller]
pub fn only_exception(finished: &Finished) -> BTreeMap<String, String> {
    let mut all = exceptions(finished);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// One of [`fates`].
pub fn fate(number: &str, disposition: &str, line: u32) -> (String, String, String) {
    (number.to_owned(), disposition.to_owned(), line.to_string())
}

/// The unit that the engine found for a column of the first tape.
pub fn unit(finished: &Finished, field: Field) -> Option<ColumnUnit> {
    let columns = &finished.outcome.mappings[0].columns;
    columns.iter().find(|column| column.known() == Some(field)).and_then(|column| column.unit)
}

pub fn total_balance(finished: &Finished) -> String {
    serde_json::to_string(&finished.outcome.summary.total_balance()).unwrap()
}

/// Asserts that no loan is lost, and that every rejection has its reason.
#[track_caller]
pub fn assert_whole(finished: &Finished) {
    let (facts, exceptions) = (facts(finished), exceptions(finished));
    let summary = &finished.outcome.summary;
    let counts = Disposition::ALL.map(|disposition| summary.count(disposition));
    assert_eq!(facts.len() as u64, summary.total_loans());
    assert_eq!(counts.iter().sum::<u64>(), summary.total_loans());
    assert_eq!(exceptions.len() as u64, summary.exceptions_count());
    let place = |row: &BTreeMap<String, String>| (row["source_file"].clone(), row["line"].parse::<u64>().unwrap());
    let mut reasons: BTreeMap<_, Rows> = BTreeMap::new();
    for exception in exceptions {
        reasons.entry(place(&exception)).or_default().push(exception);
    }
    let (mut reported, mut last) = (0, None);
    for fact in &facts {
        let at = place(fact);
        assert!(last.as_ref().is_none_or(|(file, line)| *file != at.0 || *line < at.1), "{at:?} after {last:?}");
        let reasons = reasons.remove(&at).unwrap_or_default();
        let hard = reasons.iter().any(|exception| exception["severity"] == "hard");
        assert_eq!(hard, fact["disposition"] == "rejected", "{fact:?}");
        reported += if hard { reasons.len() } else { 0 };
        for reason in reasons {
            assert!(
                ["message", "rejection_criteria", "actual", "limit"].iter().all(|name| !reason[*name].is_empty()),
                "{reason:?}"
            );
        }
        last = Some(at);
    }
    assert!(reasons.is_empty(), "{reasons:?}");
    assert_eq!(finished.rows("rejection_report.csv").len(), reported);
}
