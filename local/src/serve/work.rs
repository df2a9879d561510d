//! The worker of this process. Like the runner Lambda, it creates runs for incoming tapes, executes waiting runs, and makes the files
//! of jobs.

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

/// Jobs done at once. Jobs take turns with exports: more jobs would keep the exports of clients waiting.
const JOBS_AT_ONCE: usize = 1;
/// Runs executed at once. One run uses all cores; the second one keeps a short run from waiting for a long one.
const AT_ONCE: usize = 2;
/// Time between two looks for work that comes without a notification: expired leases, and work after a store failed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Incoming tapes or waiting runs read at a time.
const LOOKED_AT: u32 = 100;

/// Executes runs and jobs on the stores of this process.
pub struct LocalWorker {
    worker: Worker,
    bucket: Bucket,
    dynamodb: DynamoDb,
    clock: Arc<dyn Clock>,
}

impl LocalWorker {
    pub fn new(resources: &Resources, stores: &EmbeddedStores, tuning: Tuning) -> Self {
        Self {
            worker: Worker::new(resources, tuning),
            bucket: stores.s3.clone(),
            dynamodb: stores.dynamodb.clone(),
            clock: Arc::clone(&resources.clock),
        }
    }

    /// Frees the runs and jobs that earlier workers left unfinished. This process has locked the stores, so none of those workers is
    /// alive.
    ///
    /// # Errors
    /// [`StoreError`] when the table does not answer.
    pub async fn take_over(&self) -> Result<(), StoreError> {
        let freed = self.worker.runs.free_all().await?;
        if freed > 0 {
            tracing::warn!(runs = freed, "unfinished runs were freed and are executed again");
        }
        let freed = self.worker.jobs.free_all().await?;
        if freed > 0 {
            tracing::warn!(jobs = freed, "unfinished jobs were freed and are done again");
        }
        Ok(())
    }

    /// Executes runs and jobs until the process gets a signal to stop, then finishes those that it has begun.
    pub async fn work(self, mut begun: Begun) {
        let mut executing = JoinSet::new();
        let mut runs: HashMap<Id, Uuid> = HashMap::new();
        let mut jobs = JoinSet::new();
        while !begun.is_now() {
            self.receive().await;
            if executing.len() < AT_ONCE {
                self.begin_more(&mut executing, &mut runs).await;
            }
            if jobs.len() < JOBS_AT_ONCE {
                self.begin_job(&mut jobs).await;
            }
            tokio::select! {
                () = begun.wait() => {}
                () = self.dynamodb.something_transacted() => {}
                () = self.bucket.something_appeared() => {}
                Some(ended) = executing.join_next_with_id() => {
                    let id = ended.map_or_else(|broken| broken.id(), |(id, ())| id);
                    runs.remove(&id);
                }
                Some(_) = jobs.join_next() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        while executing.join_next().await.is_some() {}
        while jobs.join_next().await.is_some() {}
    }

    /// Creates runs for the tapes that appeared in the bucket.
    async fn receive(&self) {
        let appeared = match self.bucket.appeared(LOOKED_AT).await {
            Ok(appeared) => appeared,
            Err(error) => return tracing::error!(%error, "cannot list incoming tapes"),
        };
        for object in appeared {
            // The index stores the number of a notification, so that a notification repeated after a crash has the same version.
            let arrival = Arrival { key: object.key, version: object.id.to_string(), etag: object.etag };
            match self.worker.receive(&arrival).await {
                Ok(None) => {}
                Ok(Some(run_id)) => tracing::info!(%run_id, "an incoming tape started a run"),
                Err(error @ StoreError::Unavailable(_)) => {
                    return tracing::warn!(error = chain(&error), "an incoming tape waits for the stores");
                }
                Err(error) => tracing::error!(error = chain(&error), "an incoming tape starts no run"),
            }
            if let Err(error) = self.bucket.acknowledge(object.id).await {
                return tracing::error!(%error, "cannot acknowledge an incoming tape");
            }
        }
    }

    /// Begins to execute waiting runs, the oldest first.
    async fn begin_more(&self, executing: &mut JoinSet<()>, runs: &mut HashMap<Id, Uuid>) {
        let waiting = match self.worker.runs.waiting(self.clock.now(), LOOKED_AT.into()).await {
            Ok(waiting) => waiting,
            Err(error) => return tracing::error!(error = chain(&error), "cannot list waiting runs"),
        };
        let begun: Vec<Uuid> = runs.values().copied().collect();
        let new = waiting.into_iter().filter(|run| !begun.contains(&run.run_id));
        for run in new.take(AT_ONCE - executing.len()) {
            let run_id = run.run_id;
            let task = executing.spawn(execute(self.worker.clone(), run));
            runs.insert(task.id(), run_id);
        }
    }

    /// Begins the job that has waited for the longest time.
    async fn begin_job(&self, jobs: &mut JoinSet<()>) {
        match self.worker.jobs.waiting(self.clock.now(), 1).await {
            Ok(waiting) => {
                if let Some(job) = waiting.first() {
                    jobs.spawn(make(self.worker.clone(), *job));
                }
            }
            Err(error) => tracing::error!(error = chain(&error), "cannot list waiting jobs"),
        }
    }
}

/// Makes the file of a job. A job that did not end keeps its place for [`LOOK_EVERY`], so that the worker does not retry it at once.
async fn make(worker: Worker, job_id: Uuid) {
    match worker.make(job_id).await {
        Ok(Executed::Completed | Executed::Failed | Executed::GivenUp) => return,
        Ok(Executed::NotOurs) => {}
        Err(error) => tracing::error!(%job_id, error = chain(&error), "a job could not be finished and will be retried"),
    }
    tokio::time::sleep(LOOK_EVERY).await;
}

/// Executes a run. A run that did not end keeps its place for [`LOOK_EVERY`], so that the worker does not retry it at once.
async fn execute(worker: Worker, run: RunState) {
    let run_id = run.run_id;
    let executed = match start_clean(&worker.storage, &run).await {
        Ok(()) => worker.execute(run_id).await,
        Err(error) => Err(error),
    };
    match executed {
        Ok(Executed::Completed | Executed::Failed | Executed::GivenUp) => return,
        Ok(Executed::NotOurs) => {}
        Err(error) => tracing::error!(%run_id, error = chain(&error), "a run could not be finished and will be retried"),
    }
    tokio::time::sleep(LOOK_EVERY).await;
}

/// Removes the files that an earlier attempt left, so that a run that is given up or fails this time leaves no partial outputs.
/// No other worker uses these files.
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
