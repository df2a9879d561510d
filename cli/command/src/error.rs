//! Why a command ends without success, and with which exit code.

use shared::{error::RunError, run::StatusMoveError};

/// Exit code of a command that failed.
pub const FAILED: u8 = 1;
/// Exit code of a command whose arguments were wrong.
pub const USAGE: u8 = 2;

/// Why a command ends without success.
#[derive(Debug)]
pub enum CommandError {
    /// The arguments were wrong, as one plain sentence explains.
    Usage(String),
    /// The command failed, for the reason that one plain sentence gives.
    Failed(String),
    /// The command failed, and its output says why.
    Explained,
}

impl CommandError {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Failed(_) | Self::Explained => FAILED,
        }
    }

    /// The sentence that is still to be printed, if any.
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
