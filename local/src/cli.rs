//! The arguments of `loan-engine`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use jiff::civil::Date;
use shared::{manifest::ENGINE_VERSION, phases::pricing::IrrTarget, run::parse_pdate};

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
