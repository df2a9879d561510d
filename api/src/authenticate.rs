//! Finds the caller by the `Authorization` header, before anything else of the request is read.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use shared::{auth::token::Tokens, clock::Clock};
use stores::{resources::Resources, users::Users};

use super::{caller::Caller, problem::ApiError};

/// Finds the user who makes a request.
#[derive(Clone)]
pub struct Authenticator {
    pub tokens: Tokens,
    pub users: Users,
    /// Decides whether a token has expired.
    pub clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// Uses the tokens, users and clock of the process.
    pub fn new(resources: &Resources) -> Self {
        Self { tokens: resources.tokens.clone(), users: resources.users(), clock: Arc::clone(&resources.clock) }
    }

    /// The active user whose token the headers carry.
    ///
    /// # Errors
    /// [`ApiError::Unauthenticated`] without a token, with an invalid token, and for a user who does not exist or is not active;
    /// the answer is the same in all cases. [`ApiError::Unavailable`] when the table does not answer.
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

/// The token of the `Authorization: Bearer` header; `None` when the request has several. The scheme may be in any letter case.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
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
