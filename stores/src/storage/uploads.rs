//! The files that a run writes. They are uploaded in parts while the run works, and appear when it has succeeded.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Bytes, BytesMut};
use shared::file_types::content_type_of;
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};

use crate::StoreError;

use super::{
    StorageError,
    range_reader::io_error,
    s3::{Multipart, PART_BYTES, S3Storage},
};

/// A file of which all bytes are written, but which has not appeared yet: a multipart upload, or the bytes of a small file.
enum Whole {
    InParts(Multipart, u64),
    Small(Bytes),
}

/// A file that is being uploaded.
struct Upload {
    name: String,
    key: String,
    stored: JoinHandle<Result<Option<Whole>, StorageError>>,
}

/// The files that a run writes. Their writers are used outside the async threads.
pub struct Uploads {
    storage: S3Storage,
    folder_of: Box<dyn Fn(&str) -> String + Send + Sync>,
    runtime: Handle,
    begun: Mutex<Vec<Upload>>,
}

/// A file that has appeared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    pub name: String,
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// ETag of the content.
    pub etag: String,
}

impl Uploads {
    /// Files whose keys `key_of` derives from their names.
    pub fn new(storage: S3Storage, key_of: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self { storage, folder_of: Box::new(key_of), runtime: Handle::current(), begun: Mutex::new(Vec::new()) }
    }

    /// Opens a file for writing, from its beginning.
    pub fn create(&self, name: &str) -> Box<dyn Write + Send> {
        let key = (self.folder_of)(name);
        let (sender, receiver) = mpsc::channel(1);
        let ended = Arc::new(Mutex::new(None));
        let stored = self.runtime.spawn(store(self.storage.clone(), key.clone(), receiver, Arc::clone(&ended)));
        let upload = Upload { name: name.to_owned(), key, stored };
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).push(upload);
        Box::new(ObjectWriter { sender: Some(sender), part: BytesMut::new(), failure: ended })
    }

    /// Makes all files appear.
    ///
    /// # Errors
    /// The name of a file that could not be stored, and its [`StorageError`]. Multipart uploads that are not completed by then
    /// are aborted.
    pub async fn complete(self) -> Result<Vec<Uploaded>, (String, StorageError)> {
        let mut whole = Vec::new();
        let mut failure = None;
        for Upload { name, key, stored } in self.begun.into_inner().unwrap_or_else(PoisonError::into_inner) {
            match stored.await {
                Ok(Ok(Some(stored))) => whole.push((name, key, stored)),
                Ok(Ok(None)) | Err(_) => failure = failure.or(Some((name, StorageError::Broken))),
                Ok(Err(error)) => failure = failure.or(Some((name, error))),
            }
        }
        let mut uploaded = Vec::with_capacity(whole.len());
        for (name, key, stored) in whole {
            let ended = match (stored, failure.is_some()) {
                (Whole::InParts(upload, _), true) => {
                    upload.abort().await;
                    continue;
                }
                (Whole::Small(_), true) => continue,
                (Whole::InParts(upload, size), false) => upload.complete().await.map(|etag| (size, etag)),
                (Whole::Small(bytes), false) => {
                    let put = self.storage.put_bytes(&key, bytes, content_type_of(&name)).await;
                    put.map(|info| (info.size, info.etag))
                }
            };
            match ended {
                Ok((size, etag)) => uploaded.push(Uploaded { name, key, size, etag }),
                Err(error) => failure = Some((name, error)),
            }
        }
        failure.map_or(Ok(uploaded), Err)
    }

    /// Aborts all files. Returns the error with which the storage had failed before, if it had.
    pub async fn abort(self) -> Option<StoreError> {
        let mut failure = None;
        for upload in self.begun.into_inner().unwrap_or_else(PoisonError::into_inner) {
            match upload.stored.await {
                Ok(Ok(Some(Whole::InParts(upload, _)))) => upload.abort().await,
                Ok(Err(StorageError::Store(error))) => failure = Some(error),
                _ => {}
            }
        }
        failure
    }
}

/// The error of an upload, for its writer.
type Failure = Arc<Mutex<Option<io::Error>>>;

/// Stores the pieces of a file as they arrive. `None` when the writer was dropped before the end of the file.
async fn store(
    storage: S3Storage,
    key: String,
    mut parts: mpsc::Receiver<Piece>,
    failure: Failure,
) -> Result<Option<Whole>, StorageError> {
    let (mut upload, mut size): (Option<Multipart>, u64) = (None, 0);
    let stored = loop {
        let (bytes, last) = match parts.recv().await {
            Some(Piece::Part(bytes)) => (bytes, false),
            Some(Piece::Last(bytes)) => (bytes, true),
            None => break Ok(false),
        };
        size += bytes.len() as u64;
        if upload.is_none() {
            if last {
                return Ok(Some(Whole::Small(bytes)));
            }
            match storage.begin(&key, content_type_of(&key)).await {
                Ok(begun) => upload = Some(begun),
                Err(error) => break Err(error),
            }
        }
        if let Some(upload) = &mut upload
            && !bytes.is_empty()
            && let Err(error) = upload.add(bytes).await
        {
            break Err(error);
        }
        if last {
            break Ok(true);
        }
    };
    match (stored, upload) {
        (Ok(true), Some(upload)) => Ok(Some(Whole::InParts(upload, size))),
        (stored, upload) => {
            if let Some(upload) = upload {
                upload.abort().await;
            }
            if let Err(error) = &stored {
                let told = io::Error::other(error.to_string());
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
            }
            stored.map(|_| None)
        }
    }
}

enum Piece {
    Part(Bytes),
    Last(Bytes),
}

/// Writer of a file. A flush marks the file as whole.
struct ObjectWriter {
    sender: Option<mpsc::Sender<Piece>>,
    part: BytesMut,
    failure: Failure,
}

impl ObjectWriter {
    fn send(&mut self, piece: Piece) -> io::Result<()> {
        let sent = self.sender.as_ref().is_some_and(|sender| sender.blocking_send(piece).is_ok());
        if sent {
            return Ok(());
        }
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(failure.unwrap_or_else(|| io_error(StorageError::Broken)))
    }
}

impl Write for ObjectWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PART_BYTES - self.part.len());
        self.part.extend_from_slice(&bytes[..taken]);
        if self.part.len() == PART_BYTES {
            let part = self.part.split().freeze();
            self.send(Piece::Part(part))?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.sender.is_some() {
            let last = self.part.split().freeze();
            self.send(Piece::Last(last))?;
            self.sender = None;
        }
        Ok(())
    }
}
