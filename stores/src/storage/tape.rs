//! A tape in the storage. It is read ahead while the engine judges its loans.

use std::{
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use shared::{
    facts::read::RangeReader as _,
    tape::{source::TapeSource, workbook::ReadSeek},
};
use tokio::{runtime::Handle, sync::mpsc};

use crate::{StoreError, runs::TapeRef};

use super::{
    StorageBackend as _, StorageError, collect,
    range_reader::{ObjectReader, io_error},
    s3::S3Storage,
};

/// Number of bytes of one request.
const AHEAD_BYTES: u64 = 8 * 1024 * 1024;
/// Number of such pieces that may wait to be read.
const AHEAD: usize = 2;

/// The error of the storage while tapes were read. The engine sees only that a tape cannot be read, and would blame the tape.
#[derive(Debug, Clone, Default)]
pub struct ReadFailure(Arc<Mutex<Option<StoreError>>>);

impl ReadFailure {
    /// Takes the error, if there was one.
    pub fn take(&self) -> Option<StoreError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Keeps an error if the storage caused it. Returns the I/O error for the reader.
    pub(super) fn note(&self, error: StorageError) -> io::Error {
        match error {
            StorageError::Store(error) => {
                let told = io::Error::other(error.to_string());
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                told
            }
            error => io_error(error),
        }
    }
}

/// One version of a tape in the storage. It is used outside the async threads.
pub struct ObjectTape {
    storage: S3Storage,
    tape: TapeRef,
    failure: ReadFailure,
    runtime: Handle,
}

impl ObjectTape {
    /// A tape that is read with the current Tokio runtime. `failure` receives errors of the storage.
    pub fn new(storage: S3Storage, tape: TapeRef, failure: ReadFailure) -> Self {
        Self { storage, tape, failure, runtime: Handle::current() }
    }
}

impl TapeSource for ObjectTape {
    fn name(&self) -> &str {
        &self.tape.source_file
    }

    fn size(&self) -> u64 {
        self.tape.size
    }

    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let failure = self.failure.clone();
        let (storage, TapeRef { key, size, etag, .. }) = (self.storage.clone(), self.tape.clone());
        self.runtime.spawn(async move {
            let mut start = offset.min(size);
            // Request a piece of an empty or shortened tape, too, to check that the tape has the expected version.
            loop {
                let range = start..(start + AHEAD_BYTES).min(size);
                let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
                let piece = match storage.get(&key, Some(range.clone()), Some(&etag)).await {
                    Ok(download) => collect(download.body, length).await.map(Bytes::from),
                    Err(error) => Err(error),
                };
                let failed = piece.is_err();
                start = range.end;
                if sender.send(piece.map_err(|error| failure.note(error))).await.is_err() || failed || start >= size {
                    return;
                }
            }
        });
        Ok(Box::new(Ahead { receiver, piece: Bytes::new() }))
    }

    fn open_seekable(&self) -> io::Result<Box<dyn ReadSeek>> {
        let TapeRef { key, size, etag, .. } = self.tape.clone();
        let reader = self.runtime.block_on(async { ObjectReader::new(self.storage.clone(), key, size, etag) });
        Ok(Box::new(Anywhere { reader, failure: self.failure.clone(), size, at: 0, piece: Bytes::new(), place: 0..0 }))
    }
}

/// Reads a tape from an offset to its end.
struct Ahead {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Ahead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let length = out.len().min(self.piece.len());
        out[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

/// Reads a tape in any order, a megabyte at a time.
struct Anywhere {
    reader: ObjectReader,
    failure: ReadFailure,
    size: u64,
    at: u64,
    piece: Bytes,
    place: Range<u64>,
}

/// Number of bytes that a read in any order requests at once.
const PIECE_BYTES: u64 = 1024 * 1024;

impl Read for Anywhere {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.size {
            return Ok(0);
        }
        if !self.place.contains(&self.at) {
            let place = self.at..(self.at + PIECE_BYTES).min(self.size);
            let read = self.reader.read(std::slice::from_ref(&place));
            let mut read = read.map_err(|error| match error.downcast::<StorageError>() {
                Ok(error) => self.failure.note(error),
                Err(error) => error,
            })?;
            self.piece = read.pop().unwrap_or_default();
            self.place = place;
        }
        let from = usize::try_from(self.at - self.place.start).unwrap_or(usize::MAX);
        let left = self.piece.get(from..).ok_or(io::ErrorKind::UnexpectedEof)?;
        let length = out.len().min(left.len());
        out[..length].copy_from_slice(&left[..length]);
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for Anywhere {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
