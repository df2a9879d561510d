//! Questions after a run. Their answers come from the stored facts and exceptions, never from the tape.

pub mod lists;
pub mod stored_loan;
pub mod what_if;
