//! The checks of `tests/hostile`, and what they need of the tests' harness, for the fuzzer's targets.

// The harness is made for all the tests, of which there are none here.
#[allow(dead_code, unused_imports, reason = "the targets use a part of it")]
#[path = "../../tests/app/mod.rs"]
pub mod app;
#[path = "../../tests/hostile/mod.rs"]
pub mod hostile;
#[allow(dead_code, reason = "the targets use a part of it")]
#[path = "../../tests/runs.rs"]
pub mod runs;
