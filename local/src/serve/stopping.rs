//! Being told to stop: what runs is finished, unless it is said a second time.

use command::error::CommandError;
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
};

/// Whether the process was told to stop.
pub struct Stopping {
    told: watch::Sender<bool>,
    signals: Signals,
}

/// Ends when the process is told to stop.
pub struct Begun(watch::Receiver<bool>);

impl Begun {
    /// Waits for it.
    pub async fn wait(&mut self) {
        // The sender lives as long as the process serves: without one there is nothing left to serve.
        let _ = self.0.wait_for(|told| *told).await;
    }

    /// Whether it has come.
    pub fn is_now(&self) -> bool {
        *self.0.borrow()
    }
}

impl Stopping {
    /// When the process gets a signal to end, or to be interrupted.
    ///
    /// # Errors
    /// The system does not tell of signals.
    pub fn on_signals() -> Result<Self, CommandError> {
        let signals = Signals::new();
        let signals = signals.map_err(|error| CommandError::Failed(format!("Signals cannot be received: {error}.")))?;
        Ok(Self { told: watch::Sender::new(false), signals })
    }

    /// What tells a part of the process.
    pub fn begun(&self) -> Begun {
        Begun(self.told.subscribe())
    }

    /// Waits for a signal, and then until all parts of the process have finished what they do.
    ///
    /// # Errors
    /// A part ended without being told to, or there was a second signal before all had finished.
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
                    tracing::info!(parts = all, "stopping: what runs is finished first");
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
