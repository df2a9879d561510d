//! Questions about stored results: what they answer without the tape.

mod compare;
mod scan;
