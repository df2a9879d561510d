//! Answers that take longer to make than an answer may take. The worker makes them as jobs; the request answers 202 until the file
//! is made, then the file.
//!
//! An endpoint checks on every request that its caller may see the run, and then calls [`JobAnswers::answer`]. A job is done once for
//! all callers, so its request must hold everything that decides the content of the file.

use std::sync::Arc;

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use shared::clock::Clock;
use stores::{
    jobs::{JobFailure, JobFile, JobFound, JobRequest, Jobs},
    resources::Resources,
    storage::StorageBackend as _,
};
use utoipa::ToSchema;

use super::{
    file_answer::{FileAnswers, stored_file},
    prefer::PreferredWait,
    problem::{ApiError, InputError},
    stored_results::results_gone,
};

/// Seconds after which a client should ask for the file again.
const RETRY_AFTER_SECONDS: u64 = 2;

/// An answer that the worker is making. Ask again after the seconds in `Retry-After`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"status": "preparing"}))]
pub struct Preparing {
    /// Always `preparing`.
    #[schema(value_type = String, example = "preparing")]
    status: &'static str,
}

/// A job's file, or the answer until there is one.
#[derive(Debug)]
pub enum Prepared {
    Ready(JobFile),
    /// 202.
    NotYet(Response),
}

/// Answers with the files of jobs.
#[derive(Clone)]
pub struct JobAnswers {
    jobs: Jobs,
    answers: FileAnswers,
    clock: Arc<dyn Clock>,
}

impl JobAnswers {
    pub fn new(resources: &Resources) -> Self {
        Self { jobs: resources.jobs(), answers: FileAnswers::new(resources), clock: Arc::clone(&resources.clock) }
    }

    /// Answers with the file of a request: 200 as an attachment, or 307 when the file is too large for an answer. Answers 202 when
    /// the file is not made within the time that the client prefers to wait.
    ///
    /// # Errors
    /// Those of [`Self::prepared`].
    pub async fn answer(&self, request: &JobRequest, wait: PreferredWait) -> Result<Response, ApiError> {
        let mut answer = match self.prepared(request, wait).await? {
            Prepared::Ready(file) => stored_file(&self.answers, &file.key, &request.file_name()).await?,
            Prepared::NotYet(answer) => return Ok(answer),
        };
        wait.note(&mut answer);
        Ok(answer)
    }

    /// The file of a request, for an endpoint that answers with a part of it. Starts the job if there is none.
    ///
    /// # Errors
    /// What the job failed with, once: [`ApiError::ResultsGone`], [`ApiError::Invalid`], [`ApiError::Unavailable`] or
    /// [`ApiError::Internal`]. The next request starts the job anew. [`ApiError::Unavailable`] when a store does not answer.
    pub async fn prepared(&self, request: &JobRequest, wait: PreferredWait) -> Result<Prepared, ApiError> {
        let mut pauses = wait.pauses();
        loop {
            match self.look(request).await? {
                Some(file) => return Ok(Prepared::Ready(file)),
                None if pauses.next().await => {}
                None => return Ok(Prepared::NotYet(not_yet(wait))),
            }
        }
    }

    async fn look(&self, request: &JobRequest) -> Result<Option<JobFile>, ApiError> {
        match self.jobs.ask(request, self.clock.now()).await? {
            JobFound::Preparing => Ok(None),
            JobFound::Failed(failure) => Err(failure.into()),
            JobFound::Made(file) => {
                if self.answers.storage.info(&file.key).await?.is_some() {
                    return Ok(Some(file));
                }
                self.jobs.forget_file(request, &file).await?;
                Ok(None)
            }
        }
    }
}

impl From<JobFailure> for ApiError {
    fn from(failure: JobFailure) -> Self {
        match failure {
            JobFailure::Gone => results_gone(),
            JobFailure::Refused(sentence) => Self::invalid(InputError::new("path", "run_id", "value_error", sentence)),
            JobFailure::Unavailable => Self::Unavailable("a store did not answer the worker of a job".into()),
            JobFailure::Internal => Self::internal("a job failed; the log of the worker says why"),
        }
    }
}

fn not_yet(wait: PreferredWait) -> Response {
    let headers = [(header::RETRY_AFTER, RETRY_AFTER_SECONDS.to_string())];
    let mut answer = (StatusCode::ACCEPTED, headers, Json(Preparing { status: "preparing" })).into_response();
    wait.note(&mut answer);
    answer
}
