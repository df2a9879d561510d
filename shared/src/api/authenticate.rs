//! From the `Authorization` header to the caller, before anything else of a request is looked at.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};

use crate::{
    auth::{
        permission::{Grant, Permission, grant},
        token::Tokens,
        user::{Caller, Scope},
    },
    clock::Clock,
    stores::users::Users,
};

use super::{problem::ApiError, routes::Access};

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

impl Caller {
    /// How far the caller may go with something.
    ///
    /// # Errors
    /// The role does not have the permission, or is bound to a team and the user has none: 403.
    pub fn scope(&self, permission: Permission) -> Result<Scope, ApiError> {
        match grant(self.user.role, permission) {
            Grant::All => Ok(Scope::All),
            Grant::OwnTeam => self
                .user
                .sales_team_id
                .map(Scope::Team)
                .ok_or(ApiError::Forbidden("You belong to no sales team yet. Ask an administrator to add you to one.".into())),
            Grant::Nothing => Err(ApiError::not_allowed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use uuid::Uuid;

    use super::*;
    use crate::auth::{permission::Role, user::User};

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

    #[test]
    fn a_member_of_a_sales_team_without_a_team_reaches_nothing() {
        let user = User { role: Role::SalesTeam, sales_team_id: None, ..User::example("ana") };
        let caller = Caller { user };
        assert!(matches!(caller.scope(Permission::ReadRuns), Err(ApiError::Forbidden(_))));
        assert_eq!(caller.scope(Permission::ReadConfig).unwrap(), Scope::All);
        let team = Uuid::from_u128(9);
        let member = Caller { user: User { sales_team_id: Some(team), ..caller.user } };
        assert_eq!(member.scope(Permission::ReadRuns).unwrap(), Scope::Team(team));
        assert!(matches!(member.scope(Permission::ManageUsers), Err(ApiError::Forbidden(_))));
    }
}
