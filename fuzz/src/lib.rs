//! The checks of `tests/hostile`, and the parts of the tests' harness that they need, for the fuzzer's targets.

#[path = "../../tests/hostile/mod.rs"]
pub mod hostile;
// The harness serves all tests, and this crate has no tests.
#[allow(dead_code, unused_imports, reason = "the fuzz targets use only a part of the harness")]
pub mod support;
