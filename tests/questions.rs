//! Questions about stored results: what they answer without the tape.

mod compare;
mod explain;
mod lists;
mod scan;
mod what_if;
