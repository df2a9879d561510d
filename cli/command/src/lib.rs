//! What the commands of `loan-engine` share: what they find around them, how they fail, and how they print.

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

/// How a summary is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables for people
    Table,
    /// The run record and the API's summary, for programs
    Json,
}

/// What a command finds around it.
pub struct CommandContext {
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

impl CommandContext {
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
    pub fn locate(&self, path: &Path) -> PathBuf {
        self.current_dir.join(path)
    }
}

/// Prints a whole answer. A reader who has gone away, as `head` does, is no failure.
pub fn print(out: &mut dyn Write, text: &[u8]) -> Result<(), CommandError> {
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandError::Failed(format!("The answer could not be printed: {error}.")))
        }
        _ => Ok(()),
    }
}
