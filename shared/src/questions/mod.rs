//! Questions about a run after it has ended. Their answers come from the stored facts and exceptions, never from the tape.

pub mod compare;
pub mod explain;
pub mod lists;
pub mod stored_loan;
pub mod what_if;
