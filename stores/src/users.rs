//! Users. An email address and a username belong to one user each, regardless of case. Marks, which the same transaction writes,
//! ensure this.

use jiff::Timestamp;
use shared::auth::{
    permission::Role,
    user::{User, check_username},
};
use uuid::Uuid;

use super::{
    StoreError,
    keys::{self, BY_TIME, REVISION},
    table::{Condition, Cursor, Item, List, Table, Transacted, Write, document_of, item_of, listed, number, text},
};

#[derive(Clone)]
pub struct Users {
    table: Table,
}

/// Result of writing a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserWritten {
    /// The user is written.
    Done,
    /// Another user has the email address.
    EmailTaken,
    /// Another user has the username.
    UsernameTaken,
    /// The sales team does not exist.
    NoSuchTeam,
    /// Another request changed the user in the meantime.
    Outdated,
}

/// Filter of a list of users. `None` matches all.
#[derive(Debug, Clone, Copy, Default)]
pub struct UserFilter {
    pub role: Option<Role>,
    pub sales_team_id: Option<Uuid>,
}

/// A write of a transaction, and the result to report when its condition does not hold.
type Purpose = (Write, UserWritten);

impl Users {
    /// The users of a table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Reads a user, from the cache where this process has one. `None` when the user does not exist.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when the user cannot be read.
    pub async fn get(&self, id: Uuid) -> Result<Option<User>, StoreError> {
        let Some(known) = &self.table.known_users else { return self.read(id).await };
        let generation = match known.find(id) {
            Ok(user) => return Ok(Some(user)),
            Err(generation) => generation,
        };
        let user = self.read(id).await?;
        if let Some(user) = &user {
            known.learn(generation, user);
        }
        Ok(user)
    }

    async fn read(&self, id: Uuid) -> Result<Option<User>, StoreError> {
        self.table.get(&keys::user(id)).await?.map(|item| document_of(&item)).transpose()
    }

    /// Reads the user with a username, regardless of case. `None` when there is no such user.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when the user cannot be read.
    pub async fn by_username(&self, username: &str) -> Result<Option<User>, StoreError> {
        if check_username(username.trim()).is_err() {
            return Ok(None);
        }
        let mark = self.table.get(&keys::username(username)).await?;
        // Look up unknown users as well, and no user from the cache, so that response time does not reveal which usernames exist.
        self.read(mark.as_ref().map_or(Ok(Uuid::nil()), document_of)?).await
    }

