//! From the `Authorization` header to the caller, before anything else of a request is looked at.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};
use shared::{auth::token::Tokens, clock::Clock};
use stores::{resources::Resources, users::Users};

use super::{caller::Caller, problem::ApiError, routes::Access};

/// Finds out who makes a request.
#[derive(Clone)]
pub struct Authenticator {
    /// Checks tokens.
    pub tokens: Tokens,
    /// Knows the users.
    pub users: Users,
    /// Tells whether a token's time is over.
    pub clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// With the users of a process.
    pub fn new(resources: &Resources) -> Self {
        Self { tokens: resources.tokens.clone(), users: resources.users(), clock: Arc::clone(&resources.clock) }
    }

    /// The active user whose token the headers carry.
    ///
    /// # Errors
    /// No token, one that is not good, and a user who is not there or not active: 401, the same for all.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        let token = bearer(headers).ok_or(ApiError::not_logged_in())?;
        let claims = self.tokens.check(token, self.clock.now()).map_err(|_| ApiError::not_logged_in())?;
        let user = self.users.get(claims.sub).await?.ok_or(ApiError::not_logged_in())?;
        if !user.is_active || claims.iat < user.tokens_valid_from {
            return Err(ApiError::not_logged_in());
        }
        Ok(Caller { user })
    }
}

/// The token of an `Authorization: Bearer` header. The scheme may be in any case; there is one header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// What stands before a handler.
#[derive(Clone)]
pub struct Gate {
    /// Finds out who it is.
    pub authenticator: Authenticator,
    /// Who may pass.
    pub access: Access,
}

/// Lets a request pass, with its [`Caller`] among its extensions, or answers it.
///
/// # Errors
/// 401 without a caller, 403 with the wrong one.
pub async fn authenticate(State(gate): State<Gate>, mut request: Request, next: Next) -> Result<Response, ApiError> {
    let caller = gate.authenticator.caller(request.headers()).await?;
    if let Access::With(permission) = gate.access {
        caller.scope(permission)?;
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_token_follows_the_word_bearer() {
        assert_eq!(bearer(&headers(&["Bearer abc"])), Some("abc"));
        assert_eq!(bearer(&headers(&["bearer  abc "])), Some("abc"));
        for bad in [&[][..], &[""], &["abc"], &["Bearer"], &["Bearer "], &["Basic abc"], &["Bearer a", "Bearer b"]] {
            assert_eq!(bearer(&headers(bad)), None, "{bad:?}");
        }
    }
}
