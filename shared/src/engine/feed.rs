//! What several workers take from, one at a time.

use std::sync::{Mutex, PoisonError};

use crate::error::RunError;

/// A source of work. A failure empties it: whoever came next would read on behind what failed, and what happens to them there
/// might be told for the reason.
pub struct Feed<T>(Mutex<(T, bool)>);

impl<T> Feed<T> {
    /// One that gives what is taken from `source`.
    pub fn new(source: T) -> Self {
        Self(Mutex::new((source, false)))
    }

    /// Takes the next of it; `None` when there is nothing left, or somebody failed before.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn next<R>(&self, take: impl FnOnce(&mut T) -> Result<Option<R>, RunError>) -> Result<Option<R>, RunError> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (source, failed) = &mut *held;
        if *failed {
            return Ok(None);
        }
        // Also when it panics.
        *failed = true;
        let taken = take(source);
        *failed = taken.is_err();
        taken
    }

    /// What is left of the source.
    pub fn into_source(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Phase;

    #[test]
    fn nothing_comes_after_a_failure() {
        let feed = Feed::new(0..5);
        let next = |numbers: &mut std::ops::Range<i32>| Ok(numbers.next());
        assert_eq!(feed.next(next).unwrap(), Some(0));
        let failed = feed.next(|_| Err::<Option<i32>, _>(RunError::internal(Phase::Ingest, "It broke.")));
        assert_eq!(failed.unwrap_err().message, "It broke.");
        assert_eq!(feed.next(next).unwrap(), None);
        assert_eq!(feed.into_source(), 1..5);
    }
}
