//! The stores of the product: users, sales teams, runs and failed log-ins in one DynamoDB table, files in one S3 bucket. Only
//! [`keys`] defines the keys of both.

pub mod archive;
pub mod clients;
pub mod config;
pub mod export_turns;
pub mod jobs;
pub mod keys;
pub mod known_users;
pub mod passwords;
pub mod resources;
pub mod runs;
pub mod schema;
mod sdk_error;
pub mod start_run;
pub mod storage;
pub mod table;
pub mod teams;
pub mod telemetry;
pub mod throttle;
pub mod users;

/// Why a store did not execute a request. Any request can end as [`Self::Unavailable`] or [`Self::Refused`].
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store does not answer, does not answer in time, or is too busy. A retry may help.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store refuses the request. The cause is a fault of the product or of its setup.
    #[error("the store refused a request")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The item is larger than the store accepts. A retry does not help.
    #[error("an item is larger than the store takes")]
    TooLarge(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A stored item or object cannot be read.
    #[error("a stored item cannot be read: {0}")]
    Damaged(String),
}
