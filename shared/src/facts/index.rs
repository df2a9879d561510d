//! The page index of a run: for each row group, the number of rows of each kind. With it, any page of any filter is found without
//! reading the rows before it.

use serde::{Deserialize, Serialize};

use crate::{phases::disposition::Disposition, rules::ExceptionType};

use super::{
    columns::{ExceptionColumns, FactColumns, SEVERITIES},
    encode::GroupPart,
};

/// The page index of a run's facts and exceptions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultsIndex {
    /// For each row group of the facts, the number of loans with each disposition, in the order of `Disposition::ALL`.
    pub facts: Vec<[u32; Disposition::ALL.len()]>,
    /// For each row group of the exceptions, the number of exceptions of each kind and severity that occurs.
    pub exceptions: Vec<Vec<ExceptionCount>>,
}

/// The index as it is stored with the results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredIndex {
    /// Version of the schema of facts and exceptions: [`super::SCHEMA`] of the engine that stored them; 0 for engines without
    /// one.
    #[serde(default)]
    pub schema: u32,
    #[serde(flatten)]
    pub index: ResultsIndex,
}

/// Number of exceptions of one kind and severity in a row group. The kind determines the category and the criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionCount {
    /// Kind, as its place in `ExceptionType::ALL`.
    pub exception_type: u8,
    /// Severity: 0 hard, 1 soft.
    pub severity: u8,
    pub count: u32,
}

/// Counts the facts of a row group by disposition.
pub fn count_facts(parts: &[GroupPart<FactColumns>]) -> [u32; Disposition::ALL.len()] {
    let mut counts = [0; Disposition::ALL.len()];
    for code in parts.iter().flat_map(|part| &part.columns.dispositions[part.rows.clone()]) {
        counts[usize::from(*code)] += 1;
    }
    counts
}

/// Counts the exceptions of a row group by kind and severity.
pub fn count_exceptions(parts: &[GroupPart<ExceptionColumns>]) -> Vec<ExceptionCount> {
    let mut counts = [[0_u32; SEVERITIES.len()]; ExceptionType::COUNT];
    for part in parts {
        let columns = &part.columns;
        for (exception_type, severity) in columns.types[part.rows.clone()].iter().zip(&columns.severities[part.rows.clone()]) {
            counts[usize::from(*exception_type)][usize::from(*severity)] += 1;
        }
    }
    let mut found = Vec::new();
    for (exception_type, by_severity) in counts.iter().enumerate() {
        for (severity, count) in by_severity.iter().enumerate().filter(|(_, count)| **count > 0) {
            found.push(ExceptionCount { exception_type: exception_type as u8, severity: severity as u8, count: *count });
        }
    }
    found
}
