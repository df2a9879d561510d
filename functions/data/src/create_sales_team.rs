//! `POST /api/sales-teams`: makes a sales team.

use axum::{Json, extract::State as FromState, http::StatusCode};
use shared::{
    api::{
        extract::ApiJson,
        problem::{ApiError, ProblemObject},
    },
    auth::user::{SalesTeam, check_name},
    read_fields,
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::State;

/// A team to be made.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSalesTeam {
    /// The name, which no other team has in any case of its letters.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
}

read_fields!(NewSalesTeam { name: required(|name: &String| check_name(name)) });

/// Make a sales team
#[utoipa::path(
    post, path = "/api/sales-teams", tag = "data", security(("bearer" = [])),
    request_body = NewSalesTeam,
    responses(
        (status = 201, body = SalesTeam),
        (status = 401, body = ProblemObject),
        (status = 403, body = ProblemObject),
        (status = 409, description = "There is a team of that name", body = ProblemObject),
        (status = 413, body = ProblemObject),
        (status = 415, body = ProblemObject),
        (status = 422, body = ProblemObject),
    )
)]
pub async fn create_sales_team(
    FromState(state): FromState<State>,
    ApiJson(new): ApiJson<NewSalesTeam>,
) -> Result<(StatusCode, Json<SalesTeam>), ApiError> {
    let team = SalesTeam { id: Uuid::new_v4(), name: new.name.trim().to_owned() };
    if state.teams.create(&team).await? {
        Ok((StatusCode::CREATED, Json(team)))
    } else {
        Err(ApiError::Conflict("name_taken", "There is a sales team of this name. Choose another name.".into()))
    }
}
