//! The parts of the tests' harness that the checks need.

#[path = "../../tests/support/app/mod.rs"]
pub mod app;
#[path = "../../tests/support/runs.rs"]
pub mod runs;
