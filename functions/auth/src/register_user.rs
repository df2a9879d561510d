//! `POST /api/auth/register`: a new user.

use axum::{Json, extract::State as FromState, http::StatusCode};
use serde::Deserialize;
use shared::{
    api::{
        extract::ApiJson,
        problem::{ApiError, ProblemObject},
    },
    auth::{
        password,
        permission::Role,
        user::{User, UserObject},
    },
    stores::users::Written,
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    State,
    checks::{Checks, refusal},
};

/// A new user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "email": "ana@example.com", "username": "ana", "password": "correct horse battery", "full_name": "Ana Alvarez", "role": "analyst"
}))]
pub struct NewUser {
    /// Email address. No other user may have it in any letter case.
    #[schema(format = Email, max_length = 254, example = "ana@example.com")]
    email: String,
    /// Name to log in with: letters, digits and `_`. No other user may have it in any letter case.
    #[schema(min_length = 3, max_length = 50, pattern = "^[A-Za-z0-9_]{3,50}$", example = "ana")]
    username: String,
    /// Password, 8 to 128 characters.
    #[schema(format = Password, min_length = 8, max_length = 128, example = "correct horse battery")]
    password: String,
    /// Name for people. Null or absent: the user has none.
    #[schema(min_length = 1, max_length = 200, example = "Ana Alvarez")]
    full_name: Option<String>,
    /// Role of the user.
    #[serde(default = "analyst")]
    #[schema(default = "analyst")]
    role: Role,
    /// Sales team of the user. A user with the role `sales_team` needs one; others may do without.
    sales_team_id: Option<Uuid>,
}

const fn analyst() -> Role {
    Role::Analyst
}

impl NewUser {
    fn check(&self) -> Result<(), ApiError> {
        let mut checks = Checks::default();
        checks.email(Some(&self.email));
        checks.username(Some(&self.username));
        checks.password(Some(&self.password));
        checks.full_name(self.full_name.as_deref());
        checks.team(self.role, self.sales_team_id);
        checks.finish()
    }
}

/// Register a user
///
/// Creates a user who can log in at once.
#[utoipa::path(
    post, path = "/api/auth/register", tag = "auth", security(("bearer" = [])),
    request_body = NewUser,
    responses(
        (status = 201, description = "The new user.", body = UserObject),
        (status = 401, body = ProblemObject),
        (status = 403, body = ProblemObject),
        (status = 404, description = "The sales team does not exist.", body = ProblemObject),
        (
            status = 409, description = "Another user has the email address (`email_taken`) or the username (`username_taken`).",
            body = ProblemObject, example = json!({
                "type": "about:blank", "title": "Conflict", "status": 409, "detail": "Another user has this username.",
                "code": "username_taken", "request_id": "6f1c9a52-8d3e-4b7a-9c41-2f0e5d7b8a90"
            }),
        ),
        (status = 413, body = ProblemObject),
        (status = 415, body = ProblemObject),
        (status = 422, body = ProblemObject),
    )
)]
pub async fn register_user(
    FromState(state): FromState<State>,
    ApiJson(new): ApiJson<NewUser>,
) -> Result<(StatusCode, Json<UserObject>), ApiError> {
    new.check()?;
    let user = User {
        id: Uuid::new_v4(),
        email: new.email,
        username: new.username,
        full_name: new.full_name,
        role: new.role,
        sales_team_id: new.sales_team_id,
        is_active: true,
        created_at: state.clock.now(),
        password_hash: password::hash(new.password).await?,
        tokens_valid_from: 0,
        revision: 0,
    };
    match state.users.create(&user).await? {
        Written::Done => Ok((StatusCode::CREATED, Json(UserObject::from(&user)))),
        refused => Err(refusal(refused)),
    }
}