    /// Registers a user.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn create(&self, user: &User) -> Result<UserWritten, StoreError> {
        let mut purposes = vec![
            (Write::Put(user_item(user)?, Some(Condition::absent())), UserWritten::Outdated),
            (take(&keys::email(&user.email), user.id)?, UserWritten::EmailTaken),
            (take(&keys::username(&user.username), user.id)?, UserWritten::UsernameTaken),
        ];
        purposes.extend(team_exists(user.sales_team_id));
        self.write(purposes).await
    }

    /// Replaces a user by another state of the same user, unless another request changed the user in the meantime.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn replace(&self, old: &User, new: &User) -> Result<UserWritten, StoreError> {
        self.write(replacing(old, new)?).await
    }

    /// Replaces a user on behalf of an administrator, `by`, in the state in which that administrator was read. When two
    /// administrators remove each other's role or account at the same time, one of the writes fails as [`UserWritten::Outdated`], so
    /// that an administrator always remains.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn replace_by(&self, by: &User, old: &User, new: &User) -> Result<UserWritten, StoreError> {
        let mut purposes = replacing(old, new)?;
        if by.id == old.id {
            // `old` was read after `by`: since then, the administrator may have lost the right to change its account.
            if by.revision != old.revision {
                return Ok(UserWritten::Outdated);
            }
        } else if old.is_administrator() && !new.is_administrator() {
            purposes.push((Write::Check(keys::user(by.id), unchanged(by)), UserWritten::Outdated));
        }
        self.write(purposes).await
    }

    async fn write(&self, purposes: Vec<Purpose>) -> Result<UserWritten, StoreError> {
        let (writes, reasons): (Vec<Write>, Vec<UserWritten>) = purposes.into_iter().unzip();
        Ok(match self.transact(writes).await? {
            Transacted::Done => UserWritten::Done,
            // Report `Outdated` first: the other conditions may have failed at new marks of the same user.
            Transacted::Refused(places) => {
                places.first().and_then(|at| reasons.get(*at)).copied().unwrap_or(UserWritten::Outdated)
            }
        })
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<Transacted, StoreError> {
        let Some(known) = self.table.known_users.clone() else { return self.table.transact(writes).await };
        known.forget();
        // Write in a task of its own: the client may disconnect during the write, and the cache must be cleared even then.
        let table = self.table.clone();
        let written = tokio::spawn(async move {
            let written = table.transact(writes).await;
            known.forget();
            written
        });
        written.await.map_err(|error| StoreError::Unavailable(Box::new(error)))?
    }

    /// Lists users in the order of their creation, after the user with a creation time and an id. The second value says whether
    /// more users follow.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when a user cannot be read.
    pub async fn list(
        &self,
        filter: UserFilter,
        after: Option<(Timestamp, Uuid)>,
        skip: u64,
        limit: u64,
    ) -> Result<(Vec<User>, bool), StoreError> {
        let after = after.map(|(created_at, id)| Cursor { place: keys::moment(created_at, id), key: keys::user(id) });
        let mut only = Vec::new();
        only.extend(filter.role.map(|role| (ROLE, text(role.as_str()))));
        only.extend(filter.sales_team_id.map(|team| (TEAM, text(team))));
        let partition = keys::USERS.to_owned();
        let listed = self.table.list(List { index: BY_TIME, partition, forward: true, only, after, skip, limit }).await?;
        let users = listed.items.iter().map(document_of).collect::<Result<_, _>>()?;
        Ok((users, listed.more))
    }
}

/// Condition: the user is unchanged since it was read.
fn unchanged(user: &User) -> Condition {
    Condition::new("revision = :seen").with(":seen", number(user.revision))
}

/// The writes that replace the state of a user: the user, the changed marks, and a check of a changed team.
fn replacing(old: &User, new: &User) -> Result<Vec<Purpose>, StoreError> {
    let new = User { revision: old.revision + 1, ..new.clone() };
    let mut purposes = vec![(Write::Put(user_item(&new)?, Some(unchanged(old))), UserWritten::Outdated)];
    let marks = [
        (keys::email(&old.email), keys::email(&new.email), UserWritten::EmailTaken),
        (keys::username(&old.username), keys::username(&new.username), UserWritten::UsernameTaken),
    ];
    for (before, after, taken) in marks.into_iter().filter(|(before, after, _)| before != after) {
        purposes.push((take(&after, new.id)?, taken));
        purposes.push((Write::Delete(before, None), UserWritten::Outdated));
    }
    if new.sales_team_id != old.sales_team_id {
        purposes.extend(team_exists(new.sales_team_id));
    }
    Ok(purposes)
}

const ROLE: &str = "role";
const TEAM: &str = "sales_team_id";

fn user_item(user: &User) -> Result<Item, StoreError> {
    let mut item = item_of(&keys::user(user.id), user)?;
    listed(&mut item, BY_TIME, keys::USERS, keys::moment(user.created_at, user.id));
    item.insert(REVISION.to_owned(), number(user.revision));
    item.insert(ROLE.to_owned(), text(user.role.as_str()));
    if let Some(team) = user.sales_team_id {
        item.insert(TEAM.to_owned(), text(team));
    }
    Ok(item)
}

fn take(mark: &keys::Key, user: Uuid) -> Result<Write, StoreError> {
    Ok(Write::Put(item_of(mark, &user)?, Some(Condition::absent())))
}

fn team_exists(team: Option<Uuid>) -> Option<Purpose> {
    team.map(|team| (Write::Check(keys::team(team), Condition::present()), UserWritten::NoSuchTeam))
}
