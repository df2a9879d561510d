//! `GET /api/runs`: runs, the newest first.

use axum::{
    extract::State as FromState,
    http::Uri,
    response::{IntoResponse as _, Response},
};
use jiff::Timestamp;
use serde::Deserialize;
use shared::{
    api::{
        extract::ApiQuery,
        file_answer::made_file,
        objects::RunObject,
        page::{Listing, Page, PageQuery},
        problem::{ApiError, InputError, ProblemObject},
    },
    auth::{
        permission::Permission,
        user::{Caller, Scope},
    },
    run::RunStatus,
    stores::runs::RunFilter,
};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::State;

/// Which runs are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RunQuery {
    /// Only runs with this status.
    status: Option<RunStatus>,
    /// Only runs created on this weekday, in UTC: 0 is Monday, 6 is Sunday.
    #[param(minimum = 0, maximum = 6, example = 0)]
    run_weekday: Option<u8>,
    /// Only runs of this sales team.
    sales_team_id: Option<Uuid>,
}

/// Sunday.
const LAST_WEEKDAY: u8 = 6;

/// List runs
///
/// Lists runs, the newest first. A member of a sales team sees the runs of that team.
#[utoipa::path(
    get, path = "/api/runs", tag = "runs", security(("bearer" = [])),
    params(PageQuery, RunQuery),
    responses(
        (status = 200, description = "One page of runs, the newest first. Their `column_mapping` is null: read the run itself.", body = Vec<RunObject>),
        (status = 307),
        (status = 401, body = ProblemObject),
        (status = 403, body = ProblemObject),
        (status = 422, body = ProblemObject),
    )
)]
pub async fn list_runs(
    FromState(state): FromState<State>,
    caller: Caller,
    uri: Uri,
    page: Page,
    ApiQuery(query): ApiQuery<RunQuery>,
) -> Result<Response, ApiError> {
    if query.run_weekday.is_some_and(|day| day > LAST_WEEKDAY) {
        return Err(ApiError::invalid(InputError::query("run_weekday", "It must be from 0 for Monday to 6 for Sunday.")));
    }
    let cursor: Option<(Timestamp, Uuid)> = page.cursor()?;
    let sales_team_id = match caller.scope(Permission::ReadRuns)? {
        Scope::All => query.sales_team_id,
        // Of other teams there is nothing to see.
        Scope::Team(own) if query.sales_team_id.is_some_and(|team| team != own) => {
            return Ok(Listing::<()>::new(&uri, &page, Vec::new(), false, None::<&()>).into_response());
        }
        Scope::Team(own) => Some(own),
    };
    let filter = RunFilter { status: query.status, run_weekday: query.run_weekday, sales_team_id };
    let skip = if cursor.is_some() { 0 } else { page.skip };
    let (runs, more) = state.runs.list(filter, cursor, skip, page.limit).await?;
    let last = runs.last().map(|run| (run.created_at, run.run_id));
    let headers = Listing::<()>::new(&uri, &page, Vec::new(), more, last.as_ref()).headers();
    let json = serde_json::to_vec(&runs).map_err(ApiError::internal)?;
    Ok((headers, made_file(&state.answers, json.into(), "runs.json", "inline").await?).into_response())
}
