//! What the commands of `loan-engine` share: their context, their errors and their output.

pub mod error;
pub mod interrupt;
pub mod plain_text;
pub mod text_table;

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::ValueEnum;
use shared::{auth::secret::Secret, clock::Clock};

use self::error::CommandError;

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text and tables, for people
    Table,
    /// JSON, for programs
    Json,
}

/// The environment of a command.
pub struct CommandContext {
    pub clock: Arc<dyn Clock>,
    /// The folder that relative paths start from.
    pub current_dir: PathBuf,
    /// Whether standard error is a terminal.
    pub terminal: bool,
    /// The value of an environment variable.
    pub variable: fn(&str) -> Option<String>,
    /// Whether the command handles signals to the process.
    pub signals: bool,
    /// Opens standard input.
    pub standard_input: fn() -> Box<dyn Read>,
    /// Asks for a password, without showing it.
    pub ask_password: fn(&str) -> io::Result<Secret>,
    /// Whether passwords are typed, so that the command asks for each one twice.
    pub types_passwords: bool,
}

impl CommandContext {
    /// A context with a clock and a folder only: no terminal, no signals, no input, an empty environment, no answers to
    /// questions.
    pub fn bare(clock: impl Clock + 'static, current_dir: PathBuf) -> Self {
        let no_answer = |_: &str| Err(io::ErrorKind::UnexpectedEof.into());
        Self {
            clock: Arc::new(clock),
            current_dir,
            terminal: false,
            variable: |_| None,
            signals: false,
            standard_input: || Box::new(io::empty()),
            ask_password: no_answer,
            types_passwords: false,
        }
    }

    /// Resolves a path that the user gave from the current folder.
    pub fn locate(&self, path: &Path) -> PathBuf {
        self.current_dir.join(path)
    }
}

/// Prints a whole answer. A reader that closes the pipe, as `head` does, is no failure.
pub fn print(out: &mut dyn Write, text: &[u8]) -> Result<(), CommandError> {
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandError::Failed(format!("The answer could not be printed: {error}.")))
        }
        _ => Ok(()),
    }
}
