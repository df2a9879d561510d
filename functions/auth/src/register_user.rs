//! `POST /api/auth/register`: creates a user.

use api::{
    extract::ApiJson,
    fields::{Fields, FromFields, any},
    problem::{ApiError, ProblemObject},
};
use axum::{Json, extract::State as FromState, http::StatusCode};
use shared::auth::{
    permission::Role,
    user::{User, UserObject, check_team},
};
use stores::{passwords, users::UserWritten};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    State,
    checks::{self, refusal},
};

/// A new user.
#[derive(ToSchema)]
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
    #[schema(required = false, default = "analyst")]
    role: Role,
    /// Sales team of the user. A user with the role `sales_team` needs one; others may do without.
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
        if let (Some(role), Some(team)) = (role, sales_team_id)
            && let Err(error) = check_team(role, team)
        {
            return fields.refuse("sales_team_id", error.to_string());
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
///
/// Creates a user who can log in at once.
#[utoipa::path(
    post, path = "/api/auth/register", tag = "auth", security(("bearer" = [])),
    request_body = NewUser,
    responses(
        (status = 201, description = "The new user.", body = UserObject),
        (status = 404, description = "The sales team does not exist.", body = ProblemObject),
        (
            status = 409, description = "Another user has the email address (`email_taken`) or the username (`username_taken`).",
            body = ProblemObject, example = json!({
                "type": "about:blank", "title": "Conflict", "status": 409, "detail": "Another user has this username.",
                "code": "username_taken", "request_id": "6f1c9a52-8d3e-4b7a-9c41-2f0e5d7b8a90"
            }),
        ),
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
        password_hash: passwords::hash(new.password).await?,
        tokens_valid_from: 0,
        revision: 0,
    };
    match state.users.create(&user).await? {
        UserWritten::Done => Ok((StatusCode::CREATED, Json(UserObject::from(&user)))),
        refused => Err(refusal(refused)),
    }
}
