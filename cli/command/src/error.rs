//! Why a command ends without success, and with which exit code.

use shared::{error::RunError, run::StatusMoveError};

use crate::plain_text::one_line;

/// Exit code of a command that failed.
pub const FAILED: u8 = 1;
/// Exit code of a command whose arguments were wrong.
pub const USAGE: u8 = 2;
/// Exit code of a run that completed, and whose pool tests failed.
pub const POOL_TESTS_FAILED: u8 = 3;

/// Why a command ends without success.
#[derive(Debug)]
pub enum CommandError {
    /// The arguments were wrong, as one plain sentence explains.
    Usage(String),
    /// A file that the arguments name has mistakes; these are the lines to print.
    Mistakes(Vec<String>),
    /// The command failed, for the reason that one plain sentence gives.
    Failed(String),
    /// The command failed, and its output says why.
    Explained,
    /// The run completed, and a pool test of severity `fail` does not pass; its output says which one.
    PoolTestsFailed,
}

impl CommandError {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Mistakes(_) => USAGE,
            Self::Failed(_) | Self::Explained => FAILED,
            Self::PoolTestsFailed => POOL_TESTS_FAILED,
        }
    }

    /// The lines that are still to be printed.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Usage(sentence) | Self::Failed(sentence) => vec![format!("error: {}", one_line(sentence))],
            Self::Mistakes(mistakes) => mistakes.iter().map(|mistake| one_line(mistake)).collect(),
            Self::Explained => Vec::new(),
            Self::PoolTestsFailed => {
                vec!["error: A pool test of severity `fail` does not pass: pool_status is failed.".to_owned()]
            }
        }
    }
}

impl From<RunError> for CommandError {
    fn from(error: RunError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<StatusMoveError> for CommandError {
    fn from(error: StatusMoveError) -> Self {
        Self::Failed(format!("The run record is unsound: {error}."))
    }
}
