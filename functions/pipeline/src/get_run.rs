//! `GET /api/runs/{run_id}`: one run, with its progress while it works.

use axum::{Json, extract::State as FromState};
use shared::{
    api::{
        extract::PathId,
        objects::RunObject,
        problem::{ApiError, ProblemObject},
    },
    auth::{permission::Permission, user::Caller},
    stores::runs::StoredRun,
};
use uuid::Uuid;

use crate::State;

/// Show a run
#[utoipa::path(
    get, path = "/api/runs/{run_id}", tag = "runs", security(("bearer" = [])),
    params(("run_id" = Uuid, Path, description = "The run")),
    responses(
        (status = 200, body = RunObject),
        (status = 401, body = ProblemObject),
        (status = 403, body = ProblemObject),
        (status = 404, body = ProblemObject),
    )
)]
pub async fn get_run(
    FromState(state): FromState<State>,
    caller: Caller,
    PathId(run_id): PathId,
) -> Result<Json<StoredRun>, ApiError> {
    state.run_of(&caller, run_id).await.map(Json)
}

impl State {
    /// A run that the caller may see.
    ///
    /// # Errors
    /// 404 when there is none, or it is another team's.
    pub(crate) async fn run_of(&self, caller: &Caller, run_id: Uuid) -> Result<StoredRun, ApiError> {
        let scope = caller.scope(Permission::ReadRuns)?;
        self.runs.get_within(scope, run_id).await?.ok_or(ApiError::not_found("The run"))
    }
}
