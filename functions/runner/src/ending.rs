//! Ends a run: completes it, fails it, or gives it up.

use serde_json::value::RawValue;
use shared::{
    error::{Phase, RunError, chain},
    results::summary::Summary,
    run::Run,
    run_summary::RunSummary,
};
use stores::{
    StoreError,
    runs::{KeptHistory, Lease, ObjectVersion, OutputInfo, RunResults},
};
use uuid::Uuid;

use crate::execute::{Abort, Executed, Worker, damaged};

/// The results of a run.
pub(crate) struct Results {
    pub(crate) summary: Summary,
    pub(crate) outputs: Vec<OutputInfo>,
    pub(crate) facts: Option<ObjectVersion>,
    pub(crate) exceptions: Option<ObjectVersion>,
    pub(crate) index: Option<ObjectVersion>,
    pub(crate) column_mapping: ObjectVersion,
    pub(crate) findings: ObjectVersion,
    pub(crate) history: Option<KeptHistory>,
}

impl Results {
    /// The results of a dry run, which keeps no loans.
    pub(crate) fn dry(summary: Summary, column_mapping: ObjectVersion, findings: ObjectVersion) -> Self {
        let history = None;
        Self { summary, outputs: Vec::new(), facts: None, exceptions: None, index: None, column_mapping, findings, history }
    }

    fn stored(&self, run: &Run) -> Result<RunResults, StoreError> {
        let object = RunSummary::new(run.run_id(), run.status(), &self.summary).with_history(run.seen_before());
        let json = serde_json::to_string(&object).and_then(RawValue::from_string);
        Ok(RunResults {
            summary: json.map_err(|error| damaged(&error))?,
            outputs: self.outputs.clone(),
            facts: self.facts.clone(),
            exceptions: self.exceptions.clone(),
            index: self.index.clone(),
            column_mapping: Some(self.column_mapping.clone()),
            findings: Some(self.findings.clone()),
            history: self.history.clone(),
        })
    }
}

impl Worker {
    /// Fails a run that cannot be finished, unless a worker other than `owner` has it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when neither the request of the run nor
    /// its record can be read.
    pub(crate) async fn give_up(&self, run_id: Uuid, owner: Option<Uuid>) -> Result<Executed, StoreError> {
        if !self.runs.give_up(run_id, owner, self.clock.now()).await? {
            return Ok(Executed::NotOurs);
        }
        tracing::error!(%run_id, "a run was given up");
        self.delete_parts(run_id).await;
        Ok(Executed::GivenUp)
    }

    /// Fails a run whose record or request cannot be read, unless a worker other than `owner` has it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when neither the request of the run nor
    /// its record can be read.
    pub(crate) async fn fail_unreadable(
        &self,
        run_id: Uuid,
        owner: Option<Uuid>,
        why: &StoreError,
    ) -> Result<Executed, StoreError> {
        tracing::error!(%run_id, error = chain(why), "the record of a run cannot be read");
        let error = RunError::record_unreadable(Phase::Ingest);
        if !self.runs.fail(run_id, owner, error.clone(), self.clock.now()).await? {
            return Ok(Executed::NotOurs);
        }
        note_failure(run_id, &error);
        self.delete_parts(run_id).await;
        Ok(Executed::Failed)
    }

    /// Ends a run according to the result of its work. `stored` has the results that were stored before a failure.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; the error of [`Abort::Storage`] when a store failed during the
    /// work. The run has not ended then.
    pub(crate) async fn settle(
        &self,
        run: &mut Run,
        lease: &Lease,
        worked: Result<Results, Abort>,
        stored: Option<Results>,
    ) -> Result<Executed, StoreError> {
        match worked {
            Ok(results) => {
                let mut completed = run.clone();
                completed.complete(self.clock.now()).map_err(|error| damaged(&error))?;
                match self.runs.complete(lease, &completed, &results.stored(&completed)?).await {
                    Ok(true) => Ok(Executed::Completed),
                    Ok(false) => Ok(Executed::NotOurs),
                    Err(error @ StoreError::TooLarge(_)) => self.fail_too_large(run, lease, &error).await,
                    Err(error) => Err(error),
                }
            }
            Err(Abort::Run(error)) => self.fail(run, lease, error, stored).await,
            Err(Abort::Lost) => Ok(Executed::NotOurs),
            Err(Abort::Storage(error)) => Err(error),
        }
    }

    /// Fails a run. Results that were stored before the failure stay readable.
    async fn fail(&self, run: &mut Run, lease: &Lease, error: RunError, stored: Option<Results>) -> Result<Executed, StoreError> {
        let mut failed = run.clone();
        failed.fail(error.clone(), self.clock.now()).map_err(|error| damaged(&error))?;
        let ended = match stored {
            Some(results) => match self.runs.complete(lease, &failed, &results.stored(&failed)?).await {
                Err(error @ StoreError::TooLarge(_)) => return self.fail_too_large(run, lease, &error).await,
                ended => ended?,
            },
            None => self.runs.end(lease, &failed).await?,
        };
        if !ended {
            return Ok(Executed::NotOurs);
        }
        note_failure(lease.run_id, &error);
        Ok(Executed::Failed)
    }

    /// Fails a run whose record or results are larger than the store accepts. Another attempt would end the same.
    async fn fail_too_large(&self, run: &mut Run, lease: &Lease, why: &StoreError) -> Result<Executed, StoreError> {
        tracing::error!(run_id = %lease.run_id, error = chain(why), "the record of a run is too large");
        let error = RunError::record_too_large(run.interrupted_phase());
        run.fail(error.clone(), self.clock.now()).map_err(|error| damaged(&error))?;
        if !self.runs.end(lease, run).await? {
            return Ok(Executed::NotOurs);
        }
        note_failure(lease.run_id, &error);
        Ok(Executed::Failed)
    }
}

/// Logs that a run failed. The metric filter in `template.yaml` counts failed runs by this message.
fn note_failure(run_id: Uuid, error: &RunError) {
    tracing::info!(%run_id, code = ?error.code, phase = %error.phase, "a run failed");
}
