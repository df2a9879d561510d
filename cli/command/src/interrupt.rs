//! The signals that end a command before it is finished.

use std::{io, thread};

use tokio::runtime::{Builder, Runtime};

/// A signal that ends a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The terminal was closed: SIGHUP.
    HangUp,
    /// Ctrl-C: SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Signal {
    /// 128 plus the number of the signal, as shells have it.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::HangUp => 129,
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }

    /// Name of the signal in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HangUp => "SIGHUP",
            Self::Interrupt => "Ctrl-C",
            Self::Terminate => "SIGTERM",
        }
    }
}

/// Waits for a signal on a thread of its own, and then calls `then` once. A signal that the parent process ignores, as `nohup`
/// does, stays ignored.
///
/// # Errors
/// [`io::Error`] when the system does not deliver signals, or starts no thread.
pub fn on_signal(then: impl FnOnce(Signal) + Send + 'static) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut signals = Signals::new(&runtime)?;
    let wait = move || then(runtime.block_on(signals.next()));
    thread::Builder::new().name("signals".to_owned()).spawn(wait).map(drop)
}

#[cfg(unix)]
struct Signals([(Signal, Option<tokio::signal::unix::Signal>); 3]);

#[cfg(unix)]
impl Signals {
    fn new(runtime: &Runtime) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let _inside = runtime.enter();
        let ignored = ignored_signals();
        let heard = |kind: SignalKind| {
            let number = u32::try_from(kind.as_raw_value()).unwrap_or(0);
            let is_ignored = number > 0 && ignored.checked_shr(number - 1).is_some_and(|mask| mask & 1 == 1);
            if is_ignored { Ok(None) } else { signal(kind).map(Some) }
        };
        Ok(Self([
            (Signal::HangUp, heard(SignalKind::hangup())?),
            (Signal::Interrupt, heard(SignalKind::interrupt())?),
            (Signal::Terminate, heard(SignalKind::terminate())?),
        ]))
    }

    async fn next(&mut self) -> Signal {
        use std::task::Poll;
        std::future::poll_fn(|context| {
            for (signal, heard) in &mut self.0 {
                if heard.as_mut().is_some_and(|heard| heard.poll_recv(context) == Poll::Ready(Some(()))) {
                    return Poll::Ready(*signal);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// The signals that this process was started to ignore, one bit each; the lowest bit is for signal 1. Only Linux reports them
/// without unsafe code; on other systems no signal counts as ignored.
#[cfg(unix)]
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new(_: &Runtime) -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Interrupt
    }
}
