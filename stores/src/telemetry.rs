//! Structured logs: one JSON object per line, on standard error.

use std::io;

use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// Crates of the product that every process has. Their events are logged from the configured level on; events of other crates only as
/// warnings and errors, because their details may quote secrets.
const EVERYWHERE: [&str; 3] = ["api", "shared", "stores"];

/// Logs the events of a level of [`crate::config::LOG_LEVELS`] and of more severe levels, of the crates that every process has and of
/// `crates`. A second call changes nothing.
pub fn init(level: &str, crates: &[&str]) {
    // A subscriber that a test has set before stays.
    let _ = tracing::subscriber::set_global_default(log(level, crates, io::stderr));
}

/// The subscriber that writes events of a level and of more severe levels to `writer`.
pub fn log<W>(level: &str, crates: &[&str], writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let ours = EVERYWHERE.iter().chain(crates).map(|name| format!("{name}={level}")).collect::<Vec<_>>().join(",");
    // s3s, the library behind the bucket of `serve`, logs a wrong signature of a client as an error. The bucket itself logs its
    // internal failures.
    let others = if level == "error" { "error" } else { "warn" };
    let filter = EnvFilter::new(format!("{others},s3s=off,{ours}"));
    let log = tracing_subscriber::fmt().json().flatten_event(true).with_span_list(false);
    log.with_env_filter(filter).with_writer(writer).finish()
}
