//! Waivers: exceptions that the buyer accepts for single loans.

#![cfg(test)]

mod command;
mod endpoint;
mod files;
mod runs;

use std::sync::Arc;

use jiff::civil::{Date, date};
use shared::{
    engine::{Job, Outcome, Tuning, distribute::run_in_parts, run},
    phases::pricing::IrrTarget,
    rules::rule_set::RuleSet,
    tape::{
        options::TapeOptions,
        source::{MemorySource, TapeSource},
    },
    waivers::{WaiverFile, Waivers},
};

use crate::support::runs::{Files, MemoryFolder, MemoryParts};

const PDATE: Date = date(2026, 2, 2);
/// The header of a file of waivers.
pub const COLUMNS: &str = "seller_loan_number,exception_type,reason,approved_by,expires";

/// A file of waivers without mistakes.
fn waivers(lines: &str, rules: &RuleSet) -> Arc<Waivers> {
    let file = WaiverFile::new("waivers.csv", format!("{COLUMNS}\n{lines}").into_bytes());
    Arc::new(file.waivers(rules).unwrap_or_else(|error| panic!("{error}\n{lines}")))
}

/// The files and the outcome of a run, at once or in parts of so many bytes.
fn made(
    tape: &str,
    rules: &RuleSet,
    waivers: Option<&Arc<Waivers>>,
    tuning: Tuning,
    part_bytes: Option<u64>,
) -> (Files, Outcome) {
    let tapes: Vec<Box<dyn TapeSource>> = vec![Box::new(MemorySource::new("tape.csv", tape.as_bytes()))];
    let (folder, parts, options) = (MemoryFolder::default(), MemoryParts::default(), TapeOptions::default());
    let job = Job {
        tapes: &tapes,
        options: &options,
        rules,
        irr_target: IrrTarget::DEFAULT,
        pdate: PDATE,
        waivers,
        destination: Some(&folder),
        progress: &|_| {},
        tuning,
    };
    let outcome = match part_bytes {
        None => run(&job),
        Some(bytes) => run_in_parts(&job, bytes, &parts),
    };
    (folder.files(), outcome.unwrap())
}
