//! Tapes as sellers send them (good, odd and hostile) through the whole engine: its decisions, and its messages about them.

mod dollars_to_pay;
mod header;
mod hostile;
mod malformed;
mod numbers;
mod outputs;
mod repeats;
mod rules;
mod several;
mod text;
mod units;
mod unusable;
mod words;

use shared::{
    decimal::Decimal,
    engine::Tuning,
    error::{Phase, RunError, RunErrorCode},
    loan::{ColumnUnit, Field},
    phases::disposition::Disposition,
    rules::rule_set::RuleSet,
    tape::text::Encoding,
};

use crate::support::{
    runs::{Finished, GOOD_CELLS, HEADER, run_tape, run_tapes},
    tape_rows::*,
};
