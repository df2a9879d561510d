//! Questions about a run after it has ended. They read the stored facts and exceptions, never the tape.

pub mod lists;
