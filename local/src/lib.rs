//! The command line of Loan Engine: the whole product in one process, without AWS, Docker or network.
//!
//! All of it runs through [`main_with`], which is given its surroundings, so that tests call it in process.

mod admin;
mod cli;
mod command_error;
mod data_folder;
mod decision_book;
pub mod embedded;
mod examples;
mod inspect_command;
mod interrupt;
mod manual;
mod plain_text;
mod profiles_command;
mod progress;
mod reading;
mod replay;
mod run_command;
mod serve;
mod spool;
mod staging;
mod stores_command;
mod summary_table;
mod tapes;
mod text_table;
mod version;

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Parser as _;
use shared::{clock::Clock, config::Secret};

use self::{
    cli::{Cli, Command},
    command_error::CommandError,
};

pub use self::serve::{
    api,
    sweeping::{forget_answers, forget_tape_lists},
};

/// What a command finds around it.
pub struct Surroundings {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// The folder that relative paths start from.
    pub current_dir: PathBuf,
    /// Whether somebody watches standard error.
    pub terminal: bool,
    /// What the environment says for a name.
    pub variable: fn(&str) -> Option<String>,
    /// Whether signals to the process are for the command.
    pub signals: bool,
    /// What is piped in.
    pub standard_input: fn() -> Box<dyn Read>,
    /// Asks for a password, without showing it.
    pub ask_password: fn(&str) -> io::Result<Secret>,
    /// Whether somebody types passwords, and may mistype one.
    pub types_passwords: bool,
}

impl Surroundings {
    /// A clock and a folder alone: no terminal, no signals, no input, an empty environment, no answers to questions.
    pub fn bare(clock: impl Clock + 'static, current_dir: PathBuf) -> Self {
        let nobody = |_: &str| Err(io::ErrorKind::UnexpectedEof.into());
        Self {
            clock: Arc::new(clock),
            current_dir,
            terminal: false,
            variable: |_| None,
            signals: false,
            standard_input: || Box::new(io::empty()),
            ask_password: nobody,
            types_passwords: false,
        }
    }

    /// Where a path that the user gave is.
    fn locate(&self, path: &Path) -> PathBuf {
        self.current_dir.join(path)
    }
}

/// Does what the arguments ask for, the first of which is the name of the program. Results go to `out`, all else to
/// `err`. The exit code is 0 when it was done, 1 when it failed, 2 when it was asked for wrongly.
pub fn main_with(
    args: impl IntoIterator<Item = OsString>,
    around: &Surroundings,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let done = match Cli::try_parse_from(args) {
        Ok(cli) => match cli.command {
            Command::Run(args) => run_command::run(&args, around, out),
            Command::Replay(args) => replay::replay(&args, around, out),
            Command::Inspect(args) => inspect_command::inspect(&args, around, out),
            Command::Profiles { command } => profiles_command::profiles(command.as_ref(), out),
            Command::Serve(args) => serve::serve(&args, around, out),
            Command::Stores(args) => stores_command::stores(&args, around, out),
            Command::Admin(args) => admin::admin(&args, around, out),
            Command::Completions { shell } => manual::completions(shell, out),
            Command::Man { command } => manual::man(&command, out),
        },
        Err(error) => {
            let text = error.render().to_string();
            // Where this cannot be printed, there is nobody left to tell.
            let _ = if error.use_stderr() { err.write_all(text.as_bytes()) } else { out.write_all(text.as_bytes()) };
            return u8::try_from(error.exit_code()).unwrap_or(command_error::USAGE);
        }
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            if let Some(sentence) = error.sentence() {
                let _ = writeln!(err, "error: {}", plain_text::one_line(&sentence));
            }
            error.exit_code()
        }
    }
}

/// Prints a whole answer. A reader who has gone away, as `head` does, is no failure.
fn print(out: &mut dyn Write, text: &[u8]) -> Result<(), CommandError> {
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandError::Failed(format!("The answer could not be printed: {error}.")))
        }
        _ => Ok(()),
    }
}
