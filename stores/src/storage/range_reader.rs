//! Reads facts and exceptions from the storage, only the ranges that their readers ask for.

use std::{io, ops::Range};

use bytes::Bytes;
use futures_util::future::try_join_all;
use shared::facts::read::RangeReader;
use tokio::runtime::Handle;

use super::{StorageBackend as _, StorageError, collect, s3::S3Storage};

/// One version of an object. It is used outside the async threads.
pub struct ObjectReader {
    storage: S3Storage,
    key: String,
    size: u64,
    etag: String,
    runtime: Handle,
}

impl ObjectReader {
    /// A version of an object that is read with the current Tokio runtime.
    pub fn new(storage: S3Storage, key: String, size: u64, etag: String) -> Self {
        Self { storage, key, size, etag, runtime: Handle::current() }
    }

    async fn fetch(&self, range: Range<u64>) -> Result<Bytes, StorageError> {
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let download = self.storage.get(&self.key, Some(range), Some(&self.etag)).await?;
        collect(download.body, length).await.map(Bytes::from)
    }
}

/// An error of the storage as an I/O error.
pub(super) fn io_error(error: StorageError) -> io::Error {
    let kind = match &error {
        StorageError::NotFound => io::ErrorKind::NotFound,
        StorageError::Changed => io::ErrorKind::InvalidData,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

impl RangeReader for ObjectReader {
    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }

    fn read(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
        let fetches = ranges.iter().map(|range| self.fetch(range.clone()));
        self.runtime.block_on(try_join_all(fetches)).map_err(io_error)
    }
}
