//! The job `archive_zip`: the archive of a run as a ZIP.

use std::io::Write;

use stores::archive::{ArchiveFiles, PackError};
use uuid::Uuid;
use zip::result::ZipError;

use super::{MakeError, Sources};

impl From<PackError> for MakeError {
    fn from(error: PackError) -> Self {
        match error {
            PackError::Storage(error) => error.into(),
            PackError::Zip(ZipError::Io(error)) => error.into(),
            error @ PackError::Zip(_) => Self::Internal(Box::new(error)),
        }
    }
}

pub fn write(out: &mut dyn Write, run_id: Uuid, sources: &Sources) -> Result<(), MakeError> {
    let files = sources.wait(ArchiveFiles::find(&sources.storage, run_id))?;
    if files.is_empty() {
        return Err(MakeError::gone());
    }
    // `out` itself checks whether the worker still has the job.
    Ok(files.pack(out, &sources.storage, &sources.runtime, || Ok(()))?)
}
