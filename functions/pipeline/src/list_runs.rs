//! `GET /api/runs`: lists runs, the newest first.

use api::{
    caller::Caller,
    extract::ApiQuery,
    file_answer::made_file,
    page::{Listing, Page, PageQuery},
    problem::ApiError,
    read_fields,
    values::{BadValue, FieldValue},
};
use axum::{
    extract::State as FromState,
    http::Uri,
    response::{IntoResponse as _, Response},
};
use jiff::Timestamp;
use shared::{
    auth::{permission::Permission, user::Scope},
    run::{RunObject, RunStatus},
};
use stores::runs::RunFilter;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::State;

/// Which runs are wanted.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RunQuery {
    /// Only runs with this status.
    status: Option<RunStatus>,
    /// Only runs created on this weekday, in UTC: 0 is Monday, 6 is Sunday.
    #[param(value_type = Option<u8>, minimum = 0, maximum = 6, example = 0)]
    run_weekday: Option<Weekday>,
    /// Only runs of this sales team.
    sales_team_id: Option<Uuid>,
}

read_fields!(RunQuery { status: optional, run_weekday: optional, sales_team_id: optional });

/// A day of the week, from 0 for Monday to 6 for Sunday.
#[derive(Debug, Clone, Copy)]
struct Weekday(u8);

impl FieldValue for Weekday {
    fn expected() -> String {
        "a number from 0 for Monday to 6 for Sunday".to_owned()
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        match text.as_bytes() {
            [digit @ b'0'..=b'6'] => Ok(Self(digit - b'0')),
            _ => Err(BadValue::text::<Self>(text)),
        }
    }
}

/// List runs
///
/// Lists runs, the newest first. A member of a sales team sees the runs of that team.
#[utoipa::path(
    get, path = "/api/runs", tag = "runs", security(("bearer" = [])),
    params(PageQuery, RunQuery),
    responses(
        (status = 200, description = "One page of runs, the newest first. Their `column_mapping` is null: read the run itself.", body = Vec<RunObject>),
        (status = 307),
    )
)]
pub async fn list_runs(
    FromState(state): FromState<State>,
    caller: Caller,
    uri: Uri,
    ApiQuery((page, query)): ApiQuery<(Page<(Timestamp, Uuid)>, RunQuery)>,
) -> Result<Response, ApiError> {
    let sales_team_id = match caller.scope(Permission::ReadRuns)? {
        Scope::All => query.sales_team_id,
        // A member of a sales team sees no runs of other teams.
        Scope::Team(own) if query.sales_team_id.is_some_and(|team| team != own) => {
            return Ok(Listing::<()>::new(&uri, &page, Vec::new(), false, None).into_response());
        }
        Scope::Team(own) => Some(own),
    };
    let filter = RunFilter { status: query.status, run_weekday: query.run_weekday.map(|Weekday(day)| day), sales_team_id };
    let (runs, more) = state.runs.list(filter, page.after, page.skipped(), page.limit).await?;
    let last = runs.last().map(|run| (run.created_at, run.run_id));
    let headers = Listing::<()>::new(&uri, &page, Vec::new(), more, last.as_ref()).headers();
    let json = serde_json::to_vec(&runs).map_err(ApiError::internal)?;
    Ok((headers, made_file(&state.answers, json.into(), "runs.json", "inline").await?).into_response())
}
