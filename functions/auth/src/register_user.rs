//! `POST /api/auth/register`: a new user.

use axum::{Json, extract::State as FromState, http::StatusCode};
use shared::{
    api::{
        extract::ApiJson,
        fields::{Fields, FromFields, any},
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
    checks::{self, NEEDS_TEAM, refusal},
};

/// A user to be.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// The address. Nobody else may have it, in any case of its letters.
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// The name to log in with. Nobody else may have it, in any case of its letters.
    #[schema(min_length = 3, max_length = 50, pattern = "^[A-Za-z0-9_]{3,50}$")]
    username: String,
    /// The password.
    #[schema(format = Password, min_length = 8, max_length = 128)]
    password: String,
    /// The name for people.
    #[schema(min_length = 1, max_length = 200)]
    full_name: Option<String>,
    /// The role.
    #[schema(required = false, default = "analyst")]
    role: Role,
    /// The team: a member of a sales team has one.
    sales_team_id: Option<Uuid>,
}

impl FromFields for NewUser {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let email = fields.required("email", checks::email());
        let username = fields.required("username", checks::username());
        let password = fields.required("password", checks::password());
        let full_name = fields.optional("full_name", checks::full_name());
        let role = fields.not_null("role", any).map(|role| role.unwrap_or(Role::Analyst));
        let sales_team_id = fields.optional("sales_team_id", any);
        if role == Some(Role::SalesTeam) && sales_team_id == Some(None) {
            return fields.refuse("sales_team_id", NEEDS_TEAM);
        }
        Some(Self {
            email: email?,
            username: username?,
            password: password?,
            full_name: full_name?,
            role: role?,
            sales_team_id: sales_team_id?,
        })
    }
}

/// Register a user
#[utoipa::path(
    post, path = "/api/auth/register", tag = "auth", security(("bearer" = [])),
    request_body = NewUser,
    responses(
        (status = 201, body = UserObject),
        (status = 401, body = ProblemObject),
        (status = 403, body = ProblemObject),
        (status = 404, description = "There is no such team", body = ProblemObject),
        (status = 409, description = "Somebody has the email address or the username", body = ProblemObject),
        (status = 413, body = ProblemObject),
        (status = 415, body = ProblemObject),
        (status = 422, body = ProblemObject),
    )
)]
pub async fn register_user(
    FromState(state): FromState<State>,
    ApiJson(new): ApiJson<NewUser>,
) -> Result<(StatusCode, Json<UserObject>), ApiError> {
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
