//! One run by several workers: a plan, its parts, and the end. The plan takes the run; whoever names the same owner goes on
//! with it, as long as nobody else has claimed it meanwhile, however long the steps were apart.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use shared::{
    api::layers::chain,
    engine::distribute::{Plan, Planned, plan, process, refuse},
    error::RunError,
    rules::rule_set::RuleSet,
    storage::tape::ReadFailure,
    stores::{
        StoreError, keys,
        runs::{Lease, MAX_ATTEMPTS, RunRequest},
    },
};
use uuid::Uuid;

use crate::{
    events::{Next, PartRef},
    execute::{Executed, Files, Stop, Way, Worker, damaged},
};

/// A plan names at most so many parts: the answer has to fit into the state of a state machine.
const MOST_PARTS: u64 = 5_000;

impl Worker {
    /// Says how a run is to be done. A large one is claimed first, because its plan takes minutes, in which nobody else is to
    /// take it or to give it up. One that cannot be done in parts is returned, for `execute`.
    ///
    /// # Errors
    /// A store does not answer. The same call may be made again.
    pub(crate) async fn plan(&self, run_id: Uuid) -> Result<Next, StoreError> {
        let not_ours = Next::Done { ended: Executed::NotOurs };
        let (Some(stored), Some(request)) = (self.runs.get(run_id).await?, self.runs.request(run_id).await?) else {
            return Ok(not_ours);
        };
        let began = self.clock.now();
        if !stored.is_claimable(began) {
            return Ok(not_ours);
        }
        let bytes: u64 = request.tapes.iter().map(|tape| tape.size).sum();
        // A run that was tried too often is given up by `execute`.
        if bytes < self.distribution.above_bytes || stored.attempt >= MAX_ATTEMPTS {
            return Ok(Next::Execute);
        }
        let (mut run, rules) = (request.run().map_err(|e| damaged(&e))?, request.rules().map_err(|e| damaged(&e))?);
        run.start(began).map_err(|error| damaged(&error))?;
        let lease = Lease::in_parts(run_id, Uuid::new_v4());
        if self.runs.claim(&lease, &run, began).await?.is_none() {
            return Ok(not_ours);
        }
        let part_bytes = self.distribution.part_bytes.max(bytes / MOST_PARTS);
        let planned = self.planned(&request, &rules, lease.owner, part_bytes).await;
        if let Ok(Some(parts)) = planned {
            tracing::info!(%run_id, parts, "a run begins in parts");
            return Ok(Next::Process { owner: lease.owner, parts: (0..parts).map(|part| PartRef { part }).collect() });
        }
        self.delete_folder(run_id, &keys::parts(run_id, lease.owner)).await;
        match planned {
            Ok(_) if self.runs.return_untried(&lease).await? => Ok(Next::Execute),
            Ok(_) | Err(Stop::Lost) => Ok(not_ours),
            Err(Stop::Storage(error)) => {
                self.runs.return_untried(&lease).await?;
                Err(error)
            }
            Err(stop) => {
                let ended = self.settle(&mut run, &lease, Err(stop), None).await?;
                if ended != Executed::NotOurs {
                    // Also those of a plan before.
                    self.delete_parts(run_id).await;
                }
                Ok(Next::Done { ended })
            }
        }
    }

    /// Makes the plan of a run and keeps it: how many parts it has, or nothing when one worker is to do it.
    async fn planned(&self, request: &RunRequest, rules: &RuleSet, owner: Uuid, part_bytes: u64) -> Result<Option<usize>, Stop> {
        let failure = ReadFailure::default();
        let parts = self.parts(request.run_id, owner, &failure);
        let files = (!request.dry_run).then(|| Arc::new(Files::new(&self.storage, request.run_id)));
        let planned = self.with_engine(
            request,
            rules,
            files,
            |_| {},
            &failure,
            move |job| {
                let Planned::Parts(plan) = plan(job, part_bytes, &parts)? else { return Ok(None) };
                plan.keep(&parts)?;
                Ok(Some(plan.parts.len()))
            },
        );
        planned.await?.map_err(|error: RunError| failure.take().map_or(Stop::Run(error), Stop::Storage))
    }

