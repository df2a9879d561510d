//! Where files are kept, named by keys such as `inputs/teams/7/tape.csv`.

pub mod block_cache;
pub mod content_type;
#[cfg(any(test, feature = "test-support"))]
pub mod local;
pub mod parts;
pub mod range_reader;
pub mod s3;
pub mod tape;
pub mod uploads;
pub mod url_origin;

use std::{
    fs::File,
    io::{self, Read as _},
    ops::Range,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream};
use jiff::Timestamp;

use crate::StoreError;

/// The bytes of a file on their way in or out.
pub type ByteStream = BoxStream<'static, Result<Bytes, StorageError>>;

/// Why the storage did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no such file.
    #[error("there is no such file")]
    NotFound,
    /// The file is not the one that was meant.
    #[error("the file has changed")]
    Changed,
    /// There is more than may be stored.
    #[error("the file has more than {limit} bytes")]
    TooLarge {
        /// How many bytes it may have.
        limit: u64,
    },
    /// Whoever sends the file stopped, or what they sent cannot be read.
    #[error("the file ended before it was complete")]
    Broken,
    /// A file is where a folder is to be, or the other way round.
    #[error("{}", match .0 {
        InTheWay::File => "a file has the name that a folder of this path is to have; choose another path, or delete the file",
        InTheWay::Folder => "a folder has this name; choose another name, or a file in the folder",
    })]
    InTheWay(InTheWay),
    /// The folder has something in it.
    #[error("the folder is not empty")]
    NotEmpty,
    /// This kind of storage cannot do it.
    #[error("this storage has no addresses of its own")]
    Unsupported,
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is where something else is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InTheWay {
    /// A file.
    File,
    /// A folder.
    Folder,
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// Its size in bytes.
    pub size: u64,
    /// Which content it has.
    pub etag: String,
    /// When it was stored.
    pub last_modified: Timestamp,
    /// Its content type.
    pub content_type: Option<String>,
}

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key, without a slash at the end.
    pub key: String,
    /// The file; `None` of a folder.
    pub file: Option<FileInfo>,
}

/// What there is under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A file.
    File(FileInfo),
    /// A folder, and whether something is in it.
    Folder {
        /// Whether nothing is in it.
        empty: bool,
    },
}

/// A file that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Which content it has.
    pub etag: String,
}

/// A file that is read.
pub struct Download {
    /// What is known of it.
    pub info: FileInfo,
    /// Its bytes, or those of the range that was asked for.
    pub body: ByteStream,
}

/// An address under which a file can be fetched or put, without logging in, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedUrl {
    /// The address.
    pub url: String,
    /// Headers that must come with the request.
    pub headers: Vec<(String, String)>,
}

/// A storage of files. Keys have gone through [`shared::paths`]; a folder is what its files have in front, or was made.
#[async_trait]
pub trait StorageBackend: Send + Sync {
    /// What there is under a key.
    async fn find(&self, key: &str) -> Result<Option<Found>, StorageError>;

    /// What is known of a file.
    async fn info(&self, key: &str) -> Result<Option<FileInfo>, StorageError>;

    /// What is in a folder, by key; with `recursive` also what is in the folders in it. A folder that is not there is empty.
    async fn list(&self, folder: &str, recursive: bool) -> Result<Vec<Entry>, StorageError>;

    /// Makes sure that a file may lie under a key: that no folder has the key, and no file the key of one of the folders above it,
    /// below the area, which is the first part of the key. A bucket would take both. Between this look and the writing somebody
    /// else may write: then the one that came later stays hidden behind the other in lists until one of them is deleted.
    async fn check_free(&self, key: &str) -> Result<(), StorageError> {
        self.check_folders(key).await?;
        match self.find(key).await? {
            Some(Found::Folder { .. }) => Err(StorageError::InTheWay(InTheWay::Folder)),
            Some(Found::File(_)) | None => Ok(()),
        }
    }

    /// Makes sure that none of the folders above a key, below the area, is a file.
    async fn check_folders(&self, key: &str) -> Result<(), StorageError> {
        let slashes = key.char_indices().filter(|(_, c)| *c == '/').skip(1);
        let looks = slashes.map(|(at, _)| self.info(&key[..at]));
        let found = futures_util::future::try_join_all(looks).await?;
        if found.iter().any(Option::is_some) { Err(StorageError::InTheWay(InTheWay::File)) } else { Ok(()) }
    }

    /// Stores a file of at most `limit` bytes, in place of what is there. It appears whole or not at all.
    async fn put(&self, key: &str, body: ByteStream, content_type: &str, limit: u64) -> Result<Stored, StorageError>;

    /// Reads a file or a range of it; only if it is the one with a tag, where one is given.
    async fn get(&self, key: &str, range: Option<Range<u64>>, etag: Option<&str>) -> Result<Download, StorageError>;

    /// Deletes a file. Nothing is wrong when it is not there.
    async fn delete(&self, key: &str) -> Result<(), StorageError>;

    /// Deletes an empty folder.
    async fn delete_folder(&self, key: &str) -> Result<(), StorageError>;

    /// Makes a folder; false when it is there.
    async fn make_folder(&self, key: &str) -> Result<bool, StorageError>;

    /// Copies a file; only if it is the one with a tag, where one is given.
    async fn copy(&self, from: &str, to: &str, etag: Option<&str>) -> Result<(), StorageError>;

    /// An address to fetch a file from, under a name of its own.
    async fn url_to_get(&self, key: &str, seconds: u64, disposition: &str) -> Result<SignedUrl, StorageError>;

    /// An address to put a file to.
    async fn url_to_put(&self, key: &str, seconds: u64, content_type: &str) -> Result<SignedUrl, StorageError>;
}

/// The whole body of a small file.
///
/// # Errors
/// The body breaks off, or has more than `limit` bytes.
pub async fn collect(mut body: ByteStream, limit: usize) -> Result<Vec<u8>, StorageError> {
    use futures_util::StreamExt as _;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk?);
        if bytes.len() > limit {
            return Err(StorageError::TooLarge { limit: limit as u64 });
        }
    }
    Ok(bytes)
}

/// The next `left` bytes of a file, in chunks of at most `chunk` bytes, read off the async threads as they are taken.
pub fn chunks_of(file: File, left: u64, chunk: usize) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync {
    stream::try_unfold((file, left), move |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let reading = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; chunk.min(usize::try_from(left).unwrap_or(chunk))];
            file.read_exact(&mut bytes)?;
            Ok::<_, io::Error>((Bytes::from(bytes), file))
        });
        let (bytes, file) = reading.await.map_err(io::Error::other)??;
        let left = left - bytes.len() as u64;
        Ok(Some((bytes, (file, left))))
    })
}

/// Bytes as a stream.
pub fn stream_of(bytes: impl Into<Bytes>) -> ByteStream {
    let bytes: Bytes = bytes.into();
    Box::pin(stream::once(async move { Ok(bytes) }))
}
