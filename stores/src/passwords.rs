//! Hashing and checking of passwords, outside the async threads.

use std::{num::NonZero, sync::LazyLock, thread::available_parallelism};

use shared::auth::password::{self, HashError};
use tokio::sync::Semaphore;

/// One permit per core. More passwords at once would not finish sooner, and each needs its own memory.
static AT_ONCE: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, NonZero::get)));

/// Hashes a password, outside the async threads.
///
/// # Errors
/// [`HashError`] when the machine provides no random numbers, or when the work was aborted.
pub async fn hash(password: String) -> Result<String, HashError> {
    in_turn(move || password::hash(&password)).await?
}

/// Whether a password matches a hash, computed outside the async threads. Without a hash, the function does the same work and
/// returns false.
///
/// # Errors
/// [`HashError`] when the work was aborted.
pub async fn verify(password: String, hash: Option<String>) -> Result<bool, HashError> {
    in_turn(move || password::verify(&password, hash.as_deref())).await
}

/// Does work on a password when a permit is free. Work that has begun runs to its end, even when the caller stops waiting.
async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, HashError> {
    let gave_up = |error: &dyn std::error::Error| HashError(error.to_string());
    let turn = AT_ONCE.acquire().await.map_err(|error| gave_up(&error))?;
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    done.await.map_err(|error| gave_up(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_passwords_are_worked_on_at_once_than_there_are_cores() {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let all = AT_ONCE.acquire_many(cores as u32).await.unwrap();
        let (begun, has_begun) = std::sync::mpsc::channel();
        let mut work = Box::pin(in_turn(move || {
            begun.send(()).unwrap();
            AT_ONCE.available_permits()
        }));
        // Work that does not wait for its turn would begin before work that the same threads get later.
        for _ in 0..50 {
            assert!(futures_util::poll!(&mut work).is_pending());
            tokio::task::spawn_blocking(|| {}).await.unwrap();
        }
        assert!(has_begun.try_recv().is_err());
        drop(all);
        assert!(work.await.unwrap() < cores);
        has_begun.try_recv().unwrap();
    }

    #[tokio::test]
    async fn hashing_and_checking_wait_for_their_turn() {
        let all = AT_ONCE.acquire_many(available_parallelism().map_or(1, NonZero::get) as u32).await.unwrap();
        let (mut hashing, mut checking) = (Box::pin(hash("correct horse".to_owned())), Box::pin(verify("x".to_owned(), None)));
        // The same amount of work, three times, begun later: without waiting, the first work would be done by then.
        for _ in 0..3 {
            assert!(futures_util::poll!(&mut hashing).is_pending() && futures_util::poll!(&mut checking).is_pending());
            tokio::task::spawn_blocking(|| password::hash("other")).await.unwrap().unwrap();
        }
        assert!(futures_util::poll!(&mut hashing).is_pending() && futures_util::poll!(&mut checking).is_pending());
        drop(all);
        assert!(hashing.await.unwrap().starts_with("$argon2id$") && !checking.await.unwrap());
    }
}
