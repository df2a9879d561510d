//! Puts work back in order that workers prepared out of order.

use std::sync::{Condvar, Mutex, MutexGuard};

/// Gives workers access to a shared state, one at a time and in the order of their tickets.
#[derive(Debug)]
pub struct Turnstile<T> {
    inner: Mutex<Inner<T>>,
    moved: Condvar,
}

#[derive(Debug)]
struct Inner<T> {
    next: u64,
    closed: bool,
    state: T,
}

impl<T> Turnstile<T> {
    /// A turnstile whose first ticket is 0.
    pub fn new(state: T) -> Self {
        Self { inner: Mutex::new(Inner { next: 0, closed: false, state }), moved: Condvar::new() }
    }

    /// Waits for the ticket's turn, calls `work` with the state, and admits the next ticket. `None` when the turnstile is closed,
    /// or when a worker has panicked inside.
    pub fn pass<R>(&self, ticket: u64, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.pass_and(ticket, work, |_| true)
    }

    /// Like [`Self::pass`], for work that may fail. A failure closes the turnstile, so that the first failure in ticket order
    /// counts.
    pub fn pass_or_close<R, E>(&self, ticket: u64, work: impl FnOnce(&mut T) -> Result<R, E>) -> Option<Result<R, E>> {
        self.pass_and(ticket, work, Result::is_ok)
    }

    fn pass_and<R>(&self, ticket: u64, work: impl FnOnce(&mut T) -> R, stays_open: impl FnOnce(&R) -> bool) -> Option<R> {
        let mut inner = self.lock()?;
        while !inner.closed && inner.next != ticket {
            inner = self.moved.wait(inner).ok()?;
        }
        if inner.closed {
            return None;
        }
        let result = work(&mut inner.state);
        inner.next += 1;
        inner.closed |= !stays_open(&result);
        drop(inner);
        self.moved.notify_all();
        Some(result)
    }

    /// Calls `work` with the state out of turn: before the first ticket, or after the last. `None` when a worker has panicked
    /// inside.
    pub fn visit<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.lock().map(|mut inner| work(&mut inner.state))
    }

    /// Closes the turnstile, because the work has failed: workers that wait, and all that come later, get `None`.
    pub fn close(&self) {
        if let Some(mut inner) = self.lock() {
            inner.closed = true;
        }
        self.moved.notify_all();
    }

    /// The state, once all workers are done; `None` when a worker has panicked inside.
    pub fn into_state(self) -> Option<T> {
        self.inner.into_inner().ok().map(|inner| inner.state)
    }

    fn lock(&self) -> Option<MutexGuard<'_, Inner<T>>> {
        self.inner.lock().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_passes_behind_a_failure() {
        let turnstile = Turnstile::new(Vec::new());
        let work = |ticket: u64| {
            turnstile.pass_or_close(ticket, |passed: &mut Vec<u64>| {
                passed.push(ticket);
                if ticket == 1 { Err(ticket) } else { Ok(ticket) }
            })
        };
        assert_eq!([work(0), work(1), work(2)], [Some(Ok(0)), Some(Err(1)), None]);
        assert_eq!(turnstile.into_state(), Some(vec![0, 1]));
    }

    #[test]
    fn tickets_pass_in_order_whatever_the_threads_do() {
        let turnstile = Turnstile::new(Vec::new());
        std::thread::scope(|scope| {
            for worker in 0..4_u64 {
                let turnstile = &turnstile;
                scope.spawn(move || {
                    for ticket in (worker..400).step_by(4) {
                        turnstile.pass(ticket, |seen| seen.push(ticket)).unwrap();
                    }
                });
            }
        });
        assert_eq!(turnstile.into_state().unwrap(), (0..400).collect::<Vec<_>>());
    }

    #[test]
    fn a_closed_turnstile_lets_nobody_wait() {
        let turnstile = Turnstile::new(());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| turnstile.pass(1, |()| ()));
            turnstile.close();
            assert_eq!(waiting.join().unwrap(), None);
        });
        assert_eq!(turnstile.pass(0, |()| ()), None);
    }
}
