//! Loan Engine's core: from a loan tape to explained decisions.

pub mod api;
pub mod auth;
pub mod clock;
pub mod config;
pub mod decimal;
pub mod engine;
pub mod error;
pub mod facts;
pub mod field;
pub mod folder;
pub mod loan;
pub mod manifest;
pub mod paths;
pub mod phases;
pub mod resources;
pub mod results;
pub mod rules;
pub mod run;
pub mod run_summary;
pub mod start_run;
pub mod storage;
pub mod stores;
pub mod tape;
pub mod telemetry;
