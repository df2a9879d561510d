//! Sales teams.

use shared::auth::user::SalesTeam;
use uuid::Uuid;

use super::{
    StoreError,
    keys::{self, BY_TIME},
    table::{Condition, Cursor, List, Table, Transacted, Write, document_of, item_of, listed},
};

#[derive(Clone)]
pub struct Teams {
    table: Table,
}

impl Teams {
    /// The sales teams of a table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Creates a team. Returns false when a team has this name already, regardless of case.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn create(&self, team: &SalesTeam) -> Result<bool, StoreError> {
        let mut item = item_of(&keys::team(team.id), team)?;
        listed(&mut item, BY_TIME, keys::TEAMS, keys::by_name(&team.name, team.id));
        let name = item_of(&keys::team_name(&team.name), &team.id)?;
        let writes = vec![Write::Put(item, Some(Condition::absent())), Write::Put(name, Some(Condition::absent()))];
        Ok(self.table.transact(writes).await? == Transacted::Done)
    }

    /// Reads a team. `None` when it does not exist.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when the team cannot be read.
    pub async fn get(&self, id: Uuid) -> Result<Option<SalesTeam>, StoreError> {
        self.table.get(&keys::team(id)).await?.map(|item| document_of(&item)).transpose()
    }

    /// Lists teams in the order of their names, after one of them. The second value says whether more teams follow.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when a team cannot be read.
    pub async fn list(&self, after: Option<&SalesTeam>, skip: u64, limit: u64) -> Result<(Vec<SalesTeam>, bool), StoreError> {
        let partition = keys::TEAMS.to_owned();
        let after = after.map(|team| Cursor { place: keys::by_name(&team.name, team.id), key: keys::team(team.id) });
        let list = List { index: BY_TIME, partition, forward: true, only: Vec::new(), after, skip, limit };
        let listed = self.table.list(list).await?;
        let teams = listed.items.iter().map(document_of).collect::<Result<_, _>>()?;
        Ok((teams, listed.more))
    }
}
