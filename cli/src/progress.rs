//! The progress of a run: shown on a terminal, and kept for the run record.

use std::sync::{Mutex, PoisonError};

use command::plain_text::count;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shared::engine::Progress;

/// Tracks the progress of a run.
pub struct Meter {
    bar: Option<ProgressBar>,
    last: Mutex<Option<Progress>>,
}

impl Meter {
    /// A meter with a bar on standard error, or without one when standard error is no terminal.
    pub fn new(terminal: bool, total_bytes: u64) -> Self {
        let bar = terminal.then(|| {
            let template = "{wide_bar} {bytes} of {total_bytes}, {msg}";
            // The template is a constant. If it were wrong, the default bar would do.
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::with_draw_target(Some(total_bytes), ProgressDrawTarget::stderr()).with_style(style)
        });
        Self { bar, last: Mutex::new(None) }
    }

    /// Keeps the progress, and shows it.
    pub fn note(&self, progress: Progress) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
        if let Some(bar) = &self.bar {
            let milliseconds = bar.elapsed().as_millis().max(1);
            let rate = u128::from(progress.loans) * 1_000 / milliseconds;
            bar.set_position(progress.bytes);
            let rate = count(u64::try_from(rate).unwrap_or(u64::MAX));
            bar.set_message(format!("{} loans, {rate} a second", count(progress.loans)));
        }
    }

    /// Removes the bar. Returns the last progress.
    pub fn finish(self) -> Option<Progress> {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        self.last.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
