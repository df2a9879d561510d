//! The first exceptions of each kind.

use serde::{Deserialize, Serialize};

use crate::{
    error::shortened,
    phases::{Exception, disposition::Decided},
};

use super::reason_figures::Sample;

/// Number of samples of each type and severity.
const SAMPLES: usize = 3;

/// Maximum number of characters of a message among the samples.
const MESSAGE_CHARACTERS: usize = 300;

/// One of the first exceptions of a kind.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct FoundSample {
    /// Place of the loan among the loans that were counted so far.
    row: u64,
    line: u64,
    /// Index of its tape.
    tape: u32,
    seller_loan_number: String,
    message: String,
}

/// Keeps an exception, if it is one of the first.
#[inline]
pub(super) fn keep(samples: &mut Vec<FoundSample>, exception: &Exception<'_>, decided: &Decided<'_, '_>, place: (u64, u32)) {
    if samples.len() < SAMPLES {
        let (row, tape) = place;
        samples.push(FoundSample {
            row,
            line: decided.loan.line,
            tape,
            seller_loan_number: decided.loan.shown_number().to_owned(),
            message: shortened(&exception.evidence.message, MESSAGE_CHARACTERS).into_owned(),
        });
    }
}

/// Adds the samples of the next part, before which `loans` loans were counted.
pub(super) fn merge(samples: &mut Vec<FoundSample>, next: &[FoundSample], loans: u64) {
    let room = SAMPLES.saturating_sub(samples.len());
    samples.extend(next.iter().take(room).map(|sample| FoundSample { row: loans + sample.row, ..sample.clone() }));
}

impl FoundSample {
    /// The sample as it is shown. `tapes` are the names of the tapes of the run.
    pub(super) fn finish(&self, tapes: &[&str]) -> Sample {
        Sample {
            row: self.row,
            line: self.line,
            source_file: tapes.get(self.tape as usize).copied().unwrap_or_default().to_owned(),
            seller_loan_number: self.seller_loan_number.clone(),
            message: self.message.clone(),
        }
    }
}
