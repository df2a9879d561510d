//! `loan-engine admin`: users and sales teams, in a data folder or in a deployed stack.

mod users;

use std::{io::Write, path::Path, sync::Arc};

use command::{
    CommandContext, Format,
    error::CommandError,
    plain_text::{one_line, short_line},
    print,
    text_table::{Align, TextTable},
};
use serde::Serialize;
use shared::{
    auth::user::{SalesTeam, folded},
    clock::Clock,
};
use stores::{clients, table::Table, teams::Teams};
use uuid::Uuid;

use crate::{
    arguments::{AdminArgs, AdminCommand, DATA_FOLDER},
    data_folder::DataFolder,
    embedded::EmbeddedStores,
    serve::runtime,
    store_failure,
};

/// Executes an admin command and prints its result.
///
/// # Errors
/// [`CommandError::Usage`] when the data folder, the user or the team does not exist, or a password is missing or invalid;
/// [`CommandError::Failed`] when the stores do not answer or the change is not allowed.
pub fn admin(args: &AdminArgs, context: &CommandContext, out: &mut dyn Write) -> Result<(), CommandError> {
    let runtime = runtime()?;
    runtime.block_on(async {
        // Commands that only read or change data need an existing folder. A new, empty folder would hide a wrong `--data-dir`.
        let makes = matches!(args.command, AdminCommand::CreateUser(_) | AdminCommand::CreateTeam { .. });
        let place = AdminContext::open(args.data_dir.as_deref(), makes, context).await?;
        let (ask_password, types_passwords) = (context.ask_password, context.types_passwords);
        let desk = AdminCommands { place, clock: Arc::clone(&context.clock), ask_password, types_passwords };
        let said = match &args.command {
            AdminCommand::CreateUser(args) => desk.create_user(args).await?,
            AdminCommand::UpdateUser(args) => desk.update_user(args).await?,
            AdminCommand::SetPassword { username } => desk.set_password(username).await?,
            AdminCommand::CreateTeam { name } => desk.create_team(name).await?,
            AdminCommand::ListTeams { format } => desk.list_teams(*format).await?,
            AdminCommand::ListUsers { format } => desk.list_users(*format).await?,
        };
        print(out, said.as_bytes())
    })
}

/// The table that holds users and teams.
struct AdminContext {
    table: Table,
    /// Name of the folder or the table, for messages.
    name: String,
    /// Keeps the data folder locked while the table is in use; `None` for a deployed stack.
    _stores: Option<EmbeddedStores>,
}

impl AdminContext {
    /// Opens the folder of `--data-dir`; without it, the deployed stack that `TABLE_NAME` names; without both, the default folder
    /// of `serve`.
    async fn open(folder: Option<&Path>, makes: bool, context: &CommandContext) -> Result<Self, CommandError> {
        let deployed = (context.variable)("TABLE_NAME").filter(|name| !name.trim().is_empty());
        match (folder, deployed) {
            (None, Some(name)) => {
                let client = clients::dynamodb(&clients::sdk_config().await);
                Ok(Self { name: format!("the table {name}"), table: Table { client, name, known_users: None }, _stores: None })
            }
            (folder, _) => {
                let folder = folder.unwrap_or(Path::new(DATA_FOLDER));
                let located = context.locate(folder);
                if !makes && !located.exists() {
                    return Err(CommandError::Usage(format!(
                        "There is no data folder {}. Name the folder that `serve` uses with --data-dir.",
                        located.display()
                    )));
                }
                let stores = DataFolder::open(&located, context.clock.clone())?.stores;
                let table = stores.table().await.map_err(|error| store_failure(&error))?;
                Ok(Self { table, name: folder.display().to_string(), _stores: Some(stores) })
            }
        }
    }
}

/// Executes the admin commands.
struct AdminCommands {
    place: AdminContext,
    clock: Arc<dyn Clock>,
    ask_password: fn(&str) -> std::io::Result<shared::auth::secret::Secret>,
    /// Whether passwords are typed. The command then asks for each one twice, to catch typing errors.
    types_passwords: bool,
}

/// Formats a list as JSON.
fn json(list: &impl Serialize) -> Result<String, CommandError> {
    let json = serde_json::to_string_pretty(list);
    json.map(|json| json + "\n").map_err(|error| CommandError::Failed(format!("The list cannot be shown: {error}.")))
}

/// Teams or users read at a time.
const PAGE: u64 = 1000;

impl AdminCommands {
    fn teams(&self) -> Teams {
        Teams::new(self.place.table.clone())
    }

    async fn create_team(&self, name: &str) -> Result<String, CommandError> {
        let team = SalesTeam { id: Uuid::new_v4(), name: name.trim().to_owned() };
        if !self.teams().create(&team).await.map_err(|error| store_failure(&error))? {
            return Err(CommandError::Failed(format!("There is a sales team named {} already.", one_line(&team.name))));
        }
        Ok(format!("Made the sales team {} with the id {} in {}.\n", one_line(&team.name), team.id, self.place.name))
    }

    async fn list_teams(&self, format: Format) -> Result<String, CommandError> {
        let teams = self.all_teams().await?;
        if format == Format::Json {
            return json(&teams);
        }
        let mut table = TextTable::new(&["team", "id"].map(|name| (name, Align::Left)));
        for team in &teams {
            table.row([short_line(&team.name, 50), team.id.to_string()]);
        }
        let mut text = String::new();
        table.print(&mut text, 0);
        Ok(text)
    }

    async fn all_teams(&self) -> Result<Vec<SalesTeam>, CommandError> {
        let mut all = Vec::new();
        loop {
            let (teams, more) = self.teams().list(None, all.len() as u64, PAGE).await.map_err(|error| store_failure(&error))?;
            all.extend(teams);
            if !more {
                return Ok(all);
            }
        }
    }

    /// Finds a team by its name or id.
    async fn team(&self, called: &str) -> Result<SalesTeam, CommandError> {
        let id: Option<Uuid> = called.parse().ok();
        let wanted = folded(called);
        let found = self.all_teams().await?.into_iter().find(|team| Some(team.id) == id || folded(&team.name) == wanted);
        found.ok_or_else(|| {
            let make = "Make it with `loan-engine admin create-team`.";
            CommandError::Usage(format!("There is no sales team named {}. {make}", one_line(called)))
        })
    }
}
