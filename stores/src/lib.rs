//! What is kept in DynamoDB: users, sales teams, runs, and who tried to log in too often. One table, whose keys are laid out
//! in [`keys`] alone.

pub mod clients;
pub mod config;
pub mod export_turns;
pub mod keys;
pub mod known_users;
pub mod passwords;
pub mod resources;
pub mod runs;
pub mod schema;
pub mod start_run;
pub mod storage;
pub mod table;
pub mod teams;
pub mod telemetry;
pub mod throttle;
pub mod users;

/// Why a store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not answer, or not in time, or is too busy. Trying again may help.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It does not take the request: the fault is ours, or that of how the product is set up.
    #[error("the store refused a request")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It does not take an item of this size, and never will.
    #[error("an item is larger than the store takes")]
    TooLarge(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Something that it holds cannot be read.
    #[error("a stored item cannot be read: {0}")]
    Damaged(String),
}
