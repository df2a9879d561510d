//! One run on several workers: plan, parts, and finish. The plan claims the run. Every later step names the same lease owner and
//! continues the run, however long after the step before, unless another worker has claimed the run in the meantime.

use std::sync::Arc;

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
    events::{NextStep, PartRef},
    execute::{Abort, Assignment, Executed, Looked, Mode, Waiting, Worker, damaged},
    files::Files,
};

/// Largest number of parts of a plan. The answer with the parts must fit into the state of the state machine.
const MOST_PARTS: u64 = 5_000;

impl Worker {
    /// Decides how to execute a run. A large run is claimed first: its plan takes minutes, in which no other worker may claim the
    /// run or give it up. A run that cannot be done in parts is released, for `execute`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB or S3 does not answer. The caller may repeat the same call.
    pub(crate) async fn plan(&self, run_id: Uuid) -> Result<NextStep, StoreError> {
        let not_ours = NextStep::Done { ended: Executed::NotOurs };
        let began = self.clock.now();
        let Waiting { stored, request, mut run } = match Box::pin(self.look(run_id, began)).await? {
            Looked::Waits(waiting) => *waiting,
            Looked::Ended(ended) => return Ok(NextStep::Done { ended }),
        };
        let bytes = request.tapes.bytes();
        // `execute` gives up a run that has used up its attempts.
        if bytes < self.distribution.above_bytes || stored.attempt >= MAX_ATTEMPTS {
            return Ok(NextStep::Execute);
        }
        run.start(began).map_err(|error| damaged(&error))?;
        let lease = Lease::in_parts(run_id, Uuid::new_v4());
        let Some(attempt) = self.runs.claim(&lease, &run, began).await? else { return Ok(not_ours) };
        let part_bytes = self.distribution.part_bytes.max(bytes / MOST_PARTS);
        let planned = match self.assign(request).await {
            Ok(assignment) => Box::pin(self.planned(&assignment, lease.owner, part_bytes)).await,
            Err(stop) => Err(stop),
        };
        // An outage during the plan is not an attempt of the run, so it is never treated as the last one. A failure that would
        // end the next plan, too, fails the run.
        let planned = planned.map_err(|stop| stop.at_try(attempt.min(MAX_ATTEMPTS - 1), &run));
        if let Ok(Some(parts)) = planned {
            tracing::info!(%run_id, parts, "a run in parts has started");
            return Ok(NextStep::Process { owner: lease.owner, parts: (0..parts).map(|part| PartRef { part }).collect() });
        }
        self.delete_folder(run_id, &keys::parts(run_id, lease.owner)).await;
        match planned {
            Ok(_) if self.runs.return_untried(&lease).await? => Ok(NextStep::Execute),
            Ok(_) | Err(Abort::Lost) => Ok(not_ours),
            Err(Abort::Storage(error)) => {
                if let Err(second) = self.runs.return_untried(&lease).await {
                    // Return the error that stopped the plan. The lease expires by itself.
                    tracing::warn!(%run_id, error = chain(&second), "a run could not be released after its plan failed");
                }
                Err(error)
            }
            Err(stop) => {
                let ended = self.settle(&mut run, &lease, Err(stop), None).await?;
                if ended != Executed::NotOurs {
                    // Delete the parts of earlier plans, too.
                    self.delete_parts(run_id).await;
                }
                Ok(NextStep::Done { ended })
            }
        }
    }

    /// Makes the plan of a run and stores it. Returns the number of parts; `None` when one worker has to execute the run.
    async fn planned(&self, assignment: &Assignment, owner: Uuid, part_bytes: u64) -> Result<Option<usize>, Abort> {
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
        planned.await?.map_err(|error: RunError| failure.take().map_or(Abort::Run(error), Abort::Storage))
    }

    /// Processes a part of a run. Returns false when this worker no longer has the run. If the part cannot be processed, the
    /// error is stored in place of its results, and the last step fails the run with that error.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB or S3 does not answer. The caller may repeat the same call.
    pub(crate) async fn process(&self, lease: &Lease, part: usize) -> Result<bool, StoreError> {
        let Continued::Goes(waiting) = Box::pin(self.continued(lease)).await? else { return Ok(false) };
        let assignment = match self.assign(waiting.request).await {
            Ok(assignment) => assignment,
            Err(Abort::Storage(error @ StoreError::Damaged(_))) => {
                self.fail_unreadable(lease.run_id, Some(lease.owner), &error).await?;
                return Ok(false);
            }
            Err(Abort::Storage(error)) => return Err(error),
            // The plan has failed the run already.
            Err(Abort::Run(_) | Abort::Lost) => return Ok(false),
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
        match worked.map_err(|stop| failure.take().map_or(stop, Abort::Storage)) {
            Ok(()) => Ok(true),
            Err(Abort::Lost) => Ok(false),
            Err(Abort::Storage(error)) => Err(error),
            Err(Abort::Run(error)) => {
                tracing::warn!(run_id = %lease.run_id, part, code = ?error.code, "a part of a run could not be processed");
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

    /// Makes the results of a run from its parts, identical to those that `execute` makes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB or S3 does not answer. The caller may repeat the same call.
    pub(crate) async fn finish(&self, lease: &Lease) -> Result<Executed, StoreError> {
        let Waiting { stored, request, mut run } = match Box::pin(self.continued(lease)).await? {
            Continued::Goes(waiting) => *waiting,
            Continued::Ended(ended) => return Ok(ended),
        };
        // The run has started with its plan, so take the time of its start from the record.
        let absent = || StoreError::Damaged("a run in parts has no time of its start".to_owned());
        let started_at = stored.started_at.ok_or_else(absent)?;
        run.start(started_at).map_err(|error| damaged(&error))?;
        let mut results = None;
        let way = Mode::InParts { owner: lease.owner };
        let worked = match self.assign(request).await {
            Ok(assignment) => Box::pin(self.work(way, &mut run, &assignment, lease, &mut results)).await,
            Err(stop) => Err(stop),
        };
        let worked = worked.and_then(|()| results.take().ok_or(Abort::Lost)).map_err(|stop| stop.at_try(stored.attempt, &run));
        let ended = self.settle(&mut run, lease, worked, results).await?;
        if ended != Executed::NotOurs {
            self.delete_parts(lease.run_id).await;
        }
        tracing::info!(run_id = %lease.run_id, ?ended, "a run in parts has ended");
        Ok(ended)
    }

    /// Renews the lease, once per step, and reads the run if this owner still has it. A run that can no longer be read is failed.
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

    /// Deletes the files that the steps of a run handed on to each other. If this fails, the bucket's own rule for results
    /// removes them later.
    pub(crate) async fn delete_parts(&self, run_id: Uuid) {
        self.delete_folder(run_id, &keys::all_parts(run_id)).await;
    }

    async fn delete_folder(&self, run_id: Uuid, folder: &str) {
        if let Err(error) = self.storage.delete_below(folder).await {
            tracing::warn!(%run_id, error = chain(&error), "the parts of a run could not be deleted");
        }
    }
}

/// What a step finds when it continues a planned run.
enum Continued {
    /// The step continues the run.
    Goes(Box<Waiting>),
    /// The step has nothing to do.
    Ended(Executed),
}
