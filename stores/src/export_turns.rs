//! Limits the number of exports and jobs that run at the same time: one turn per core.

use std::{num::NonZero, sync::Arc, thread::available_parallelism, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Longest time that an export waits for its turn. It is shorter than the timeout of API Gateway.
pub const TURN_WITHIN: Duration = Duration::from_secs(25);

/// The turns of exports and jobs. Clones share the same turns.
#[derive(Debug, Clone)]
pub struct ExportTurns(Arc<Semaphore>);

/// No turn became free within [`TURN_WITHIN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoTurn;

impl Default for ExportTurns {
    /// One turn per core. More exports at once would not finish sooner, and each needs its own memory.
    fn default() -> Self {
        Self::new(available_parallelism().map_or(1, NonZero::get))
    }
}

impl ExportTurns {
    /// Turns for `at_once` exports at the same time.
    pub fn new(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once)))
    }

    /// Number of free turns.
    pub fn free(&self) -> usize {
        self.0.available_permits()
    }

    /// Waits for a turn and takes it. The turn ends when the permit is dropped.
    ///
    /// # Errors
    /// [`NoTurn`] when no turn becomes free within [`TURN_WITHIN`].
    pub async fn take(&self) -> Result<OwnedSemaphorePermit, NoTurn> {
        self.take_after(std::future::ready(())).await.map(|(turn, ())| turn)
    }

    /// Waits for a turn for as long as it takes, and takes it. A job waits so: no client waits for its answer.
    pub async fn take_when_free(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed, so acquiring cannot fail.
        Arc::clone(&self.0).acquire_owned().await.ok()
    }

    /// Waits for `other`, then takes a turn. Both together may take [`TURN_WITHIN`].
    ///
    /// # Errors
    /// [`NoTurn`] when both together take longer than [`TURN_WITHIN`].
    pub async fn take_after<T>(&self, other: impl Future<Output = T>) -> Result<(OwnedSemaphorePermit, T), NoTurn> {
        let both = async {
            let waited_for = other.await;
            Arc::clone(&self.0).acquire_owned().await.map(|turn| (turn, waited_for))
        };
        // The semaphore is never closed, so acquiring cannot fail.
        tokio::time::timeout(TURN_WITHIN, both).await.ok().and_then(Result::ok).ok_or(NoTurn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_waited_for_and_not_for_ever() {
        let turns = ExportTurns::new(1);
        let first = turns.take().await.unwrap();
        let begun = tokio::time::Instant::now();
        assert_eq!(turns.take().await.err(), Some(NoTurn));
        assert_eq!(begun.elapsed(), TURN_WITHIN);
        // The wait for something else counts against the same time.
        let begun = tokio::time::Instant::now();
        let other = tokio::time::sleep(Duration::from_secs(20));
        assert_eq!(turns.take_after(other).await.err(), Some(NoTurn));
        assert_eq!(begun.elapsed(), TURN_WITHIN);
        let mut waiting = Box::pin(turns.take());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(first);
        drop(waiting.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_goes_away_while_it_waits_frees_its_place() {
        let turns = ExportTurns::new(1);
        let first = turns.take().await.unwrap();
        let mut gone = Box::pin(turns.take());
        let mut waiting = Box::pin(turns.take());
        assert!(futures_util::poll!(&mut gone).is_pending() && futures_util::poll!(&mut waiting).is_pending());
        drop((gone, first));
        assert!(futures_util::poll!(&mut waiting).is_ready());
    }
}
