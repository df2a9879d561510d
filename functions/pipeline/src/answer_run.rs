//! The answer to a request that starts a run: at once, or, if the client prefers to wait, when the run has ended.

use api::{prefer::PreferredWait, problem::ApiError};
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::value::RawValue;
use shared::auth::user::Scope;
use stores::runs::StoredRun;

use crate::State;

impl State {
    /// Answers with a run, as a caller with this scope sees it: 200 when the client waited and the run has ended, else 202.
    ///
    /// # Errors
    /// [`ApiError::Internal`] when a header cannot be written.
    pub(crate) async fn answer_run(&self, scope: Scope, run: StoredRun, wait: PreferredWait) -> Result<Response, ApiError> {
        let location = HeaderValue::try_from(format!("/api/runs/{}", run.run_id)).map_err(ApiError::internal)?;
        let run = if wait.is_some() { self.ended_within(scope, run, wait).await } else { run };
        let status = if wait.is_some() && run.status.is_final() { StatusCode::OK } else { StatusCode::ACCEPTED };
        let mut answer = (status, [(header::LOCATION, location)], Json(self.shown(&run).await)).into_response();
        wait.note(&mut answer);
        Ok(answer)
    }

    /// The run with its column mapping, or without it when the answer would be too large. When the mapping cannot be read, the
    /// answer is the run without it, because the run has started in any case.
    async fn shown(&self, run: &StoredRun) -> Box<RawValue> {
        match self.runs.whole(run).await {
            Ok(whole) if !self.answers.is_too_large(whole.get().len() as u64) => whole,
            Ok(_) => run.object().to_owned(),
            Err(error) => {
                tracing::warn!(run_id = %run.run_id, %error, "the column mapping of a run could not be read");
                run.object().to_owned()
            }
        }
    }

    /// The run when it has ended, or in its current state when the time is over.
    async fn ended_within(&self, scope: Scope, mut run: StoredRun, wait: PreferredWait) -> StoredRun {
        let mut pauses = wait.pauses();
        while !run.status.is_final() && pauses.next().await {
            match self.runs.get(run.run_id).await {
                Ok(Some(now)) => run = now.seen_within(scope),
                Ok(None) => break,
                // The run has started in any case, so a failed read is only logged.
                Err(error) => tracing::warn!(run_id = %run.run_id, %error, "a run could not be read while its client waited"),
            }
        }
        run
    }
}