    /// Processes a part of a run; false when the run is somebody else's by now. Why a part cannot be processed is kept in its
    /// place, for the last step, which fails the run with it.
    ///
    /// # Errors
    /// A store does not answer. The same call may be made again.
    pub(crate) async fn process(&self, lease: &Lease, part: usize) -> Result<bool, StoreError> {
        let Some((request, rules)) = self.continued(lease).await? else { return Ok(false) };
        let failure = ReadFailure::default();
        let parts = self.parts(lease.run_id, lease.owner, &failure);
        let work = self.with_engine(
            &request,
            &rules,
            None,
            |_| {},
            &failure,
            move |job| {
                let plan = Plan::load(&parts)?;
                process(job, &plan, part, &parts)
            },
        );
        let worked = work.await.and_then(|worked| Ok(worked?));
        match worked.map_err(|stop| failure.take().map_or(stop, Stop::Storage)) {
            Ok(()) => Ok(true),
            Err(Stop::Lost) => Ok(false),
            Err(Stop::Storage(error)) => Err(error),
            Err(Stop::Run(error)) => {
                tracing::warn!(run_id = %lease.run_id, part, code = ?error.code, "a part of a run was refused");
                let parts = self.parts(lease.run_id, lease.owner, &failure);
                let refused = tokio::task::spawn_blocking(move || refuse(&parts, part, &error)).await;
                match refused {
                    Ok(Ok(())) => Ok(true),
                    Ok(Err(error)) => Err(failure.take().unwrap_or_else(|| damaged(&error))),
                    Err(error) => Err(damaged(&error)),
                }
            }
        }
    }

    /// Makes the results of a run out of its parts, as `execute` makes them.
    ///
    /// # Errors
    /// A store does not answer. The same call may be made again.
    pub(crate) async fn finish(&self, lease: &Lease) -> Result<Executed, StoreError> {
        let Some((request, rules)) = self.continued(lease).await? else { return Ok(Executed::NotOurs) };
        let Some(stored) = self.runs.get(lease.run_id).await? else { return Ok(Executed::NotOurs) };
        let mut run = request.run().map_err(|error| damaged(&error))?;
        // The run began with its plan.
        let json = serde_json::to_string(&stored).map_err(|error| damaged(&error))?;
        let Began { started_at } = serde_json::from_str(&json).map_err(|error| damaged(&error))?;
        run.start(started_at).map_err(|error| damaged(&error))?;
        let mut results = None;
        let way = Way::InParts { owner: lease.owner };
        let worked = self.work(way, &mut run, &request, &rules, lease, &mut results).await;
        let worked = worked.and_then(|()| results.take().ok_or(Stop::Lost)).map_err(|stop| stop.at_try(stored.attempt, &run));
        let ended = self.settle(&mut run, lease, worked, results).await?;
        if ended != Executed::NotOurs {
            self.delete_parts(lease.run_id).await;
        }
        tracing::info!(run_id = %lease.run_id, ?ended, "a run in parts has ended");
        Ok(ended)
    }

    /// What a run is to do that this owner has; the lease is renewed, once for each step. `None` when it is somebody else's by now.
    async fn continued(&self, lease: &Lease) -> Result<Option<(RunRequest, RuleSet)>, StoreError> {
        if !self.runs.report(lease, None, self.clock.now()).await? {
            return Ok(None);
        }
        let Some(request) = self.runs.request(lease.run_id).await? else { return Ok(None) };
        let rules = request.rules().map_err(|error| damaged(&error))?;
        Ok(Some((request, rules)))
    }

    /// Deletes what the steps of a run handed on to each other. What is left is removed by the bucket's own rule for results.
    pub(crate) async fn delete_parts(&self, run_id: Uuid) {
        self.delete_folder(run_id, &keys::all_parts(run_id)).await;
    }

    async fn delete_folder(&self, run_id: Uuid, folder: &str) {
        if let Err(error) = self.storage.delete_below(folder).await {
            tracing::warn!(%run_id, error = chain(&error), "the parts of a run could not be deleted");
        }
    }
}

/// When a run began.
#[derive(Deserialize)]
struct Began {
    started_at: Timestamp,
}
