//! The arguments of `loan-engine`.

mod compare;
mod price;
mod what_if;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, value_parser};
use clap_complete::Shell;
use command::Format;
use jiff::civil::Date;
#[cfg(feature = "serve")]
use local::arguments::{AdminArgs, ServeArgs, StoresArgs};
use shared::{loan::Field, phases::pricing::IrrTarget, run::parse_pdate};

#[cfg(not(feature = "serve"))]
use crate::absent::Absent;
use crate::{examples, version::VERSION};

pub use self::{
    compare::{CompareArgs, CompareFormat},
    price::{AssumptionArgs, PriceArgs},
    what_if::{WhatIfArgs, said},
};

/// Decides for every loan of a tape: buy it, hold it, or reject it, and says why.
#[derive(Debug, Parser)]
#[command(name = "loan-engine", version = VERSION, arg_required_else_help = true, after_help = examples::LOAN_ENGINE)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the pipeline on loan tapes
    #[command(after_help = examples::RUN)]
    Run(RunArgs),
    /// Do a run again from its archive and compare: prints "identical", or what differs
    #[command(after_help = examples::REPLAY)]
    Replay(ReplayArgs),
    /// Make the report of a run: one page of HTML to read, print and pass on
    #[command(after_help = examples::REPORT)]
    Report(ReportArgs),
    /// Explain a loan of a run: what every rule says about it, and which values it would need
    #[command(after_help = examples::EXPLAIN)]
    Explain(ExplainArgs),
    /// Compare two runs: which loans moved between dispositions, which values, prices and reasons differ, and which settings
    #[command(after_help = examples::COMPARE)]
    Compare(CompareArgs),
    /// Show what a tape is and how it would be read: its columns with samples, what is missing, what a run would say
    #[command(after_help = examples::INSPECT)]
    Inspect(InspectArgs),
    /// Price one loan by its cash flows: what it is worth at a yield, or which yield a price brings
    #[command(after_help = examples::PRICE)]
    Price(Box<PriceArgs>),
    /// Show what a run would have decided at another target or under other rules, from its stored results
    #[command(after_help = examples::WHAT_IF)]
    WhatIf(Box<WhatIfArgs>),
    /// List the profiles that come with the program, or show one
    #[command(after_help = examples::PROFILES)]
    Profiles {
        #[command(subcommand)]
        command: Option<ProfilesCommand>,
    },
    /// Check a rule set, or show its rules as tables
    #[command(after_help = examples::RULES)]
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Serve the whole HTTP API on this machine, with its data in a folder
    #[cfg(feature = "serve")]
    #[command(after_help = local::examples::SERVE)]
    Serve(ServeArgs),
    /// Serve the stores alone, DynamoDB and S3, for Lambda functions under `cargo lambda watch`
    #[cfg(feature = "serve")]
    #[command(after_help = local::examples::STORES)]
    Stores(StoresArgs),
    /// Manage users and sales teams: those of a data folder, or of the deployed stack that TABLE_NAME names
    #[cfg(feature = "serve")]
    #[command(after_help = local::examples::ADMIN)]
    Admin(AdminArgs),
    #[cfg(not(feature = "serve"))]
    #[command(flatten)]
    Absent(Absent),
    /// Print a script that completes commands and options in a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// The shell
        #[arg(value_name = "SHELL", value_enum)]
        shell: Shell,
    },
    /// Print the manual page of the program, or of one of its commands
    #[command(after_help = examples::MAN)]
    Man {
        /// The command, such as `run` or `admin create-user`
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Folder with the results of the run
    #[arg(value_name = "OUT_DIR")]
    pub results: PathBuf,
    /// Where the report goes; `-` prints it
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    pub output: PathBuf,
}

#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The tape
    #[arg(value_name = "TAPE")]
    pub tape: PathBuf,
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Write a profile that reads the tape as shown, as a beginning for one of your own; never over a file that is there
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Show the columns that are only kept, too
    #[arg(long)]
    pub all: bool,
}

