//! Results of a run: output files, a summary and workbooks.

pub mod csv;
pub mod loan_table;
pub mod outputs;
pub mod pricing_report;
pub mod purchase_advice;
pub mod summary;
pub mod workbook;
