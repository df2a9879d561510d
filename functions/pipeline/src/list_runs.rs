//! `GET /api/runs`: lists runs, the newest first.

use api::{
    caller::Caller,
    extract::{ApiQuery, parse_id},
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
use shared::{
    auth::{
        permission::Permission,
        user::{Scope, folded},
    },
    run::{RunObject, RunStatus},
};
use stores::runs::{RunFilter, RunPlace, RunSearch, StoredRun};
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
    /// Only dry runs (`true`), or only other runs (`false`).
    dry_run: Option<bool>,
    /// Only runs that this user started: the id of a user, or `me` for the caller.
    #[param(value_type = Option<String>, example = "me")]
    created_by: Option<Starter>,
    /// Only runs of a tape whose name has this part, in any letter case. The name is the last part of the path; the runs' `tapes` say which
    /// tapes count.
    #[param(min_length = 1, example = "february")]
    tape: Option<String>,
}

read_fields!(RunQuery {
    status: optional,
    run_weekday: optional,
    sales_team_id: optional,
    dry_run: optional,
    created_by: optional,
    tape: optional(|part: &String| not_blank(part)),
});

/// The check of a part of a name.
fn not_blank(part: &str) -> Result<(), &'static str> {
    if folded(part).is_empty() { Err("It has only spaces. Give a part of the name of a tape.") } else { Ok(()) }
}

/// The user who started a run.
#[derive(Debug, Clone, Copy)]
enum Starter {
    Caller,
    User(Uuid),
}

impl FieldValue for Starter {
    fn expected() -> String {
        "`me` or a UUID, such as 5f0c8d1e-3a77-4b52-9c1e-2f6d8a90b3c4".to_owned()
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        match text {
            "me" => Ok(Self::Caller),
            id => parse_id(id).map(Self::User).ok_or_else(|| BadValue::text::<Self>(text)),
        }
    }
}

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
/// Lists runs, the newest first. A member of a sales team sees the runs of that team. With filters, a page looks at no more than 2,000
/// runs: a page that they do not fill is shorter, perhaps empty, and its `next` link goes on behind them. Follow the links until an answer
/// has none.
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
    ApiQuery((page, query)): ApiQuery<(Page<RunPlace>, RunQuery)>,
) -> Result<Response, ApiError> {
    let scope = caller.scope(Permission::ReadRuns)?;
    let sales_team_id = match scope {
        Scope::All => query.sales_team_id,
        // A member of a sales team sees no runs of other teams.
        Scope::Team(own) if query.sales_team_id.is_some_and(|team| team != own) => {
            return Ok(Listing::<()>::new(&uri, &page, Vec::new(), false, None).into_response());
        }
        Scope::Team(own) => Some(own),
    };
    let filter = RunFilter { status: query.status, run_weekday: query.run_weekday.map(|Weekday(day)| day), sales_team_id };
    let created_by = query.created_by.map(|starter| match starter {
        Starter::Caller => caller.user.id,
        Starter::User(id) => id,
    });
    let tape = query.tape.map(|part| folded(&part));
    let search = RunSearch { filter, dry_run: query.dry_run, created_by, tape };
    let (runs, next) = state.runs.search(&search, page.after, page.skip, page.limit).await?;
    let runs: Vec<StoredRun> = runs.into_iter().map(|run| run.seen_within(scope)).collect();
    let headers = Listing::<()>::new(&uri, &page, Vec::new(), next.is_some(), next.as_ref()).headers();
    let json = serde_json::to_vec(&runs).map_err(ApiError::internal)?;
    Ok((headers, made_file(&state.answers, json.into(), "runs.json", "inline").await?).into_response())
}
