//! `GET /api/sales-teams`: lists sales teams by name.

use api::{
    caller::Caller,
    extract::ApiQuery,
    page::{Listing, Page, PageQuery},
    problem::{ApiError, InputError},
    values::NO_CURSOR,
};
use axum::{extract::State as FromState, http::Uri};
use shared::auth::{
    permission::Permission,
    user::{SalesTeam, Scope},
};
use uuid::Uuid;

use crate::State;

/// List sales teams
///
/// Lists sales teams by name. A member of a sales team sees only that team.
#[utoipa::path(
    get, path = "/api/sales-teams", tag = "data", security(("bearer" = [])),
    params(PageQuery),
    responses(
        (status = 200, description = "One page of sales teams.", body = Vec<SalesTeam>),
    )
)]
pub async fn list_sales_teams(
    FromState(state): FromState<State>,
    caller: Caller,
    uri: Uri,
    ApiQuery(page): ApiQuery<Page<Uuid>>,
) -> Result<Listing<SalesTeam>, ApiError> {
    let (teams, more) = match caller.scope(Permission::ReadTeams)? {
        Scope::All => state.page_of_teams(&page).await?,
        Scope::Team(own) => {
            let own = if page.skip == 0 && page.after.is_none() { state.teams.get(own).await? } else { None };
            (Vec::from_iter(own), false)
        }
    };
    let last = teams.last().map(|team| team.id);
    Ok(Listing::new(&uri, &page, teams, more, last.as_ref()))
}

impl State {
    /// A page of all teams, and whether there are more.
    async fn page_of_teams(&self, page: &Page<Uuid>) -> Result<(Vec<SalesTeam>, bool), ApiError> {
        let no_cursor = || ApiError::invalid(InputError::query("after", NO_CURSOR));
        let after = match page.after {
            Some(id) => Some(self.teams.get(id).await?.ok_or_else(no_cursor)?),
            None => None,
        };
        Ok(self.teams.list(after.as_ref(), page.skipped(), page.limit).await?)
    }
}
