//! Stopping on a signal: the process finishes its work under way, unless a second signal comes.

use command::error::CommandError;
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
};

/// Receives the signals to stop, and announces the first one to all parts of the process.
pub struct Stopping {
    told: watch::Sender<bool>,
    signals: Signals,
}

/// Shows a part of the process whether stopping has begun.
pub struct Begun(watch::Receiver<bool>);

impl Begun {
    /// Waits until stopping begins.
    pub async fn wait(&mut self) {
        // The sender lives as long as the process serves. When the sender is gone, there is nothing left to serve.
        let _ = self.0.wait_for(|told| *told).await;
    }

    /// Whether stopping has begun.
    pub fn is_now(&self) -> bool {
        *self.0.borrow()
    }
}

impl Stopping {
    /// Waits for signals that end or interrupt the process: SIGTERM and SIGINT.
    ///
    /// # Errors
    /// [`CommandError::Failed`] when the system does not deliver signals.
    pub fn on_signals() -> Result<Self, CommandError> {
        let signals = Signals::new();
        let signals = signals.map_err(|error| CommandError::Failed(format!("Signals cannot be received: {error}.")))?;
        Ok(Self { told: watch::Sender::new(false), signals })
    }

    /// A handle for one part of the process.
    pub fn begun(&self) -> Begun {
        Begun(self.told.subscribe())
    }

    /// Waits for a signal, then until all parts of the process have finished their work.
    ///
    /// # Errors
    /// [`CommandError::Failed`] when a part panics or ends before the first signal, or a second signal comes before all parts
    /// have finished.
    pub async fn wait_for(&mut self, mut parts: JoinSet<()>) -> Result<(), CommandError> {
        let all = parts.len();
        loop {
            tokio::select! {
                ended = parts.join_next() => match ended {
                    None => return Ok(()),
                    Some(ended) => self.check(ended)?,
                },
                () = self.signals.next() => {
                    if self.told.send_replace(true) {
                        let sentence = "Stopped before everything was finished. The next start takes up unfinished runs.";
                        return Err(CommandError::Failed(sentence.to_owned()));
                    }
                    tracing::info!(parts = all, "stopping after work under way is finished");
                }
            }
        }
    }

    fn check(&self, ended: Result<(), JoinError>) -> Result<(), CommandError> {
        match ended {
            Ok(()) if *self.told.borrow() => Ok(()),
            Ok(()) => Err(CommandError::Failed("A part of the process has ended by itself. Start it again.".to_owned())),
            Err(error) => Err(CommandError::Failed(format!("A part of the process broke: {error}. Start it again."))),
        }
    }
}

#[cfg(unix)]
struct Signals {
    end: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { end: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.end.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
