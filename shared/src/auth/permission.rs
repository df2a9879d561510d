//! Roles, and the table of permissions of each role.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Role of a user: an `admin` may do everything, an `analyst` runs pipelines and sees all data, a member of a `sales_team` sees only
/// what belongs to that team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "analyst")]
pub enum Role {
    /// May do everything.
    Admin,
    /// Runs pipelines and sees all data; manages no users.
    Analyst,
    /// Belongs to a sales team and sees only what is that team's.
    SalesTeam,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Admin, Self::Analyst, Self::SalesTeam];

    /// The word for the role in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Analyst => "analyst",
            Self::SalesTeam => "sales_team",
        }
    }

    /// The role with this word; `None` when there is none.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An action that needs permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// See and change users.
    ManageUsers,
    /// Create sales teams.
    ManageTeams,
    /// See the names of sales teams.
    ReadTeams,
    /// See the configuration of the engine.
    ReadConfig,
    /// Start runs.
    StartRuns,
    /// Choose the rule set of a run, its sales team, or how its tapes are read.
    ChooseTerms,
    /// See runs and their results.
    ReadRuns,
    /// List and download files.
    ReadFiles,
    /// Upload, create and delete files in inputs and in the shared outputs.
    WriteFiles,
    /// Upload, create and delete files in the outputs of runs.
    WriteOutputs,
}

/// Extent of a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// The permission holds for everything.
    All,
    /// The permission holds for what belongs to the user's own team.
    OwnTeam,
    /// The role does not have the permission.
    Nothing,
}

use Grant::{All, Nothing, OwnTeam};

/// Extent of each permission for the roles admin, analyst and sales team, in this order.
const TABLE: [(Permission, [Grant; 3]); 10] = [
    (Permission::ManageUsers, [All, Nothing, Nothing]),
    (Permission::ManageTeams, [All, Nothing, Nothing]),
    (Permission::ReadTeams, [All, All, OwnTeam]),
    (Permission::ReadConfig, [All, All, All]),
    (Permission::StartRuns, [All, All, OwnTeam]),
    (Permission::ChooseTerms, [All, All, Nothing]),
    (Permission::ReadRuns, [All, All, OwnTeam]),
    (Permission::ReadFiles, [All, All, OwnTeam]),
    (Permission::WriteFiles, [All, All, OwnTeam]),
    (Permission::WriteOutputs, [All, Nothing, Nothing]),
];

/// Extent of a permission for a role.
pub fn grant(role: Role, permission: Permission) -> Grant {
    let row = TABLE.iter().find(|(of, _)| *of == permission);
    row.map_or(Nothing, |(_, grants)| grants[role as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_permission_has_one_row() {
        for (permission, _) in TABLE {
            assert_eq!(TABLE.iter().filter(|(other, _)| *other == permission).count(), 1, "{permission:?}");
        }
    }

    #[test]
    fn an_admin_may_do_everything_everywhere() {
        for (permission, _) in TABLE {
            assert_eq!(grant(Role::Admin, permission), All, "{permission:?}");
        }
    }

    #[test]
    fn an_analyst_manages_nobody_and_writes_no_outputs() {
        for (permission, _) in TABLE {
            use Permission::{ManageTeams, ManageUsers, WriteOutputs};
            let kept_out = matches!(permission, ManageTeams | ManageUsers | WriteOutputs);
            assert_eq!(grant(Role::Analyst, permission), if kept_out { Nothing } else { All }, "{permission:?}");
        }
    }

    #[test]
    fn a_sales_team_goes_nowhere_beyond_its_own() {
        for (permission, _) in TABLE {
            let unbounded = grant(Role::SalesTeam, permission) == All;
            assert_eq!(unbounded, permission == Permission::ReadConfig, "{permission:?}");
        }
    }

    #[test]
    fn a_role_has_one_word_everywhere() {
        for role in Role::ALL {
            assert_eq!(Role::from_word(role.as_str()), Some(role));
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
        }
        assert_eq!(Role::from_word("Admin"), None);
    }
}
