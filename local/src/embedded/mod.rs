//! DynamoDB and S3 in this process, kept in a folder. The product reaches them through the clients of the AWS SDK, as it
//! reaches AWS, but without sockets.

pub mod clients;
pub mod dynamodb;
mod presence;
pub(crate) mod private;
pub mod s3;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use shared::clock::Clock;

use self::{dynamodb::DynamoDb, presence::Presence, s3::Bucket};

/// How the stores are opened.
pub struct Options {
    /// Whether what was acknowledged survives a loss of power. Without it nothing is waited for, as tests like it, and the
    /// table is in memory.
    pub durable: bool,
    /// The name of the bucket.
    pub bucket: String,
    /// What requests to S3 are signed with.
    pub credentials: Credentials,
    /// Objects below this prefix are told of when they appear.
    pub watched_prefix: String,
    /// Where the time of objects comes from.
    pub clock: Arc<dyn Clock>,
}

/// What requests are signed with.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The public part.
    pub access_key: String,
    /// The secret part.
    pub secret_key: String,
}

/// Why the stores cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The folder.
    #[error("The data folder {} cannot be used: {source}. Choose another one with --data-dir.", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else works in it.
    #[error("The data folder {} is in use by another loan-engine. Stop that one, or choose another folder.", .0.display())]
    InUse(PathBuf),
    /// One of the databases in it.
    #[error(
        "The {what} in the data folder cannot be opened: {}. If the disk has room and the folder may be written, bring the \
         folder back from a backup, or choose another one.",
        .reason.trim_end_matches('.')
    )]
    Database {
        /// Which.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// The stores of a folder. Clones are the same stores.
#[derive(Clone)]
pub struct EmbeddedStores {
    /// The table.
    pub dynamodb: DynamoDb,
    /// The bucket.
    pub s3: Bucket,
    _lock: Arc<File>,
}

impl EmbeddedStores {
    /// Opens the stores of a folder, which is made if it is not there.
    ///
    /// # Errors
    /// The folder cannot be used, or is in use.
    pub fn open(folder: &Path, options: Options) -> Result<Self, EmbeddedError> {
        let unusable = |source| EmbeddedError::Folder { folder: folder.to_owned(), source };
        private::folder(folder).map_err(unusable)?;
        let lock = File::create(folder.join("lock")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(EmbeddedError::InUse(folder.to_owned())),
            Err(fs::TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let table = options.durable.then_some(folder.join("table.sqlite"));
        for database in table.iter().chain([&folder.join("bucket.sqlite")]) {
            // What a database writes beside it is as private as it is, but for what is there already.
            private::file(database).map_err(unusable)?;
            for beside in ["sqlite-wal", "sqlite-shm"] {
                private::keep(&database.with_extension(beside)).map_err(unusable)?;
            }
        }
        let presence = Presence::of(table.clone()).map_err(unusable)?;
        let dynamodb = DynamoDb::open(table.as_deref(), presence)?;
        let s3 = Bucket::open(folder, options)?;
        Ok(Self { dynamodb, s3, _lock: Arc::new(lock) })
    }
}
