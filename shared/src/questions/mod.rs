//! Questions about the stored results of runs. They read facts and exceptions, never a tape.

pub mod compare;
