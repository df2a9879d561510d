//! Users and teams, stored directly and not through the API.

use std::sync::LazyLock;

use jiff::SignedDuration;
use shared::auth::{
    password,
    permission::Role,
    user::{SalesTeam, User},
};
use stores::users::UserWritten;
use uuid::Uuid;

use super::TestApp;

/// The password of every user.
pub const PASSWORD: &str = "correct horse";

/// Hashing is slow on purpose, so all users share one hash.
static HASH: LazyLock<String> = LazyLock::new(|| password::hash(PASSWORD).unwrap());

/// A logged-in user.
#[derive(Debug, Clone)]
pub struct Person {
    pub user: User,
    pub token: String,
}

impl TestApp {
    /// Stores a user and logs them in.
    pub async fn person(&self, username: &str, role: Role, sales_team_id: Option<Uuid>) -> Person {
        let user = User {
            id: Uuid::new_v4(),
            email: format!("{username}@example.com"),
            username: username.to_owned(),
            full_name: None,
            role,
            sales_team_id,
            is_active: true,
            created_at: self.resources.clock.now(),
            password_hash: HASH.clone(),
            tokens_valid_from: 0,
            revision: 0,
        };
        assert_eq!(self.resources.users().create(&user).await.unwrap(), UserWritten::Done);
        // Those who come later are listed later.
        self.clock.advance(SignedDuration::from_millis(1));
        let token = self.resources.tokens.issue(&user, self.resources.clock.now()).unwrap();
        Person { user, token }
    }

    /// Stores a team.
    pub async fn team(&self, name: &str) -> SalesTeam {
        let team = SalesTeam { id: Uuid::new_v4(), name: name.to_owned() };
        assert!(self.resources.teams().create(&team).await.unwrap());
        team
    }
}
