//! `GET /api/auth/me`: shows the current user.

use api::caller::Caller;
use axum::Json;
use shared::auth::user::UserObject;

/// Show the current user
///
/// Shows the user whose token the request carries.
#[utoipa::path(
    get, path = "/api/auth/me", tag = "auth", security(("bearer" = [])),
    responses((status = 200, description = "The current user.", body = UserObject))
)]
pub async fn get_me(caller: Caller) -> Json<UserObject> {
    Json(UserObject::from(&caller.user))
}
