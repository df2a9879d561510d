//! `POST /api/sales-teams`: creates a sales team.

use api::{
    extract::ApiJson,
    problem::{ApiError, ProblemObject},
    read_fields,
};
use axum::{Json, extract::State as FromState, http::StatusCode};
use shared::auth::user::{SalesTeam, check_name};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::State;

/// A new sales team.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSalesTeam {
    /// Name of the sales team. No other team may have it in any letter case.
    #[schema(min_length = 1, max_length = 200, example = "West")]
    name: String,
}

read_fields!(NewSalesTeam { name: required(|name: &String| check_name(name)) });

/// Create a sales team
///
/// Creates a sales team without members. Runs and users are assigned to it by its id.
#[utoipa::path(
    post, path = "/api/sales-teams", tag = "data", security(("bearer" = [])),
    request_body = NewSalesTeam,
    responses(
        (status = 201, description = "The new sales team.", body = SalesTeam),
        (
            status = 409, description = "Another sales team has this name.", body = ProblemObject, example = json!({
                "type": "about:blank", "title": "Conflict", "status": 409, "code": "name_taken",
                "detail": "There is a sales team of this name. Choose another name.",
                "request_id": "6f1c9a52-8d3e-4b7a-9c41-2f0e5d7b8a90"
            }),
        ),
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
