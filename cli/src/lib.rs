//! The command line of Loan Engine: commands that read files, and with the feature `serve` the whole product in one process.
//!
//! All commands run through [`main_with`], which takes its context as an argument, so that tests can call it in process.

#[cfg(any(test, not(feature = "serve")))]
mod absent;
mod arguments;
mod compare_command;
mod examples;
mod explain_command;
mod extra_files;
mod guide_files;
mod inspect_command;
mod manual;
mod price_command;
mod profiles_command;
mod progress;
mod reading;
mod reasons_table;
mod replay;
mod report_command;
mod rules_command;
mod run_command;
mod spool;
mod staging;
mod stored_run;
mod summary_table;
mod tapes;
mod version;
mod waiver_file;
mod what_if_command;

use std::{ffi::OsString, io::Write};

use clap::Parser as _;
use command::{CommandContext, error::USAGE};

use self::arguments::{Cli, Command};

/// Executes the command that the arguments name; the first argument is the name of the program. Writes results to `out` and all
/// else to `err`. Returns the exit code: 0 when the command succeeded, 1 when it failed, 2 when the arguments were wrong, 3 when a
/// run completed and its pool tests failed.
pub fn main_with(
    args: impl IntoIterator<Item = OsString>,
    context: &CommandContext,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let done = match Cli::try_parse_from(args) {
        Ok(cli) => match cli.command {
            Command::Run(args) => run_command::run(&args, context, out),
            Command::Replay(args) => replay::replay(&args, context, out),
            Command::Report(args) => report_command::report(&args, context, out),
            Command::Explain(args) => explain_command::explain(&args, context, out),
            Command::Compare(args) => compare_command::compare(&args, context, out),
            Command::Inspect(args) => inspect_command::inspect(&args, context, out),
            Command::Price(args) => price_command::price(&args, context, out),
            Command::WhatIf(args) => what_if_command::what_if(&args, context, out),
            Command::Profiles { command } => profiles_command::profiles(command.as_ref(), out),
            Command::Rules { command } => rules_command::rules(&command, context, out),
            #[cfg(feature = "serve")]
            Command::Serve(args) => local::serve::serve(&args, context, out),
            #[cfg(feature = "serve")]
            Command::Stores(args) => local::stores_command::stores(&args, context, out),
            #[cfg(feature = "serve")]
            Command::Admin(args) => local::admin::admin(&args, context, out),
            #[cfg(not(feature = "serve"))]
            Command::Absent(absent) => Err(absent.refusal()),
            Command::Completions { shell } => manual::completions(shell, out),
            Command::Man { command } => manual::man(&command, out),
        },
        Err(error) => {
            let text = error.render().to_string();
            // A failure to print cannot be reported anywhere.
            let _ = if error.use_stderr() { err.write_all(text.as_bytes()) } else { out.write_all(text.as_bytes()) };
            return u8::try_from(error.exit_code()).unwrap_or(USAGE);
        }
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            for line in error.lines() {
                let _ = writeln!(err, "{line}");
            }
            error.exit_code()
        }
    }
}