/// How tapes are to be read, beyond what they say themselves.
#[derive(Debug, Args)]
pub struct ReadingArgs {
    /// How the seller's tapes are read: a profile as a TOML file, or the name of a preset (asf_rmbs, fannie_sflp,
    /// freddie_sflld); without it, the file profile.toml in the folder of the tapes counts
    #[arg(long, value_name = "FILE|PRESET")]
    pub profile: Option<PathBuf>,
    /// The column that holds a field, by its header, such as --map loan_amount="Current UPB"; may be given for several fields
    #[arg(long, value_name = "FIELD=HEADER", value_parser = parse_map)]
    pub map: Vec<(Field, String)>,
    /// The worksheet to read, by its name, of workbooks in which several hold loans; `all` makes each a tape of its own
    #[arg(long, value_name = "NAME")]
    pub sheet: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum ProfilesCommand {
    /// Print the text of a profile, as a beginning for one of your own
    #[command(after_help = examples::PROFILES_SHOW)]
    Show {
        /// The name of the profile
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Name every mistake of a rule set, each with its line
    #[command(after_help = examples::RULES_CHECK)]
    Check {
        /// The rule set, a TOML file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Format of the output
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Show the rules of a rule set as tables
    #[command(after_help = examples::RULES_SHOW)]
    Show {
        /// The rule set, a TOML file; without it the built-in rule set
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Tapes, or folders: all tapes of a folder (.csv, .tsv, .txt with a header, .xlsx, .xlsm, .xls, .xlsb, .ods), in the order
    /// of their names; `-` reads one tape from standard input
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
    /// Exceptions that the buyer accepts for single loans: a CSV or XLSX file with the columns seller_loan_number, exception_type,
    /// reason, approved_by and expires
    #[arg(long, value_name = "FILE")]
    pub waivers: Option<PathBuf>,
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// The folder for the results [default: outputs/RUN_ID, with the archive in archive/RUN_ID]
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Keep no copy of the tapes and outputs in archive/: the run cannot be repeated then, and the next one into the folder
    /// removes its results for good
    #[arg(long)]
    pub no_archive: bool,
    /// Write the decisions as a workbook for a spreadsheet, too: Summary, To purchase, Projected, Rejected, Exceptions
    #[arg(long, value_name = "FILE.xlsx", conflicts_with = "dry_run")]
    pub workbook: Option<PathBuf>,
    /// Write the loans that are not bought as a workbook for the seller, too: as the seller sent them, with the reasons. The seller
    /// mends the cells and sends the workbook back as a tape
    #[arg(long, value_name = "FILE.xlsx", conflicts_with = "dry_run")]
    pub seller_return: Option<PathBuf>,
    /// Write what is paid for each bought loan as CSV, too: loan number, balance, price and amount, with a row of totals
    #[arg(long, value_name = "FILE.csv", conflicts_with = "dry_run")]
    pub purchase_advice: Option<PathBuf>,
    /// How to print the summary
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Print the strats, too (the loans by LTV, score, rate, amount, property, occupancy, purpose and price), and all reasons
    #[arg(long)]
    pub strats: bool,
    /// Print nothing but errors
    #[arg(short, long, conflicts_with_all = ["format", "strats"])]
    pub quiet: bool,
    /// Compute everything and write nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub work: WorkArgs,
}

/// Parses `FIELD=HEADER`.
fn parse_map(text: &str) -> Result<(Field, String), String> {
    let (field, header) = text.split_once('=').ok_or("it must be FIELD=HEADER, such as loan_amount=\"Current UPB\"")?;
    let found = Field::from_name(field.trim()).ok_or_else(|| {
        let known = Field::ALL.map(Field::name).join(", ");
        format!("there is no field {field}; there are {known}")
    })?;
    if header.trim().is_empty() { Err("the header is empty".to_owned()) } else { Ok((found, header.to_owned())) }
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The folder with the results of the run
    #[arg(value_name = "OUT_DIR")]
    pub run: PathBuf,
    /// The number of the loan; all loans with this number are explained
    #[arg(value_name = "LOAN_NUMBER", allow_hyphen_values = true)]
    pub number: String,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// Collects each command's words and its examples.
    fn commands(command: &clap::Command, path: &[String], found: &mut Vec<(Vec<String>, String)>) {
        let path = [path, &[command.get_name().to_owned()]].concat();
        found.push((path.clone(), command.get_after_help().map(ToString::to_string).unwrap_or_default()));
        command.get_subcommands().for_each(|inner| commands(inner, &path, found));
    }

    /// The words of a line, as a shell passes them to the program: without the redirections behind `<` or `>`.
    fn words(line: &str) -> Vec<String> {
        let call = line.split(['<', '>']).next().unwrap();
        let (mut words, mut inside, mut quoted) = (Vec::<String>::new(), false, false);
        for letter in call.chars() {
            match letter {
                '\'' => quoted = !quoted,
                c if c.is_whitespace() && !quoted => inside = false,
                c => {
                    if !inside {
                        words.push(String::new());
                        inside = true;
                    }
                    words.last_mut().unwrap().push(c);
                }
            }
        }
        words
    }

    #[test]
    fn every_command_shows_examples_of_itself_that_can_be_called() {
        let mut found = Vec::new();
        commands(&Cli::command(), &[], &mut found);
        // Commands that this build does not have show no examples.
        let is_absent =
            |path: &[String]| ["serve", "stores", "admin"].iter().any(|name| path.get(1).is_some_and(|word| word == name));
        found.retain(|(path, _)| cfg!(feature = "serve") || !is_absent(path));
        assert_eq!(found.len(), if cfg!(feature = "serve") { 25 } else { 16 }, "{found:?}");
        for (path, help) in found {
            let lines: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  ")).collect();
            assert!(help.starts_with("Examples:\n  ") && lines.len() >= 2, "{path:?}: {help}");
            for line in lines {
                let words = words(line);
                assert!(words.starts_with(&path), "{path:?}: {line}");
                if let Err(error) = Cli::try_parse_from(&words) {
                    panic!("{line}: {error}");
                }
            }
        }
    }
}
