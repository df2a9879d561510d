//! The worker of this process: makes runs of tapes that come in, and executes runs that wait, as the Lambda does.

use std::{collections::HashMap, sync::Arc, time::Duration};

use runner::{
    execute::{Executed, Worker},
    incoming::Arrival,
};
use shared::{clock::Clock, engine::Tuning, error::chain};
use stores::{
    StoreError, keys,
    resources::Resources,
    runs::RunState,
    storage::{StorageError, s3::S3Storage},
};
use tokio::task::{Id, JoinSet};
use uuid::Uuid;

use crate::embedded::{EmbeddedStores, dynamodb::DynamoDb, s3::Bucket};

use super::stopping::Begun;

/// How many runs are executed at once: each uses all cores, and a short one is not to wait for a long one.
const AT_ONCE: usize = 2;
/// How often is looked for work that nothing told of: leases that have run out, stores that failed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How many of what waits are looked at.
const LOOKED_AT: u32 = 100;

/// Where runs are executed.
pub struct Workshop {
    worker: Worker,
    bucket: Bucket,
    dynamodb: DynamoDb,
    clock: Arc<dyn Clock>,
}

impl Workshop {
    /// On the stores of this process.
    pub fn new(resources: &Resources, stores: &EmbeddedStores, tuning: Tuning) -> Self {
        Self {
            worker: Worker::new(resources, tuning),
            bucket: stores.s3.clone(),
            dynamodb: stores.dynamodb.clone(),
            clock: Arc::clone(&resources.clock),
        }
    }

    /// Frees the runs of workers of before. Nobody else works on these stores, so that none of them can be alive.
    ///
    /// # Errors
    /// The table does not answer.
    pub async fn take_over(&self) -> Result<(), StoreError> {
        let freed = self.worker.runs.free_all().await?;
        if freed > 0 {
            tracing::warn!(runs = freed, "runs were left unfinished, and are taken up again");
        }
        Ok(())
    }

    /// Works until the process is told to stop, and finishes what it has begun.
    pub async fn work(self, mut begun: Begun) {
        let mut executing = JoinSet::new();
        let mut runs: HashMap<Id, Uuid> = HashMap::new();
        while !begun.is_now() {
            self.receive().await;
            if executing.len() < AT_ONCE {
                self.begin_more(&mut executing, &mut runs).await;
            }
            tokio::select! {
                () = begun.wait() => {}
                () = self.dynamodb.something_transacted() => {}
                () = self.bucket.something_appeared() => {}
                Some(ended) = executing.join_next_with_id() => {
                    let id = ended.map_or_else(|broken| broken.id(), |(id, ())| id);
                    runs.remove(&id);
                }
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        while executing.join_next().await.is_some() {}
    }

    /// Makes runs of what appeared in the bucket.
    async fn receive(&self) {
        let appeared = match self.bucket.appeared(LOOKED_AT).await {
            Ok(appeared) => appeared,
            Err(error) => return tracing::error!(%error, "it cannot be read which files came in"),
        };
        for object in appeared {
            // The number of what appeared is kept with it: told again after a crash, it is the same.
            let arrival = Arrival { key: object.key, version: object.id.to_string(), etag: object.etag };
            match self.worker.receive(&arrival).await {
                Ok(None) => {}
                Ok(Some(run_id)) => tracing::info!(%run_id, "a file came in"),
                Err(error @ StoreError::Unavailable(_)) => {
                    return tracing::warn!(error = chain(&error), "a file that came in has to wait");
                }
                Err(error) => tracing::error!(error = chain(&error), "a file that came in starts no run"),
            }
            if let Err(error) = self.bucket.acknowledge(object.id).await {
                return tracing::error!(%error, "it cannot be noted which files came in");
            }
        }
    }

    /// Begins runs that wait, the oldest first.
    async fn begin_more(&self, executing: &mut JoinSet<()>, runs: &mut HashMap<Id, Uuid>) {
        let waiting = match self.worker.runs.waiting(self.clock.now(), LOOKED_AT.into()).await {
            Ok(waiting) => waiting,
            Err(error) => return tracing::error!(error = chain(&error), "it cannot be read which runs wait"),
        };
        let begun: Vec<Uuid> = runs.values().copied().collect();
        let new = waiting.into_iter().filter(|run| !begun.contains(&run.run_id));
        for run in new.take(AT_ONCE - executing.len()) {
            let run_id = run.run_id;
            let task = executing.spawn(execute(self.worker.clone(), run));
            runs.insert(task.id(), run_id);
        }
    }
}

/// Executes a run. One that did not come to its end keeps its place for a while, so that it is not tried again at once.
async fn execute(worker: Worker, run: RunState) {
    let run_id = run.run_id;
    let executed = match start_clean(&worker.storage, &run).await {
        Ok(()) => worker.execute(run_id).await,
        Err(error) => Err(error),
    };
    match executed {
        Ok(Executed::Completed | Executed::Failed | Executed::GivenUp) => return,
        Ok(Executed::NotOurs) => {}
        Err(error) => tracing::error!(%run_id, error = chain(&error), "a run could not be finished, and is tried again"),
    }
    tokio::time::sleep(LOOK_EVERY).await;
}

/// Removes the files that a try before has left, which nobody else works on: when the run is given up, or fails this time,
/// there are no outputs of a part of it.
async fn start_clean(storage: &S3Storage, run: &RunState) -> Result<(), StoreError> {
    if run.attempt == 0 {
        return Ok(());
    }
    let of_store = |error| match error {
        StorageError::Store(error) => error,
        error => StoreError::Unavailable(Box::new(error)),
    };
    for folder in [keys::outputs(run.run_id), keys::results(run.run_id), keys::archive(run.run_id)] {
        storage.delete_below(&folder).await.map_err(of_store)?;
    }
    Ok(())
}
