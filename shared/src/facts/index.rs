//! The page index of a run: for each row group, the number of rows of each kind. With it, any page of any filter is found without
//! reading the rows before it.

use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;

use crate::{
    phases::disposition::Disposition,
    rules::{ExceptionKind, ExceptionType, kinds::Kinds},
};

use super::{
    columns::FactColumns,
    encode::GroupPart,
    exception_columns::{ExceptionColumns, SEVERITIES},
};

/// The page index of a run's facts and exceptions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultsIndex {
    /// For each row group of the facts, the number of loans with each disposition, in the order of `Disposition::ALL`.
    pub facts: Vec<[u32; Disposition::ALL.len()]>,
    /// For each row group of the exceptions, the number of exceptions of each kind and severity that occurs.
    pub exceptions: Vec<Vec<ExceptionCount>>,
    /// The kinds of exceptions that the rule set of the run defines, as far as they occur, in the order of their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<ExceptionKind>,
    /// Names of the programs of the rule set of the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<String>,
}

impl ResultsIndex {
    /// The kind with an id; `None` when the run has no such kind.
    pub fn kind(&self, id: u16) -> Option<&ExceptionKind> {
        let own = self.kinds.iter().find(|kind| kind.id == id);
        own.or_else(|| ExceptionType::ALL.get(usize::from(id)).map(|built_in| built_in.kind()))
    }

    /// Adds the kinds that are not built in, unless they are there.
    pub fn note(&mut self, kinds: &Kinds) {
        for kind in kinds.iter().filter(|kind| usize::from(kind.id) >= ExceptionType::COUNT) {
            if let Err(at) = self.kinds.binary_search_by_key(&kind.id, |kind| kind.id) {
                self.kinds.insert(at, kind.clone());
            }
        }
    }
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
    /// Id of the kind.
    pub exception_type: u16,
    /// Severity: 0 hard, 1 soft.
    pub severity: u8,
    pub count: u32,
    /// Number of those that are waived.
    #[serde(default, skip_serializing_if = "is_none")]
    pub waived: u32,
}

fn is_none(waived: &u32) -> bool {
    *waived == 0
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
    let mut counts: BTreeMap<u16, [(u32, u32); SEVERITIES.len()]> = BTreeMap::new();
    for GroupPart { columns, rows } in parts {
        for (id, severity) in columns.types[rows.clone()].iter().zip(&columns.severities[rows.clone()]) {
            counts.entry(*id).or_default()[usize::from(*severity)].0 += 1;
        }
        for (row, _) in columns.waived.range(rows) {
            counts.entry(columns.types[row]).or_default()[usize::from(columns.severities[row])].1 += 1;
        }
    }
    let mut found = Vec::new();
    for (exception_type, by_severity) in counts {
        for (severity, (count, waived)) in (0..).zip(by_severity).filter(|(_, (count, _))| *count > 0) {
            found.push(ExceptionCount { exception_type, severity, count, waived });
        }
    }
    found
}
