//! `GET /api/auth/users`: lists users in the order of their registration.

use api::{
    extract::ApiQuery,
    page::{Listing, Page, PageQuery},
    problem::ApiError,
    read_fields,
};
use axum::{extract::State as FromState, http::Uri};
use jiff::Timestamp;
use shared::auth::{permission::Role, user::UserObject};
use stores::users::UserFilter;
use uuid::Uuid;

use crate::State;

/// Which users are wanted.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only users with this role.
    role: Option<Role>,
    /// Only members of this sales team.
    sales_team_id: Option<Uuid>,
}

read_fields!(Filter { role: optional, sales_team_id: optional });

/// List users
///
/// Lists users in the order of their registration, disabled ones included.
#[utoipa::path(
    get, path = "/api/auth/users", tag = "auth", security(("bearer" = [])),
    params(Filter, PageQuery),
    responses(
        (status = 200, description = "One page of users.", body = Vec<UserObject>),
    )
)]
pub async fn list_users(
    FromState(state): FromState<State>,
    uri: Uri,
    ApiQuery((page, filter)): ApiQuery<(Page<(Timestamp, Uuid)>, Filter)>,
) -> Result<Listing<UserObject>, ApiError> {
    let wanted = UserFilter { role: filter.role, sales_team_id: filter.sales_team_id };
    let (users, more) = state.users.list(wanted, page.after, page.skipped(), page.limit).await?;
    let last = users.last().map(|user| (user.created_at, user.id));
    Ok(Listing::new(&uri, &page, users.iter().map(UserObject::from).collect(), more, last.as_ref()))
}
