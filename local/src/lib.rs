//! Loan Engine in one process, without AWS, Docker or network: every endpoint, the worker, and the stores in a folder.

pub mod admin;
pub mod arguments;
mod data_folder;
pub mod embedded;
pub mod examples;
pub mod serve;
pub mod stores_command;

use command::error::CommandError;
use shared::error::chain;
use stores::StoreError;

pub use self::serve::{
    FUNCTIONS, api, crates,
    sweeping::{forget_answers, forget_tape_lists},
};

/// The error of a command when a store fails. The message has the whole chain of causes, because it goes to the operator at the
/// terminal.
fn store_failure(error: &StoreError) -> CommandError {
    let check = "Check the data folder; of a deployed stack, check TABLE_NAME, the region and the credentials.";
    CommandError::Failed(format!("The stores did not do what they were asked for: {}. {check}", chain(error)))
}
