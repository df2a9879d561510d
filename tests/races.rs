//! Two at once, at every point: one operation stands still after its first request to a store, after its second …, while
//! the other one runs to its end. And many at once, on several threads, as they may come.

mod files;
mod many;
mod runs;
mod users;

use crate::app::{Interleaved, TestApp};

/// Lets two operations race once for each request that the first one makes, each time from the start, and has the outcome
/// looked at. The last time the first one has ended before the second begins. How many races there were.
async fn at_every_point<S, A, B>(
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
