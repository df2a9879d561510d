//! One run by several workers: a plan, its parts, and the end. The plan takes the run; whoever names the same owner goes on
//! with it, as long as nobody else has claimed it meanwhile, however long the steps were apart.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use shared::{
    engine::distribute::{Plan, Planned, plan, process, refuse},
    error::{RunError, chain},
};
use stores::{
    StoreError, keys,
    runs::{Lease, MAX_ATTEMPTS},
    storage::tape::ReadFailure,
};
use uuid::Uuid;

use crate::{
    events::{Next, PartRef},
    execute::{Assignment, Executed, Files, Looked, Stop, Waiting, Way, Worker, damaged},
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
        let began = self.clock.now();
        let Waiting { stored, request, mut run, rules } = match Box::pin(self.look(run_id, began)).await? {
            Looked::Waits(waiting) => *waiting,
            Looked::Ended(ended) => return Ok(Next::Done { ended }),
        };
        let bytes = request.tapes.bytes();
        // A run that was tried too often is given up by `execute`.
        if bytes < self.distribution.above_bytes || stored.attempt >= MAX_ATTEMPTS {
            return Ok(Next::Execute);
        }
        run.start(began).map_err(|error| damaged(&error))?;
        let lease = Lease::in_parts(run_id, Uuid::new_v4());
        let Some(attempt) = self.runs.claim(&lease, &run, began).await? else { return Ok(not_ours) };
        let part_bytes = self.distribution.part_bytes.max(bytes / MOST_PARTS);
        let planned = match self.assign(request, rules).await {
            Ok(assignment) => Box::pin(self.planned(&assignment, lease.owner, part_bytes)).await,
            Err(stop) => Err(stop),
        };
        // An outage during a plan is no try of the run; what would end the next plan, too, is.
        let planned = planned.map_err(|stop| stop.at_try(attempt.min(MAX_ATTEMPTS - 1), &run));
        if let Ok(Some(parts)) = planned {
            tracing::info!(%run_id, parts, "a run begins in parts");
            return Ok(Next::Process { owner: lease.owner, parts: (0..parts).map(|part| PartRef { part }).collect() });
        }
        self.delete_folder(run_id, &keys::parts(run_id, lease.owner)).await;
        match planned {
            Ok(_) if self.runs.return_untried(&lease).await? => Ok(Next::Execute),
            Ok(_) | Err(Stop::Lost) => Ok(not_ours),
            Err(Stop::Storage(error)) => {
                if let Err(second) = self.runs.return_untried(&lease).await {
                    // What stopped the plan is the error that counts. The lease ends by itself.
                    tracing::warn!(%run_id, error = chain(&second), "a run could not be returned after its plan failed");
                }
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
    async fn planned(&self, assignment: &Assignment, owner: Uuid, part_bytes: u64) -> Result<Option<usize>, Stop> {
        let failure = ReadFailure::default();
        let parts = self.parts(assignment.run_id, owner, &failure);
        let files = (!assignment.dry_run).then(|| Arc::new(Files::new(&self.storage, assignment.run_id)));
        let planned = self.with_engine(
            assignment,
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
        let Continued::Goes(waiting) = Box::pin(self.continued(lease)).await? else { return Ok(false) };
        let assignment = match self.assign(waiting.request, waiting.rules).await {
            Ok(assignment) => assignment,
            Err(Stop::Storage(error @ StoreError::Damaged(_))) => {
                self.fail_unreadable(lease.run_id, Some(lease.owner), &error).await?;
                return Ok(false);
            }
            Err(Stop::Storage(error)) => return Err(error),
            // The plan has failed the run.
            Err(Stop::Run(_) | Stop::Lost) => return Ok(false),
        };
        let failure = ReadFailure::default();
        let parts = self.parts(lease.run_id, lease.owner, &failure);
        let work = self.with_engine(
            &assignment,
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
        let Waiting { stored, request, mut run, rules } = match Box::pin(self.continued(lease)).await? {
            Continued::Goes(waiting) => *waiting,
            Continued::Ended(ended) => return Ok(ended),
        };
        // The run began with its plan.
        let Began { started_at } = serde_json::from_str(stored.object().get()).map_err(|error| damaged(&error))?;
        run.start(started_at).map_err(|error| damaged(&error))?;
        let mut results = None;
        let way = Way::InParts { owner: lease.owner };
        let worked = match self.assign(request, rules).await {
            Ok(assignment) => Box::pin(self.work(way, &mut run, &assignment, lease, &mut results)).await,
            Err(stop) => Err(stop),
        };
        let worked = worked.and_then(|()| results.take().ok_or(Stop::Lost)).map_err(|stop| stop.at_try(stored.attempt, &run));
        let ended = self.settle(&mut run, lease, worked, results).await?;
        if ended != Executed::NotOurs {
            self.delete_parts(lease.run_id).await;
        }
        tracing::info!(run_id = %lease.run_id, ?ended, "a run in parts has ended");
        Ok(ended)
    }

    /// What a run is to do that this owner has; the lease is renewed, once for each step. A run of which that cannot be read any
    /// more is failed.
    async fn continued(&self, lease: &Lease) -> Result<Continued, StoreError> {
        if !self.runs.report(lease, None, self.clock.now()).await? {
            return Ok(Continued::Ended(Executed::NotOurs));
        }
        match self.read(lease.run_id).await {
            Ok(Some(waiting)) => Ok(Continued::Goes(Box::new(waiting))),
            Ok(None) => Ok(Continued::Ended(Executed::NotOurs)),
            Err(error @ StoreError::Damaged(_)) => {
                Ok(Continued::Ended(self.fail_unreadable(lease.run_id, Some(lease.owner), &error).await?))
            }
            Err(error) => Err(error),
        }
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

/// What a step finds of a run that was planned.
enum Continued {
    /// It goes on.
    Goes(Box<Waiting>),
    /// There is nothing to do.
    Ended(Executed),
}

/// When a run began.
#[derive(Deserialize)]
struct Began {
    started_at: Timestamp,
}
