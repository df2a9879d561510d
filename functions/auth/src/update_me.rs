//! `PUT /api/auth/me`: changes the password or the full name of the current user.

use api::{
    caller::Caller,
    extract::{ApiJson, ClientAddress},
    fields::{Fields, FromFields},
    problem::{ApiError, ProblemObject},
    read_fields,
};
use axum::{Json, extract::State as FromState, http::HeaderMap};
use shared::auth::user::{UserChange, UserObject};
use stores::{passwords, throttle::Whose, users::UserWritten};
use utoipa::ToSchema;

use crate::{
    State,
    checks::{self, no_team, refusal},
    throttled::{refuse_blocked, too_many},
};

/// Changes to the current user. Name a new password, a full name, or both.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OwnChanges, example = json!({"current_password": "correct horse battery", "password": "staple correct horse"}))]
pub struct OwnChanges {
    /// Password of the user before the change.
    #[schema(format = Password, min_length = 1, example = "correct horse battery")]
    current_password: String,
    /// New password, 8 to 128 characters. It voids all earlier tokens of the user for good, the token of this request included.
    #[schema(value_type = String, required = false, format = Password, min_length = 8, max_length = 128, example = "staple correct horse")]
    password: Option<String>,
    /// Name for people. Null removes it.
    #[schema(value_type = Option<String>, required = false, min_length = 1, max_length = 200, example = "Ana Alvarez")]
    full_name: Option<Option<String>>,
}

read_fields!(OwnChanges {
    current_password: required,
    password: not_null(checks::password()),
    full_name: nullable(checks::full_name()),
});

/// Changes of which there is at least one.
pub struct SomeChanges(OwnChanges);

impl FromFields for SomeChanges {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let changes = OwnChanges::from_fields(fields)?;
        if changes.password.is_none() && changes.full_name.is_none() {
            return fields.refuse("password", "Name a new `password`, a `full_name`, or both.");
        }
        Some(Self(changes))
    }
}

/// Number of tries to change a user whom another request changes at the same time.
const TRIES: usize = 5;

/// Change the current user
///
/// Changes the password or the full name of the user whose token the request carries. The current password proves that the user, and not
/// another person with the token, makes the change; a wrong one counts like a failed log-in. After a new password, log in again.
#[utoipa::path(
    put, path = "/api/auth/me", tag = "auth", security(("bearer" = [])),
    request_body = OwnChanges,
    responses(
        (status = 200, description = "The user with the changes.", body = UserObject),
        (
            status = 403, description = "The current password is wrong (`wrong_password`).", body = ProblemObject,
            example = json!({
                "type": "about:blank", "title": "Forbidden", "status": 403, "code": "wrong_password",
                "detail": "The current password is wrong. Nothing was changed.",
                "request_id": "6f1c9a52-8d3e-4b7a-9c41-2f0e5d7b8a90"
            }),
        ),
        (
            status = 409, description = "Another request changes the user at the same time (`user_changed`).", body = ProblemObject,
            example = json!({
                "type": "about:blank", "title": "Conflict", "status": 409, "code": "user_changed",
                "detail": "Somebody else is changing this user at the same time. Look at the user, then try again.",
                "request_id": "6f1c9a52-8d3e-4b7a-9c41-2f0e5d7b8a90"
            }),
        ),
        (status = 429, description = "Too many wrong passwords. Try again after the seconds in `Retry-After`.", body = ProblemObject),
    )
)]
pub async fn update_me(
    FromState(state): FromState<State>,
    mut caller: Caller,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    ApiJson(SomeChanges(changes)): ApiJson<SomeChanges>,
) -> Result<Json<UserObject>, ApiError> {
    let proven = state.prove(&caller, &address, changes.current_password).await?;
    let password_hash = match changes.password {
        Some(password) => Some(passwords::hash(password).await?),
        None => None,
    };
    let change = UserChange { full_name: changes.full_name, password_hash, ..UserChange::default() };
    for _ in 0..TRIES {
        let old = &caller.user;
        // Another request changed the password: the one that this request knows is no longer the current one.
        if old.password_hash != proven {
            break;
        }
        let new = change.apply(old, state.clock.now()).map_err(|error| ApiError::invalid(no_team(error)))?;
        match state.users.replace(old, &new).await? {
            UserWritten::Done => return Ok(Json(UserObject::from(&new))),
            UserWritten::Outdated => caller = state.authenticator.caller(&headers).await?,
            refused => return Err(refusal(refused)),
        }
    }
    Err(refusal(UserWritten::Outdated))
}

impl State {
    /// Checks the current password of the caller. Returns the hash that it matches.
    ///
    /// # Errors
    /// [`ApiError::Denied`] with the code `wrong_password`; [`ApiError::TooManyTries`] after too many failures;
    /// [`ApiError::Unavailable`] or [`ApiError::Internal`] when the store fails.
    async fn prove(&self, caller: &Caller, address: &str, password: String) -> Result<String, ApiError> {
        let whose = [Whose::Username(&caller.user.username), Whose::Address(address)];
        let now = self.clock.now();
        refuse_blocked(self, whose, now).await?;
        let hash = caller.user.password_hash.clone();
        if !passwords::verify(password, Some(hash.clone())).await? {
            let (by_name, by_address) = (self.failures.add(whose[0], now).await?, self.failures.add(whose[1], now).await?);
            let wrong = ApiError::Denied("wrong_password", "The current password is wrong. Nothing was changed.".into());
            return Err(by_name.max(by_address).map_or(wrong, too_many));
        }
        // Check again: concurrent tries must not get past the throttle.
        refuse_blocked(self, whose, now).await?;
        Ok(hash)
    }
}
