//! Concurrent operations. Two at once, at every point: one operation pauses after its first request to a store, after its second,
//! and so on, while the other one runs to its end. And many at once, on several threads, in any order.

mod files;
mod many;
mod runs;
mod users;

use crate::support::app::{Interleaved, TestApp};

/// Lets two operations race once for each request that the first one makes, each time in a new scene, and calls `look` to check
/// the outcome. In the last race, the first operation ends before the second one begins. Returns the number of races.
pub async fn at_every_point<S, A, B>(
    mut scene: impl AsyncFnMut() -> (TestApp, S),
    first: impl AsyncFn(&TestApp, &S) -> A,
    second: impl AsyncFn(&TestApp, &S) -> B,
    mut look: impl AsyncFnMut(&TestApp, &S, Interleaved<A, B>, usize),
) -> usize {
    for point in 0.. {
        let (app, scene) = Box::pin(scene()).await;
        let ended = app.pausing.interleave(point, first(&app, &scene), second(&app, &scene)).await;
        let paused = ended.paused;
        Box::pin(look(&app, &scene, ended, point)).await;
        if !paused {
            return point + 1;
        }
    }
    unreachable!()
}
