//! What a killed process left in its folder.

use std::{collections::BTreeSet, fs, path::Path};

use shared::{error::Phase, run::RunStatus};
use stores::{
    runs::{RunFilter, StoredRun},
    storage::StorageBackend as _,
};

use crate::serving::recovery::stores;

/// The runs, and the keys of all objects.
pub struct Found {
    pub runs: Vec<StoredRun>,
    pub keys: BTreeSet<String>,
}

/// Reads the data in a folder from a copy of its databases, so that the folder stays as the process left it.
pub async fn look(folder: &Path) -> Found {
    let copy = tempfile::tempdir().unwrap();
    for name in ["table.sqlite", "table.sqlite-wal", "bucket.sqlite", "bucket.sqlite-wal"] {
        // A process that was killed early in its start has created none of these files.
        let _ = fs::copy(folder.join("data").join(name), copy.path().join(name));
    }
    let (_stores, resources) = stores(copy.path()).await;
    let (runs, more) = resources.runs().list(RunFilter::default(), None, 0, 10_000).await.unwrap();
    assert!(!more);
    let keys = resources.storage.list("", true).await.unwrap();
    Found { runs, keys: keys.into_iter().filter(|entry| entry.file.is_some()).map(|entry| entry.key).collect() }
}

impl Found {
    /// The runs that a worker had claimed and that had not ended.
    pub fn running(&self) -> impl Iterator<Item = &StoredRun> {
        self.runs.iter().filter(|run| run.status == RunStatus::Running)
    }

    /// The phase of a run, if the run has stored something. Before that, the run is in one of the first five phases.
    pub fn storing(&self, run: &StoredRun) -> Option<Phase> {
        let (id, attempt) = (run.run_id, run.attempt);
        // Data from an earlier attempt says nothing about this one.
        let there = |prefix: String| attempt == 1 && self.keys.iter().any(|key| key.starts_with(&prefix));
        if there(format!("archive/{id}/")) || there(format!("results/{id}/index")) {
            Some(Phase::Archive)
        } else if there(format!("outputs/{id}/")) || there(format!("results/{id}/")) {
            Some(Phase::Output)
        } else {
            None
        }
    }
}
