//! Results of a run: output files, a summary and workbooks.

pub mod csv;
pub mod outputs;
pub mod summary;
pub mod workbook;
