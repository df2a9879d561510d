//! Storage of files under keys such as `inputs/teams/7/tape.csv`.

pub mod block_cache;
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

/// The bytes of a file that is uploaded or downloaded.
pub type ByteStream = BoxStream<'static, Result<Bytes, StorageError>>;

/// Why the storage did not execute a request.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The file does not exist.
    #[error("there is no such file")]
    NotFound,
    /// The content of the file is not the expected version.
    #[error("the file has changed")]
    Changed,
    /// The file is larger than allowed.
    #[error("the file has more than {limit} bytes")]
    TooLarge {
        /// Largest number of bytes that the file may have.
        limit: u64,
    },
    /// The sender of the file stopped before its end, or sent data that cannot be read.
    #[error("the file ended before it was complete")]
    Broken,
    /// A file has the name that a folder needs, or a folder has the name that a file needs.
    #[error("{}", match .0 {
        InTheWay::File => "a file has the name that a folder of this path is to have; choose another path, or delete the file",
        InTheWay::Folder => "a folder has this name; choose another name, or a file in the folder",
    })]
    InTheWay(InTheWay),
    /// The folder is not empty.
    #[error("the folder is not empty")]
    NotEmpty,
    /// This kind of storage has no signed URLs.
    #[error("this storage has no addresses of its own")]
    Unsupported,
    /// The store behind the storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What has the name that something else needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InTheWay {
    File,
    Folder,
}

/// Metadata of a file, known without reading its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// Size in bytes.
    pub size: u64,
    /// ETag of the content.
    pub etag: String,
    /// Time at which the file was stored.
    pub last_modified: Timestamp,
    /// Content type, where the storage returns it.
    pub content_type: Option<String>,
}

/// A file or a folder in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Key, without a slash at the end.
    pub key: String,
    /// Metadata of the file; `None` for a folder.
    pub file: Option<FileInfo>,
}

/// What exists under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    File(FileInfo),
    Folder {
        /// Whether the folder is empty.
        empty: bool,
    },
}

/// A file that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the content, in lower-case hexadecimal.
    pub sha256: String,
    /// ETag of the content.
    pub etag: String,
}

/// A file that is being read.
pub struct Download {
    /// Metadata of the file.
    pub info: FileInfo,
    /// Bytes of the file, or of the requested range.
    pub body: ByteStream,
}

/// A URL that downloads or uploads a file without a token, for a limited time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedUrl {
    pub url: String,
    /// Headers that the client must send with the request.
    pub headers: Vec<(String, String)>,
}

/// A storage of files. Callers check keys with the functions of [`shared::paths`] first. A folder exists when a key begins with
/// it, or when it was created.
#[async_trait]
pub trait StorageBackend: Send + Sync {
    /// Looks up what exists under a key: a file, a folder, or nothing.
    async fn find(&self, key: &str) -> Result<Option<Found>, StorageError>;

    /// Metadata of a file. `None` when the file does not exist.
    async fn info(&self, key: &str) -> Result<Option<FileInfo>, StorageError>;

    /// Lists the entries of a folder, sorted by key; with `recursive`, also those of its subfolders. A folder that does not exist
    /// has no entries.
    async fn list(&self, folder: &str, recursive: bool) -> Result<Vec<Entry>, StorageError>;

    /// Checks that a file may have a key: no folder has the key, and no file has the key of one of the folders above it, below
    /// the area, which is the first part of the key. A bucket itself would accept both. Another client may write between this
    /// check and the write of the file. Then the later of the two is hidden behind the earlier one in lists, until one of them
    /// is deleted.
    async fn check_free(&self, key: &str) -> Result<(), StorageError> {
        self.check_folders(key).await?;
        match self.find(key).await? {
            Some(Found::Folder { .. }) => Err(StorageError::InTheWay(InTheWay::Folder)),
            Some(Found::File(_)) | None => Ok(()),
        }
    }

    /// Checks that none of the folders above a key, below the area, is a file.
    async fn check_folders(&self, key: &str) -> Result<(), StorageError> {
        let slashes = key.char_indices().filter(|(_, c)| *c == '/').skip(1);
        let looks = slashes.map(|(at, _)| self.info(&key[..at]));
        let found = futures_util::future::try_join_all(looks).await?;
        if found.iter().any(Option::is_some) { Err(StorageError::InTheWay(InTheWay::File)) } else { Ok(()) }
    }

    /// Stores a file of at most `limit` bytes and replaces an existing one. The file appears whole or not at all.
    async fn put(&self, key: &str, body: ByteStream, content_type: &str, limit: u64) -> Result<Stored, StorageError>;

    /// Reads a file or a range of its bytes. With `etag`, fails as [`StorageError::Changed`] when the file has another version.
    async fn get(&self, key: &str, range: Option<Range<u64>>, etag: Option<&str>) -> Result<Download, StorageError>;

    /// Deletes a file. A file that does not exist is not an error.
    async fn delete(&self, key: &str) -> Result<(), StorageError>;

    /// Deletes an empty folder. Fails as [`StorageError::NotEmpty`] when the folder is not empty.
    async fn delete_folder(&self, key: &str) -> Result<(), StorageError>;

    /// Creates a folder. Returns false when the folder exists already.
    async fn make_folder(&self, key: &str) -> Result<bool, StorageError>;

    /// Copies a file. With `etag`, fails as [`StorageError::Changed`] when the file has another version.
    async fn copy(&self, from: &str, to: &str, etag: Option<&str>) -> Result<(), StorageError>;

    /// Signs a URL to download a file. `disposition` is the `Content-Disposition` of the answer, with the name for the download.
    async fn url_to_get(&self, key: &str, seconds: u64, disposition: &str) -> Result<SignedUrl, StorageError>;

    /// Signs a URL to upload a file.
    async fn url_to_put(&self, key: &str, seconds: u64, content_type: &str) -> Result<SignedUrl, StorageError>;
}

/// Reads the whole body of a small file.
///
/// # Errors
/// [`StorageError::TooLarge`] when the body has more than `limit` bytes; the error of the body when it breaks off.
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

/// The next `left` bytes of a file, in chunks of at most `chunk` bytes. Each chunk is read outside the async threads when the
/// consumer asks for it.
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
