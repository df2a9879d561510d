//! The unfinished files of a run. The run puts them in place, or the thread that ends the run removes them.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::folder::StagedFolder;

/// What a run has begun to write, shared with the thread that waits for a signal.
#[derive(Clone, Default)]
pub struct Begun(Arc<Mutex<Work>>);

/// How far the run has got with writing its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    /// Nothing has been written.
    #[default]
    Nothing,
    /// There are folders of unfinished files.
    Unfinished,
    /// The results are in place.
    InPlace,
    /// The run was given up, and what it had begun was removed.
    Removed,
}

/// The folders of unfinished files.
#[derive(Default)]
pub struct Work {
    pub stage: Stage,
    // Dropped before `results`, because the folder of the archives may be inside the folder of the results.
    pub archive: Option<StagedFolder>,
    pub results: Option<StagedFolder>,
}

impl Work {
    /// Marks the results as in place. Removes the staging folders with what is left in them, and keeps the folders made around
    /// them.
    pub fn settle(&mut self) {
        for mut folder in [self.archive.take(), self.results.take()].into_iter().flatten() {
            folder.keep_parents();
        }
        self.stage = Stage::InPlace;
    }

    fn remove(&mut self) {
        if self.stage != Stage::InPlace {
            (self.archive, self.results, self.stage) = (None, None, Stage::Removed);
        }
    }
}

impl Begun {
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Executes a step of the writing, which no signal interrupts.
    ///
    /// # Errors
    /// [`io::Error`] when the step fails, or the run has been given up.
    pub fn step<R>(&self, step: impl FnOnce(&mut Work) -> io::Result<R>) -> io::Result<R> {
        let mut work = self.lock();
        if work.stage == Stage::Removed { Err(io::Error::other("the run was given up")) } else { step(&mut work) }
    }

    /// Removes all files that are not in place.
    pub fn remove(&self) {
        self.lock().remove();
    }

    /// Removes all files that are not in place, then calls `last` with the stage that the writing had reached. Until `last`
    /// returns, no other thread can go on with the run, not even to report that it failed.
    pub fn end(&self, last: impl FnOnce(Stage)) {
        let mut work = self.lock();
        let stage = work.stage;
        work.remove();
        last(stage);
    }
}
