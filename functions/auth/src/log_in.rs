//! `POST /api/auth/login`: exchanges a username and a password for an access token.

use api::{
    extract::{ApiForm, ApiJson, ClientAddress, media_type},
    fields::{Fields, FromFields, any},
    problem::{ApiError, ProblemObject},
    read_fields,
    values::Word,
};
use axum::{
    Json,
    extract::{FromRequest, Request, State as FromState},
};
use serde::{Deserialize, Serialize};
use shared::auth::user::UserObject;
use stores::{passwords, throttle::Whose};
use utoipa::ToSchema;

use crate::{
    State,
    throttled::{refuse_blocked, too_many},
};

/// Username and password.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Username, in any letter case.
    #[schema(min_length = 1, example = "ana")]
    username: String,
    /// Password.
    #[schema(format = Password, min_length = 1, example = "correct horse battery")]
    password: String,
}

read_fields!(Credentials { username: required, password: required });

/// The form that OAuth2 clients send for the password flow. Other fields are ignored.
#[expect(dead_code, reason = "the form is read as credentials; what else OAuth2 clients send decides nothing")]
#[derive(ToSchema)]
#[schema(example = json!({"username": "ana", "password": "correct horse battery"}))]
pub struct LogInForm {
    /// Username, in any letter case.
    #[schema(min_length = 1, example = "ana")]
    username: String,
    /// Password.
    #[schema(format = Password, min_length = 1, example = "correct horse battery")]
    password: String,
    /// Flow of OAuth2.
    grant_type: Option<GrantType>,
    /// Ignored: the role of the user decides.
    #[schema(example = "")]
    scope: Option<String>,
    /// Ignored.
    #[schema(example = "")]
    client_id: Option<String>,
    /// Ignored.
    #[schema(format = Password, example = "")]
    client_secret: Option<String>,
}

/// A flow of OAuth2.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// A username and a password for a token.
    Password,
}

impl Word for GrantType {}

/// The credentials in a [`LogInForm`].
struct FormCredentials(Credentials);

impl FromFields for FormCredentials {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let credentials = Credentials::from_fields(fields);
        let grant_type = fields.optional::<GrantType, _>("grant_type", any);
        grant_type.and(credentials).map(Self)
    }
}

impl FromRequest<State> for Credentials {
    type Rejection = ApiError;

    /// Reads a form, as OAuth2 clients send one, or JSON.
    async fn from_request(request: Request, state: &State) -> Result<Self, ApiError> {
        match media_type(request.headers()).as_deref() {
            Some("application/x-www-form-urlencoded") => {
                ApiForm::from_request(request, state).await.map(|ApiForm(FormCredentials(credentials))| credentials)
            }
            _ => Ok(ApiJson::from_request(request, state).await?.0),
        }
    }
}

/// Access token and its user.
#[derive(Serialize, ToSchema)]
pub struct LoggedIn {
    /// Token to send as `Authorization: Bearer <token>`.
    #[schema(example = "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl")]
    access_token: String,
    /// Always `bearer`.
    #[schema(example = "bearer")]
    token_type: &'static str,
    /// Number of seconds until the token expires.
    #[schema(example = 28_800)]
    expires_in: i64,
    /// User who logged in.
    user: UserObject,
}

/// Log in
///
/// Exchanges a username and a password for an access token, which is valid for 8 hours unless configured otherwise. After more than
/// 10 failed tries for a username, or more than 100 from an address, within 15 minutes, further tries answer 429.
#[utoipa::path(
    post, path = "/api/auth/login", tag = "auth",
    request_body(content(
        (LogInForm = "application/x-www-form-urlencoded"),
        (Credentials = "application/json"),
    )),
    responses(
        (status = 200, description = "The access token.", body = LoggedIn),
        (
            status = 401, description = "The username or the password is wrong, or the account is disabled.", body = ProblemObject,
            example = json!({
                "type": "about:blank", "title": "Unauthorized", "status": 401, "detail": "Incorrect username or password",
                "code": "unauthenticated", "request_id": "6f1c9a52-8d3e-4b7a-9c41-2f0e5d7b8a90"
            }),
        ),
        (status = 429, description = "Too many failed tries. Try again after the seconds in `Retry-After`.", body = ProblemObject),
    )
)]
pub async fn log_in(
    FromState(state): FromState<State>,
    ClientAddress(address): ClientAddress,
    credentials: Credentials,
) -> Result<Json<LoggedIn>, ApiError> {
    let whose = [Whose::Username(&credentials.username), Whose::Address(&address)];
    let now = state.clock.now();
    refuse_blocked(&state, whose, now).await?;
    let user = state.users.by_username(&credentials.username).await?;
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let fits = passwords::verify(credentials.password, hash).await?;
    let Some(user) = user.filter(|_| fits) else {
        let (by_name, by_address) = (state.failures.add(whose[0], now).await?, state.failures.add(whose[1], now).await?);
        return Err(by_name.max(by_address).map_or(wrong(), too_many));
    };
    // Check again: concurrent tries must not get past the throttle.
    refuse_blocked(&state, whose, now).await?;
    if !user.is_active {
        return Err(ApiError::Unauthenticated("This account is disabled. Ask an administrator.".into()));
    }
    let access_token = state.tokens.issue(&user, now)?;
    let expires_in = state.tokens.lifetime_seconds();
    Ok(Json(LoggedIn { access_token, token_type: "bearer", expires_in, user: UserObject::from(&user) }))
}

fn wrong() -> ApiError {
    ApiError::Unauthenticated("Incorrect username or password".into())
}
