//! What a run gives: output files and a summary.

pub mod csv;
pub mod summary;
pub mod workbook;
