//! The admin commands for users.

use command::{
    Format,
    error::CommandError,
    plain_text::{one_line, short_line},
    text_table::{Align, TextTable},
};
use shared::auth::{
    permission::Role,
    secret::Secret,
    user::{User, UserChange, UserObject, check_password},
};
use stores::{
    passwords,
    users::{UserFilter, UserWritten, Users},
};
use uuid::Uuid;

use crate::{
    arguments::{CreateUserArgs, UpdateUserArgs},
    store_failure,
};

use super::{AdminCommands, PAGE, json};

/// Attempts to change a user while other processes change the same user.
const TRIES: usize = 5;
/// Attempts to type the same password twice.
const TRIES_TO_TYPE: usize = 3;

impl AdminCommands {
    fn users(&self) -> Users {
        Users::new(self.place.table.clone())
    }

    /// Asks for a password, twice when it is typed. Returns its hash.
    async fn new_password(&self, username: &str) -> Result<String, CommandError> {
        let mut question = format!("Password for {username}: ");
        for _ in 0..TRIES_TO_TYPE {
            let password = self.asked(&question)?;
            check_password(password.expose()).map_err(|error| CommandError::Usage(error.to_string()))?;
            if !self.types_passwords || self.asked("The same password again: ")?.expose() == password.expose() {
                return hashed(password).await;
            }
            question = format!("The two passwords differ. Password for {username}: ");
        }
        Err(CommandError::Usage("The two passwords differed each time. Nothing was changed.".to_owned()))
    }

    fn asked(&self, question: &str) -> Result<Secret, CommandError> {
        (self.ask_password)(question).map_err(|error| {
            CommandError::Usage(format!("No password was given ({error}). Type it when asked, or pipe it to the command."))
        })
    }

    pub(super) async fn create_user(&self, args: &CreateUserArgs) -> Result<String, CommandError> {
        let team = match &args.team {
            None => None,
            Some(called) => Some(self.team(called).await?),
        };
        let user = User {
            id: Uuid::new_v4(),
            email: args.email.clone(),
            username: args.username.clone(),
            full_name: args.full_name.clone(),
            role: args.role,
            sales_team_id: team.map(|team| team.id),
            is_active: true,
            created_at: self.clock.now(),
            password_hash: self.new_password(&args.username).await?,
            tokens_valid_from: 0,
            revision: 0,
        };
        match self.users().create(&user).await.map_err(|error| store_failure(&error))? {
            UserWritten::Done => Ok(format!("Registered {} ({}) in {}.\n", user.username, user.role, self.place.name)),
            refused => Err(refusal(refused)),
        }
    }

    /// Finds a user by username.
    async fn found(&self, username: &str) -> Result<User, CommandError> {
        let found = self.users().by_username(username).await.map_err(|error| store_failure(&error))?;
        found.ok_or_else(|| {
            let see = "See them with `loan-engine admin list-users`.";
            CommandError::Usage(format!("There is no user named {}. {see}", one_line(username)))
        })
    }

    pub(super) async fn set_password(&self, username: &str) -> Result<String, CommandError> {
        self.found(username).await?;
        let password_hash = self.new_password(username).await?;
        let change = UserChange { password_hash: Some(password_hash), ..UserChange::default() };
        for _ in 0..TRIES {
            let old = self.found(username).await?;
            let new = change.apply(&old, self.clock.now()).map_err(|error| CommandError::Failed(error.to_string()))?;
            match self.users().replace(&old, &new).await.map_err(|error| store_failure(&error))? {
                UserWritten::Done => return Ok(format!("{} has a new password in {}.\n", old.username, self.place.name)),
                UserWritten::Outdated => {}
                refused => return Err(refusal(refused)),
            }
        }
        Err(refusal(UserWritten::Outdated))
    }

    /// Reads all users that match the filter.
    async fn all_users(&self, filter: UserFilter) -> Result<Vec<User>, CommandError> {
        let (mut users, mut after) = (Vec::<User>::new(), None);
        loop {
            let listed = self.users().list(filter, after, 0, PAGE).await;
            let (page, more) = listed.map_err(|error| store_failure(&error))?;
            users.extend(page);
            after = users.last().map(|last| (last.created_at, last.id));
            if !more {
                return Ok(users);
            }
        }
    }

