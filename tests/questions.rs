//! Questions about stored results: what they answer without the tape.

mod lists;
mod scan;
mod what_if;
