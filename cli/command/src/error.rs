//! Why a command ends without success, and with which exit code.

use shared::{error::RunError, run::StatusMoveError};

/// The exit code of what failed.
pub const FAILED: u8 = 1;
/// The exit code of what was asked for wrongly.
pub const USAGE: u8 = 2;

/// Why a command ends without success.
#[derive(Debug)]
pub enum CommandError {
    /// It was asked for wrongly, which one plain sentence explains.
    Usage(String),
    /// It failed, for the reason that one plain sentence gives.
    Failed(String),
    /// It failed, and what it printed says why.
    Explained,
}

impl CommandError {
    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Failed(_) | Self::Explained => FAILED,
        }
    }

    /// What is still to be said.
    pub fn sentence(&self) -> Option<String> {
        match self {
            Self::Usage(sentence) | Self::Failed(sentence) => Some(sentence.clone()),
            Self::Explained => None,
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