    /// Changes a user by the rules of the API, with one difference. The API keeps administrators from taking the role or the
    /// account from themselves; this command keeps both from being taken from the last administrator.
    pub(super) async fn update_user(&self, args: &UpdateUserArgs) -> Result<String, CommandError> {
        let team = match &args.team {
            Some(called) => Some(Some(self.team(called).await?.id)),
            None => args.no_team.then_some(None),
        };
        let change = UserChange {
            email: args.email.clone(),
            full_name: args.full_name.clone().map(Some),
            role: args.role,
            sales_team_id: team,
            is_active: args.active,
            ..UserChange::default()
        };
        for _ in 0..TRIES {
            let old = self.found(&args.username).await?;
            let new = change.apply(&old, self.clock.now()).map_err(|error| {
                CommandError::Usage(format!("{error} Name one with --team, or give another role with --role."))
            })?;
            let written = if old.is_administrator() && !new.is_administrator() {
                self.users().replace_by(&self.another_administrator(&old).await?, &old, &new).await
            } else {
                self.users().replace(&old, &new).await
            };
            match written.map_err(|error| store_failure(&error))? {
                UserWritten::Done => return Ok(format!("Changed {} ({}) in {}.\n", new.username, state(&new), self.place.name)),
                UserWritten::Outdated => {}
                refused => return Err(refusal(refused)),
            }
        }
        Err(refusal(UserWritten::Outdated))
    }

    /// Finds an active administrator other than `but`, so that one remains when `but` loses the role.
    async fn another_administrator(&self, but: &User) -> Result<User, CommandError> {
        let admins = self.all_users(UserFilter { role: Some(Role::Admin), sales_team_id: None }).await?;
        admins.into_iter().find(|user| user.id != but.id && user.is_administrator()).ok_or_else(|| {
            let make = "Make another one first, with `loan-engine admin create-user NAME --email ADDRESS --role admin`.";
            CommandError::Failed(format!("{} is the only administrator. {make}", but.username))
        })
    }

    pub(super) async fn list_users(&self, format: Format) -> Result<String, CommandError> {
        let users = self.all_users(UserFilter::default()).await?;
        if format == Format::Json {
            return json(&users.iter().map(UserObject::from).collect::<Vec<_>>());
        }
        let teams = self.all_teams().await?;
        let columns = ["username", "role", "active", "team", "email"].map(|name| (name, Align::Left));
        let mut table = TextTable::new(&columns);
        for user in &users {
            let team = teams.iter().find(|team| Some(team.id) == user.sales_team_id);
            let active = if user.is_active { "yes" } else { "no" };
            let team = team.map_or(String::new(), |team| short_line(&team.name, 30));
            table.row([user.username.clone(), user.role.to_string(), active.to_owned(), team, one_line(&user.email)]);
        }
        let mut text = String::new();
        table.print(&mut text, 0);
        Ok(text)
    }
}

async fn hashed(password: Secret) -> Result<String, CommandError> {
    let hashed = passwords::hash(password.expose().to_owned()).await;
    hashed.map_err(|error| CommandError::Failed(format!("The password cannot be kept: {error}.")))
}

/// Role of a user, and whether the user is inactive, for messages.
fn state(user: &User) -> String {
    let active = if user.is_active { "" } else { ", not active" };
    format!("{}{active}", user.role)
}

fn refusal(written: UserWritten) -> CommandError {
    CommandError::Failed(match written {
        UserWritten::EmailTaken => "Another user has this email address.".to_owned(),
        UserWritten::UsernameTaken => "Another user has this username.".to_owned(),
        UserWritten::NoSuchTeam => "The sales team does not exist any more.".to_owned(),
        UserWritten::Outdated | UserWritten::Done => {
            "Somebody else is changing this user at the same time. Try again.".to_owned()
        }
    })
}
