//! Structured logs: one JSON object a line, to standard error.

use std::io;

use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// The crates of the product that every process has.
const EVERYWHERE: [&str; 3] = ["api", "shared", "stores"];

/// Begins to log events of a level of [`crate::config::LOG_LEVELS`], and more severe ones: those of the crates that every process
/// has, and of these. A second call changes nothing.
pub fn init(level: &str, crates: &[&str]) {
    // A log that began before in this process, as a test's may, goes on.
    let _ = tracing::subscriber::set_global_default(log(level, crates, io::stderr));
}

/// What writes events of a level, and more severe ones. It writes those of other crates from warnings on: their details may quote
/// secrets.
pub fn log<W>(level: &str, crates: &[&str], writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let ours = EVERYWHERE.iter().chain(crates).map(|name| format!("{name}={level}")).collect::<Vec<_>>().join(",");
    // To the library behind the bucket of `serve` a wrong signature is an error. What fails inside is told of by the bucket itself.
    let others = if level == "error" { "error" } else { "warn" };
    let filter = EnvFilter::new(format!("{others},s3s=off,{ours}"));
    let log = tracing_subscriber::fmt().json().flatten_event(true).with_span_list(false);
    log.with_env_filter(filter).with_writer(writer).finish()
}
