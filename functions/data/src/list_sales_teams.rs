//! `GET /api/sales-teams`: the sales teams, by name.

use axum::{extract::State as FromState, http::Uri};
use shared::{
    api::{
        page::{Listing, Page, PageQuery},
        problem::{ApiError, ProblemObject},
    },
    auth::{
        permission::Permission,
        user::{Caller, SalesTeam, Scope},
    },
};

use crate::State;

/// List sales teams
///
/// Lists sales teams by name. A member of a sales team sees only that team.
#[utoipa::path(
    get, path = "/api/sales-teams", tag = "data", security(("bearer" = [])),
    params(PageQuery),
    responses(
        (status = 200, description = "One page of sales teams.", body = Vec<SalesTeam>),
        (status = 401, body = ProblemObject),
        (status = 403, body = ProblemObject),
        (status = 422, body = ProblemObject),
    )
)]
pub async fn list_sales_teams(
    FromState(state): FromState<State>,
    caller: Caller,
    uri: Uri,
    page: Page,
) -> Result<Listing<SalesTeam>, ApiError> {
    let page = page.without_cursor()?;
    let (teams, more) = match caller.scope(Permission::ReadTeams)? {
        Scope::All => state.teams.list(page.skip, page.limit).await?,
        Scope::Team(own) => {
            let own = if page.skip == 0 { state.teams.get(own).await? } else { None };
            (Vec::from_iter(own), false)
        }
    };
    Ok(Listing::new(&uri, &page, teams, more, None::<&()>))
}
