//! DynamoDB and S3 in this process, stored in a folder. The product uses them through the clients of the AWS SDK, as it uses AWS,
//! but without sockets.

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

/// Options of [`EmbeddedStores::open`].
pub struct Options {
    /// Whether acknowledged writes survive a loss of power. If false, writes do not wait for the disk and the table is in memory,
    /// which makes tests faster.
    pub durable: bool,
    /// Name of the bucket.
    pub bucket: String,
    /// Key pair that signs requests to S3.
    pub credentials: Credentials,
    /// The bucket reports objects that appear below this prefix to the worker.
    pub watched_prefix: String,
    /// Source of the times at which objects are stored.
    pub clock: Arc<dyn Clock>,
}

/// A key pair that signs requests.
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
    /// The folder cannot be used.
    #[error("The data folder {} cannot be used: {source}. Choose another one with --data-dir.", folder.display())]
    Folder {
        folder: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// Another process uses the folder.
    #[error("The data folder {} is in use by another loan-engine. Stop that one, or choose another folder.", .0.display())]
    InUse(PathBuf),
    /// One of the databases in the folder cannot be opened.
    #[error(
        "The {what} in the data folder cannot be opened: {}. If the disk has room and the folder may be written, bring the \
         folder back from a backup, or choose another one.",
        .reason.trim_end_matches('.')
    )]
    Database {
        /// Which one: `table` or `bucket`.
        what: &'static str,
        /// Error of the database or of the operating system.
        reason: String,
    },
}

/// The stores of a folder. Clones share them.
#[derive(Clone)]
pub struct EmbeddedStores {
    /// The table.
    pub dynamodb: DynamoDb,
    /// The bucket.
    pub s3: Bucket,
    _lock: Arc<File>,
}

impl EmbeddedStores {
    /// Opens the stores of a folder, and creates the folder when it is missing.
    ///
    /// # Errors
    /// [`EmbeddedError::Folder`] when the folder cannot be used, [`EmbeddedError::InUse`] when another process uses it, and
    /// [`EmbeddedError::Database`] when a database in it cannot be opened.
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
            // SQLite creates its side files with the database's mode; existing ones keep theirs, so restrict those, too.
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
