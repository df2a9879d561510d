//! `PUT /api/auth/users/{user_id}`: changes to a user.

use axum::{Json, extract::State as FromState, http::HeaderMap};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use shared::{
    api::{
        extract::{ApiJson, PathId},
        problem::{ApiError, ProblemObject},
    },
    auth::{
        password,
        permission::{Permission, Role},
        user::{Caller, User, UserChange, UserObject},
    },
    stores::users::Written,
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    State,
    checks::{Checks, no_team, refusal},
};

/// What is to change of a user. What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChanges {
    /// The address.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false, format = Email, max_length = 254)]
    email: Option<String>,
    /// The name to log in with.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false, min_length = 3, max_length = 50, pattern = "^[A-Za-z0-9_]{3,50}$")]
    username: Option<String>,
    /// The name for people; `null` takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, required = false, min_length = 1, max_length = 200)]
    full_name: Option<Option<String>>,
    /// The role.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Role, required = false)]
    role: Option<Role>,
    /// The team; `null` takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Uuid>, required = false)]
    sales_team_id: Option<Option<Uuid>>,
    /// Whether the user may log in. Without it, earlier tokens are void for good.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    is_active: Option<bool>,
    /// A new password. Earlier tokens are void for good.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false, format = Password, min_length = 8, max_length = 128)]
    password: Option<String>,
}

/// A field that is there, whatever it says: one that is left out is none, and `null` is a value like any other.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(reader: D) -> Result<Option<T>, D::Error> {
    T::deserialize(reader).map(Some)
}

impl UserChanges {
    fn check(&self) -> Result<(), ApiError> {
        let mut checks = Checks::default();
        checks.email(self.email.as_deref());
        checks.username(self.username.as_deref());
        checks.password(self.password.as_deref());
        checks.full_name(self.full_name.as_ref().and_then(Option::as_deref));
        checks.finish()
    }

    /// Nobody locks the last door behind themself.
    fn spare_oneself(&self, caller: &User) -> Result<(), ApiError> {
        if self.role.is_some_and(|role| role != caller.role) {
            return Err(ApiError::Refused("own_role", "You cannot demote yourself. Ask another administrator.".into()));
        }
        if self.is_active == Some(false) {
            return Err(ApiError::Refused("own_account", "You cannot deactivate yourself. Ask another administrator.".into()));
        }
        Ok(())
    }

    /// The user as it will be.
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
        change.apply(old, now).map_err(|error| ApiError::Invalid(vec![no_team(error)]))
    }
}

/// How often changes are tried on a user whom somebody else changes at the same time.
const TRIES: usize = 5;

/// Change a user
#[utoipa::path(
    put, path = "/api/auth/users/{user_id}", tag = "auth", security(("bearer" = [])),
    params(("user_id" = Uuid, Path, description = "The user's id")),
    request_body = UserChanges,
    responses(
        (status = 200, body = UserObject),
        (status = 400, description = "Administrators cannot demote or deactivate themselves", body = ProblemObject),
        (status = 401, body = ProblemObject),
        (status = 403, body = ProblemObject),
        (status = 404, description = "There is no such user, or no such team", body = ProblemObject),
        (status = 409, description = "Somebody has the email address or the username", body = ProblemObject),
        (status = 413, body = ProblemObject),
        (status = 415, body = ProblemObject),
        (status = 422, body = ProblemObject),
    )
)]
pub async fn update_user(
    FromState(state): FromState<State>,
    mut caller: Caller,
    headers: HeaderMap,
    id: Result<PathId, ApiError>,
    ApiJson(changes): ApiJson<UserChanges>,
) -> Result<Json<UserObject>, ApiError> {
    changes.check()?;
    let PathId(id) = id?;
    if id == caller.user.id {
        changes.spare_oneself(&caller.user)?;
    }
    let password_hash = match changes.password.clone() {
        Some(password) => Some(password::hash(password).await?),
        None => None,
    };
    for _ in 0..TRIES {
        let old = state.users.get(id).await?.ok_or(ApiError::not_found("The user"))?;
        let new = changes.apply(&old, password_hash.as_ref(), state.clock.now())?;
        match state.users.replace_by(&caller.user, &old, &new).await? {
            Written::Done => return Ok(Json(UserObject::from(&new))),
            Written::Outdated => {}
            refused => return Err(refusal(refused)),
        }
        // It may be the caller who was changed in the meantime, and may do less by now.
        caller = state.authenticator.caller(&headers).await?;
        caller.scope(Permission::ManageUsers)?;
    }
    Err(refusal(Written::Outdated))
}
