//! Loan Engine's core: from a loan tape to explained decisions.

pub mod auth;
pub mod cash_flow;
pub mod clock;
pub mod decimal;
pub mod engine;
pub mod error;
pub mod facts;
pub mod field;
pub mod file_types;
pub mod folder;
pub mod hex;
pub mod history;
pub mod loan;
pub mod manifest;
pub mod paths;
pub mod phases;
pub mod questions;
pub mod report;
pub mod results;
pub mod rules;
pub mod run;
pub mod run_summary;
pub mod tape;
pub mod ten_thousandths;
pub mod waivers;
