//! Questions about stored results: what they answer without the tape.

mod scan;
