//! The commands for users.

use shared::{
    auth::{
        password,
        user::{User, UserObject, check_password},
    },
    config::Secret,
    stores::users::{UserFilter, Users, Written},
};
use uuid::Uuid;

use super::{Desk, PAGE};
use crate::{
    cli::{CreateUserArgs, Format},
    command_error::CommandError,
    plain_text::{one_line, short_line},
    text_table::{Align, TextTable},
};

/// How often a user is tried to be changed whom somebody else changes at the same time.
const TRIES: usize = 5;

impl Desk {
    fn users(&self) -> Users {
        Users::new(self.place.table.clone())
    }

    /// Asks for a password, and gives its hash.
    async fn new_password(&self, username: &str) -> Result<String, CommandError> {
        let asked = (self.ask_password)(&format!("Password for {username}: "));
        let password: Secret = asked.map_err(|error| {
            CommandError::Usage(format!("No password was given ({error}). Type it when asked, or pipe it to the command."))
        })?;
        check_password(password.expose()).map_err(|error| CommandError::Usage(error.to_string()))?;
        let hashed = password::hash(password.expose().to_owned()).await;
        hashed.map_err(|error| CommandError::Failed(format!("The password cannot be kept: {error}.")))
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
        match self.users().create(&user).await.map_err(|error| CommandError::of_store(&error))? {
            Written::Done => Ok(format!("Registered {} ({}) in {}.\n", user.username, user.role, self.place.name)),
            refused => Err(refusal(refused)),
        }
    }

    pub(super) async fn set_password(&self, username: &str) -> Result<String, CommandError> {
        let find = async || {
            let found = self.users().by_username(username).await.map_err(|error| CommandError::of_store(&error))?;
            found.ok_or_else(|| {
                let see = "See them with `loan-engine admin list-users`.";
                CommandError::Usage(format!("There is no user named {}. {see}", one_line(username)))
            })
        };
        find().await?;
        let password_hash = self.new_password(username).await?;
        for _ in 0..TRIES {
            let old = find().await?;
            let mut new = User { password_hash: password_hash.clone(), ..old.clone() };
            new.void_tokens(self.clock.now());
            match self.users().replace(&old, &new).await.map_err(|error| CommandError::of_store(&error))? {
                Written::Done => return Ok(format!("{} has a new password in {}.\n", old.username, self.place.name)),
                Written::Outdated => {}
                refused => return Err(refusal(refused)),
            }
        }
        Err(refusal(Written::Outdated))
    }

    pub(super) async fn list_users(&self, format: Format) -> Result<String, CommandError> {
        let (mut users, mut after) = (Vec::<User>::new(), None);
        loop {
            let listed = self.users().list(UserFilter::default(), after, 0, PAGE).await;
            let (page, more) = listed.map_err(|error| CommandError::of_store(&error))?;
            users.extend(page);
            after = users.last().map(|last| (last.created_at, last.id));
            if !more {
                break;
            }
        }
        if format == Format::Json {
            let objects: Vec<UserObject> = users.iter().map(UserObject::from).collect();
            let json = serde_json::to_string_pretty(&objects);
            return json
                .map(|json| json + "\n")
                .map_err(|error| CommandError::Failed(format!("The users cannot be shown: {error}.")));
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

fn refusal(written: Written) -> CommandError {
    CommandError::Failed(match written {
        Written::EmailTaken => "Another user has this email address.".to_owned(),
        Written::UsernameTaken => "Another user has this username.".to_owned(),
        Written::NoSuchTeam => "The sales team does not exist any more.".to_owned(),
        Written::Outdated | Written::Done => "Somebody else is changing this user at the same time. Try again.".to_owned(),
    })
}
