//! Structured logs: one JSON object per line, on standard error.

use std::io;

use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// The crates of the product. Other crates log only warnings and errors, because the details of their events may contain secrets.
const OURS: [&str; 12] =
    ["api", "auth", "cli", "command", "data", "files", "health", "local", "pipeline", "runner", "shared", "stores"];

/// Starts to log events of a level of [`crate::config::LOG_LEVELS`] and of more severe levels. A second call changes nothing.
pub fn init(level: &str) {
    // If this process logs already, for example in a test, its logger stays.
    let _ = tracing::subscriber::set_global_default(log(level, io::stderr));
}

/// The subscriber that writes events of a level and of more severe levels to `writer`.
pub fn log<W>(level: &str, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let ours = OURS.map(|name| format!("{name}={level}")).join(",");
    // s3s, the library behind the bucket of `serve`, logs a wrong signature of a client as an error. The bucket itself logs its
    // internal failures.
    let others = if level == "error" { "error" } else { "warn" };
    let filter = EnvFilter::new(format!("{others},s3s=off,{ours}"));
    let log = tracing_subscriber::fmt().json().flatten_event(true).with_span_list(false);
    log.with_env_filter(filter).with_writer(writer).finish()
}
