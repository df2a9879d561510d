//! The files that the engine writes, as uploads.

use std::{
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

use shared::{engine::Destination, results::outputs::OUTPUTS, tape::text::RawCopy};
use stores::{
    keys,
    storage::{s3::S3Storage, uploads::Uploads},
};
use uuid::Uuid;

/// The files that the engine writes.
pub(crate) struct Files(Mutex<Option<Uploads>>);

impl Files {
    pub(crate) fn new(storage: &S3Storage, run_id: Uuid) -> Self {
        let (outputs, results) = (keys::outputs(run_id), keys::results(run_id));
        let key_of = move |name: &str| {
            let folder = if OUTPUTS.iter().any(|output| output.file_name == name) { &outputs } else { &results };
            format!("{folder}/{name}")
        };
        Self(Mutex::new(Some(Uploads::new(storage.clone(), key_of))))
    }

    pub(crate) fn take(&self) -> Option<Uploads> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Destination for Files {
    fn create(&self, file_name: &str) -> io::Result<Box<dyn Write + Send>> {
        let uploads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        uploads.as_ref().map(|uploads| uploads.create(file_name)).ok_or(io::ErrorKind::BrokenPipe.into())
    }

    fn archive_tape(&self, _: &str) -> io::Result<Option<RawCopy>> {
        // `Worker::archive` copies the tapes within the storage.
        Ok(None)
    }
}
