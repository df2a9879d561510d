//! The arguments of `loan-engine serve`, `stores` and `admin`.

use std::{net::IpAddr, path::PathBuf};

use clap::{ArgGroup, Args, Subcommand};
use command::Format;
use shared::auth::{
    permission::Role,
    user::{check_email, check_name, check_username},
};

use crate::examples;

/// Data folder of `serve` unless `--data-dir` names another.
pub const DATA_FOLDER: &str = "loan-engine-data";
/// Data folder of `stores` unless `--data-dir` names another. It is a folder of its own, because `stores` and `serve` do not
/// share tables.
const STORES_FOLDER: &str = "loan-engine-stores";

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The IP address of this machine to listen on; there is no TLS, so put a proxy in front before others reach it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// The port; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub port: u16,
    /// The folder of users, runs and files, which is made if it is not there
    #[arg(long, value_name = "DIR", default_value = DATA_FOLDER)]
    pub data_dir: PathBuf,
}

#[derive(Debug, Args)]
pub struct StoresArgs {
    /// The port of DynamoDB; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8001)]
    pub dynamodb_port: u16,
    /// The port of S3; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8002)]
    pub s3_port: u16,
    /// The folder of users, runs and files, which is made if it is not there
    #[arg(long, value_name = "DIR", default_value = STORES_FOLDER)]
    pub data_dir: PathBuf,
    /// Write the environment into this file, which its owner alone can read, instead of printing it
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct AdminArgs {
    #[command(subcommand)]
    pub command: AdminCommand,
    /// The data folder of `serve`, which must not be running [default: the deployed stack if TABLE_NAME is set, else
    /// loan-engine-data]
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Register a user; the password is asked for twice, or read from standard input
    #[command(after_help = examples::CREATE_USER)]
    CreateUser(CreateUserArgs),
    /// Change the role, the team, the names or the state of a user
    #[command(after_help = examples::UPDATE_USER)]
    UpdateUser(UpdateUserArgs),
    /// Give a user another password, which is asked for twice, or read from standard input; earlier tokens end
    #[command(after_help = examples::SET_PASSWORD)]
    SetPassword {
        /// The name to log in with
        #[arg(value_name = "USERNAME")]
        username: String,
    },
    /// Make a sales team
    #[command(after_help = examples::CREATE_TEAM)]
    CreateTeam {
        /// The name of the team
        #[arg(value_name = "NAME", value_parser = checked(check_name))]
        name: String,
    },
    /// Show all sales teams
    #[command(after_help = examples::LIST_TEAMS)]
    ListTeams {
        /// How to print them
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Show all users
    #[command(after_help = examples::LIST_USERS)]
    ListUsers {
        /// How to print them
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
}

#[derive(Debug, Args)]
pub struct CreateUserArgs {
    /// The name to log in with: letters, digits and underscores
    #[arg(value_name = "USERNAME", value_parser = checked(check_username))]
    pub username: String,
    /// The email address
    #[arg(long, value_name = "ADDRESS", value_parser = checked(check_email))]
    pub email: String,
    /// The role: admin, analyst or sales_team
    #[arg(long, value_name = "ROLE", default_value = "analyst", value_parser = role)]
    pub role: Role,
    /// The sales team, by its name or its id; a sales_team user has one
    #[arg(long, value_name = "TEAM", required_if_eq("role", "sales_team"))]
    pub team: Option<String>,
    /// The full name
    #[arg(long, value_name = "NAME", value_parser = checked(check_name))]
    pub full_name: Option<String>,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("changes").required(true).multiple(true))]
pub struct UpdateUserArgs {
    /// The name to log in with
    #[arg(value_name = "USERNAME")]
    pub username: String,
    /// The role: admin, analyst or sales_team
    #[arg(long, value_name = "ROLE", group = "changes", value_parser = role)]
    pub role: Option<Role>,
    /// The sales team, by its name or its id; a sales_team user has one
    #[arg(long, value_name = "TEAM", group = "changes")]
    pub team: Option<String>,
    /// Take the sales team away
    #[arg(long, group = "changes", conflicts_with = "team")]
    pub no_team: bool,
    /// Whether the user may log in; false ends earlier tokens
    #[arg(long, value_name = "true|false", group = "changes")]
    pub active: Option<bool>,
    /// The email address
    #[arg(long, value_name = "ADDRESS", group = "changes", value_parser = checked(check_email))]
    pub email: Option<String>,
    /// The full name
    #[arg(long, value_name = "NAME", group = "changes", value_parser = checked(check_name))]
    pub full_name: Option<String>,
}

/// A value parser that accepts a text unchanged when it passes the check.
fn checked<E>(check: fn(&str) -> Result<(), E>) -> impl Fn(&str) -> Result<String, E> + Clone {
    move |text| check(text).map(|()| text.to_owned())
}

fn role(word: &str) -> Result<Role, String> {
    Role::from_word(word).ok_or_else(|| format!("there are the roles {}", Role::ALL.map(Role::as_str).join(", ")))
}
