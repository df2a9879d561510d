//! The arguments of `loan-engine`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use jiff::civil::Date;
use shared::{
    auth::{
        permission::Role,
        user::{check_email, check_name, check_username},
    },
    manifest::ENGINE_VERSION,
    phases::pricing::IrrTarget,
    run::parse_pdate,
};

/// Decides for every loan of a tape: buy it, keep it for later, or turn it down, and says why.
#[derive(Debug, Parser)]
#[command(name = "loan-engine", version = ENGINE_VERSION, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the pipeline on loan tapes
    Run(RunArgs),
    /// Do a run again from its archive and compare: prints "identical", or what differs
    Replay(ReplayArgs),
    /// Serve the whole HTTP API on this machine, with its data in a folder
    Serve(ServeArgs),
    /// Serve the stores alone, DynamoDB and S3, for Lambda functions under `cargo lambda watch`
    Stores(StoresArgs),
    /// Manage users and sales teams: those of a data folder, or of the deployed stack that TABLE_NAME names
    Admin(AdminArgs),
}

/// The folder of a serve's data unless another one is named.
pub const DATA_FOLDER: &str = "loan-engine-data";

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The port on this machine's loopback address; 0 takes a free one
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
    #[arg(long, value_name = "DIR", default_value = DATA_FOLDER)]
    pub data_dir: PathBuf,
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
    /// Register a user; the password is asked for, or read from standard input
    CreateUser(CreateUserArgs),
    /// Give a user another password, which is asked for, or read from standard input; earlier tokens end
    SetPassword {
        /// The name to log in with
        #[arg(value_name = "USERNAME")]
        username: String,
    },
    /// Make a sales team
    CreateTeam {
        /// The name of the team
        #[arg(value_name = "NAME", value_parser = checked(check_name))]
        name: String,
    },
    /// Show all users
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
    /// The name for people
    #[arg(long, value_name = "NAME", value_parser = checked(check_name))]
    pub full_name: Option<String>,
}

/// Takes a text that passes a check as it is.
fn checked<E>(check: fn(&str) -> Result<(), E>) -> impl Fn(&str) -> Result<String, E> + Clone {
    move |text| check(text).map(|()| text.to_owned())
}

fn role(word: &str) -> Result<Role, String> {
    Role::from_word(word).ok_or_else(|| format!("there are the roles {}", Role::ALL.map(Role::as_str).join(", ")))
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Tapes (CSV or XLSX), or folders: all .csv and .xlsx files of a folder, in the order of their names
    #[arg(value_name = "TAPE", required = true)]
    pub tapes: Vec<PathBuf>,
    /// The return that a purchase must bring, in percent: above 0 and at most 30
    #[arg(long, value_name = "PERCENT", default_value = "8.05", allow_hyphen_values = true)]
    #[arg(value_parser = str::parse::<IrrTarget>)]
    pub irr_target: IrrTarget,
    /// The purchase date [default: today in UTC]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_pdate, allow_hyphen_values = true)]
    pub pdate: Option<Date>,
    /// The rules, as a TOML file [default: the built-in ones]
    #[arg(long, value_name = "FILE")]
    pub rule_set: Option<PathBuf>,
    /// The folder for the results [default: outputs/RUN_ID, with the archive in archive/RUN_ID]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write the decisions as a workbook for a spreadsheet, too: Summary, To purchase, Projected, Rejected, Exceptions
    #[arg(long, value_name = "FILE.xlsx", conflicts_with = "dry_run")]
    pub workbook: Option<PathBuf>,
    /// How to print the summary
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Compute everything and write nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub work: WorkArgs,
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// An archive folder, a ZIP of one, or the manifest.json of a run
    #[arg(value_name = "MANIFEST|ARCHIVE")]
    pub archive: PathBuf,
    #[command(flatten)]
    pub work: WorkArgs,
}

#[derive(Debug, Args)]
pub struct WorkArgs {
    /// How many threads work; the results are the same with any number [default: one for each core]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
}

/// How a summary is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables for people
    Table,
    /// The run record and the API's summary, for programs
    Json,
}
