//! Structured logs: one JSON object a line, to standard error.

use std::io;

use tracing_subscriber::EnvFilter;

/// The crates of the product. Events of others are told of from warnings on: their details may quote what is secret.
const OURS: [&str; 8] = ["auth", "data", "files", "health", "local", "pipeline", "runner", "shared"];

/// Begins to log events of a level of [`crate::config::LOG_LEVELS`], and more severe ones. A second call changes nothing.
pub fn init(level: &str) {
    let ours = OURS.map(|name| format!("{name}={level}")).join(",");
    let filter = EnvFilter::new(format!("{},{ours}", if level == "error" { "error" } else { "warn" }));
    // Whoever began to log before in this process, as a test may, goes on.
    let log = tracing_subscriber::fmt().json().flatten_event(true).with_span_list(false);
    let _ = log.with_env_filter(filter).with_writer(io::stderr).try_init();
}
