//! The user who makes a request.

use std::fmt;

use shared::auth::{
    permission::{Grant, Permission, grant},
    user::{Scope, User},
};

use super::problem::ApiError;

/// An active user with a valid token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub user: User,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.user.username, self.user.role)
    }
}

impl Caller {
    /// What the permission covers for the caller: everything, or what belongs to the caller's team.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`] when the role does not have the permission, or has it only within a team and the user has no team.
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
    use shared::auth::permission::Role;
    use uuid::Uuid;

    use super::*;

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
