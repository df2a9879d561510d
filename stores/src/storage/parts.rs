//! The files that the steps of a run in parts hand on to each other, in the storage.

use std::{
    io::{self, Read, Write},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use shared::{engine::distribute::PartStore, tape::source::TapeSource as _};
use tokio::runtime::Handle;

use crate::runs::TapeRef;

use super::{
    StorageBackend as _, StorageError,
    s3::{Multipart, PART_BYTES, S3Storage},
    tape::{ObjectTape, ReadFailure},
};

/// A folder of such files. It is used outside the async threads.
pub struct ObjectParts {
    storage: S3Storage,
    folder: String,
    failure: ReadFailure,
    runtime: Handle,
}

impl ObjectParts {
    /// A folder that is used with the current Tokio runtime. `failure` receives errors of the storage.
    pub fn new(storage: S3Storage, folder: String, failure: ReadFailure) -> Self {
        Self { storage, folder, failure, runtime: Handle::current() }
    }
}

impl PartStore for ObjectParts {
    fn create(&self, name: &str) -> io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(PartWriter {
            storage: self.storage.clone(),
            key: format!("{}/{name}", self.folder),
            failure: self.failure.clone(),
            runtime: self.runtime.clone(),
            bytes: Vec::new(),
            upload: Mutex::new(None),
        }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let key = format!("{}/{name}", self.folder);
        let info = self.runtime.block_on(self.storage.info(&key));
        let info = info.and_then(|info| info.ok_or(StorageError::NotFound)).map_err(|error| self.failure.note(error))?;
        let object = TapeRef { key, source_file: name.to_owned(), size: info.size, etag: info.etag };
        let _within = self.runtime.enter();
        ObjectTape::new(self.storage.clone(), object, self.failure.clone()).open_at(0)
    }
}

/// A file that is being written. It becomes a multipart upload when it is larger than one part.
struct PartWriter {
    storage: S3Storage,
    key: String,
    failure: ReadFailure,
    runtime: Handle,
    bytes: Vec<u8>,
    upload: Mutex<Option<Multipart>>,
}

const CONTENT_TYPE: &str = "application/octet-stream";

impl PartWriter {
    fn send(&mut self) -> Result<(), StorageError> {
        let upload = self.upload.get_mut().unwrap_or_else(PoisonError::into_inner);
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        self.runtime.block_on(async {
            let upload = match upload {
                Some(upload) => upload,
                none => none.insert(self.storage.begin(&self.key, CONTENT_TYPE).await?),
            };
            upload.add(bytes).await
        })
    }

    fn end(&mut self) -> Result<(), StorageError> {
        let in_parts = self.upload.get_mut().unwrap_or_else(PoisonError::into_inner).is_some();
        if in_parts && !self.bytes.is_empty() {
            self.send()?;
        }
        match self.upload.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            Some(upload) => self.runtime.block_on(upload.complete()).map(drop),
            None => {
                let put = self.storage.put_bytes(&self.key, std::mem::take(&mut self.bytes).into(), CONTENT_TYPE);
                self.runtime.block_on(put).map(drop)
            }
        }
    }
}

impl Write for PartWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PART_BYTES - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..taken]);
        if self.bytes.len() == PART_BYTES {
            self.send().map_err(|error| self.failure.note(error))?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.end().map_err(|error| self.failure.note(error))
    }
}

impl Drop for PartWriter {
    /// Aborts the upload of a file that was not flushed, so that neither the file nor any of its parts remain.
    fn drop(&mut self) {
        if let Some(upload) = self.upload.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            self.runtime.spawn(upload.abort());
        }
    }
}
