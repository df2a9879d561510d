//! `PUT /api/auth/users/{user_id}`: changes a user.

use api::{
    caller::Caller,
    extract::{ApiJson, PathId},
    problem::{ApiError, ProblemObject},
    read_fields,
};
use axum::{Json, extract::State as FromState, http::HeaderMap};
use jiff::Timestamp;
use shared::auth::{
    permission::{Permission, Role},
    user::{User, UserChange, UserObject},
};
use stores::{passwords, users::UserWritten};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    State,
    checks::{self, no_team, refusal},
};

/// Changes to a user. Fields that are left out keep their values.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"full_name": "Ana Alvarez", "is_active": true}))]
pub struct UserChanges {
    /// Email address. No other user may have it in any letter case.
    #[schema(value_type = String, required = false, format = Email, max_length = 254, example = "ana@example.com")]
    email: Option<String>,
    /// Name to log in with: letters, digits and `_`. No other user may have it in any letter case.
    #[schema(
        value_type = String, required = false, min_length = 3, max_length = 50, pattern = "^[A-Za-z0-9_]{3,50}$", example = "ana"
    )]
    username: Option<String>,
    /// Name for people. Null removes it.
    #[schema(value_type = Option<String>, required = false, min_length = 1, max_length = 200, example = "Ana Alvarez")]
    full_name: Option<Option<String>>,
    /// Role of the user. Administrators cannot change their own.
    #[schema(value_type = Role, required = false)]
    role: Option<Role>,
    /// Sales team of the user. Null removes it, which a user with the role `sales_team` does not allow.
    #[schema(value_type = Option<Uuid>, required = false)]
    sales_team_id: Option<Option<Uuid>>,
    /// Whether the user may log in. False also voids all earlier tokens of the user for good.
    #[schema(value_type = bool, required = false)]
    is_active: Option<bool>,
    /// New password, 8 to 128 characters. It voids all earlier tokens of the user for good.
    #[schema(value_type = String, required = false, format = Password, min_length = 8, max_length = 128, example = "correct horse battery")]
    password: Option<String>,
}

read_fields!(UserChanges {
    email: not_null(checks::email()),
    username: not_null(checks::username()),
    password: not_null(checks::password()),
    full_name: nullable(checks::full_name()),
    role: not_null,
    sales_team_id: nullable,
    is_active: not_null,
});

impl UserChanges {
    /// Rejects changes with which administrators would demote or deactivate themselves, so that an administrator always remains.
    fn spare_oneself(&self, caller: &User) -> Result<(), ApiError> {
        if self.role.is_some_and(|role| role != caller.role) {
            return Err(ApiError::Refused("own_role", "You cannot demote yourself. Ask another administrator.".into()));
        }
        if self.is_active == Some(false) {
            return Err(ApiError::Refused("own_account", "You cannot deactivate yourself. Ask another administrator.".into()));
        }
        Ok(())
    }

    /// The user after the changes.
    fn apply(&self, old: &User, password_hash: Option<&String>, now: Timestamp) -> Result<User, ApiError> {
        let change = UserChange {
            email: self.email.clone(),
            username: self.username.clone(),
            full_name: self.full_name.clone(),
            role: self.role,
            sales_team_id: self.sales_team_id,
            is_active: self.is_active,
            password_hash: password_hash.cloned(),
        };
        change.apply(old, now).map_err(|error| ApiError::invalid(no_team(error)))
    }
}

/// Number of tries to change a user whom another request changes at the same time.
const TRIES: usize = 5;

/// Change a user
///
/// Changes the fields that the body names. The new values apply to the next request of the user.
#[utoipa::path(
    put, path = "/api/auth/users/{user_id}", tag = "auth", security(("bearer" = [])),
    params(("user_id" = Uuid, Path, description = "Id of the user.")),
    request_body = UserChanges,
    responses(
        (status = 200, description = "The user with the changes.", body = UserObject),
        (
            status = 400, description = "Administrators cannot demote or deactivate themselves.", body = ProblemObject,
            example = json!({
                "type": "about:blank", "title": "Bad Request", "status": 400, "code": "own_account",
                "detail": "You cannot deactivate yourself. Ask another administrator.",
                "request_id": "6f1c9a52-8d3e-4b7a-9c41-2f0e5d7b8a90"
            }),
        ),
        (status = 404, description = "The user or the sales team does not exist.", body = ProblemObject),
        (
            status = 409, description = "Another user has the email address (`email_taken`) or the username (`username_taken`).",
            body = ProblemObject, example = json!({
                "type": "about:blank", "title": "Conflict", "status": 409, "detail": "Another user has this username.",
                "code": "username_taken", "request_id": "6f1c9a52-8d3e-4b7a-9c41-2f0e5d7b8a90"
            }),
        ),
    )
)]
pub async fn update_user(
    FromState(state): FromState<State>,
    mut caller: Caller,
    headers: HeaderMap,
    id: Result<PathId, ApiError>,
    ApiJson(changes): ApiJson<UserChanges>,
) -> Result<Json<UserObject>, ApiError> {
    let PathId(id) = id?;
    if id == caller.user.id {
        changes.spare_oneself(&caller.user)?;
    }
    let password_hash = match changes.password.clone() {
        Some(password) => Some(passwords::hash(password).await?),
        None => None,
    };
    for _ in 0..TRIES {
        let old = state.users.get(id).await?.ok_or(ApiError::not_found("The user"))?;
        let new = changes.apply(&old, password_hash.as_ref(), state.clock.now())?;
        match state.users.replace_by(&caller.user, &old, &new).await? {
            UserWritten::Done => return Ok(Json(UserObject::from(&new))),
            UserWritten::Outdated => {}
            refused => return Err(refusal(refused)),
        }
        // Check the caller again: the write is also outdated when the caller was changed, and the caller may have fewer rights
        // now.
        caller = state.authenticator.caller(&headers).await?;
        caller.scope(Permission::ManageUsers)?;
    }
    Err(refusal(UserWritten::Outdated))
}
