//! `GET /api/runs/{run_id}`: shows one run, with its progress while a worker executes it.

use api::{caller::Caller, extract::PathId, file_answer::made_file, problem::ApiError};
use axum::{extract::State as FromState, response::Response};
use shared::{auth::permission::Permission, run::RunObject};
use stores::runs::StoredRun;
use uuid::Uuid;

use crate::State;

/// Show a run
///
/// Shows the status of a run, its progress while a worker executes it, its totals when it is completed, and why it failed.
#[utoipa::path(
    get, path = "/api/runs/{run_id}", tag = "runs", security(("bearer" = [])),
    params(("run_id" = Uuid, Path, description = "Id of the run.")),
    responses(
        (status = 200, description = "The run.", body = RunObject),
        (status = 307),
        (status = 404),
    )
)]
pub async fn get_run(FromState(state): FromState<State>, caller: Caller, PathId(run_id): PathId) -> Result<Response, ApiError> {
    let run = state.run_of(&caller, run_id).await?;
    let json = String::from(Box::<str>::from(state.runs.whole(&run).await?));
    made_file(&state.answers, json.into(), "run.json", "inline").await
}

impl State {
    /// A run that the caller may see.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when the run does not exist or belongs to another team; [`ApiError::Forbidden`] when the caller may
    /// not read runs; [`ApiError::Unavailable`] or [`ApiError::Internal`] when the store fails.
    pub(crate) async fn run_of(&self, caller: &Caller, run_id: Uuid) -> Result<StoredRun, ApiError> {
        let scope = caller.scope(Permission::ReadRuns)?;
        self.runs.get_within(scope, run_id).await?.ok_or(ApiError::not_found("The run"))
    }
}
