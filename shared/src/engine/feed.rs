//! A source of work that several workers take from, one at a time.

use std::sync::{Mutex, PoisonError};

use crate::error::RunError;

/// A source of work that workers share. After a failure the feed yields nothing more. Otherwise another worker could read past
/// the fault and report a consequence instead of the cause.
pub struct Feed<T>(Mutex<(T, bool)>);

impl<T> Feed<T> {
    /// A feed that yields what `take` takes from `source`.
    pub fn new(source: T) -> Self {
        Self(Mutex::new((source, false)))
    }

    /// Takes the next piece of work; `None` when the source is empty, or after a failure of any worker.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn next<R>(&self, take: impl FnOnce(&mut T) -> Result<Option<R>, RunError>) -> Result<Option<R>, RunError> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (source, failed) = &mut *held;
        if *failed {
            return Ok(None);
        }
        // Set before the call, so that a panic in `take` counts as a failure too.
        *failed = true;
        let taken = take(source);
        *failed = taken.is_err();
        taken
    }

    /// The source, with the work that is left.
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
