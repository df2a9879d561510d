//! The job `seller_return`: the loans that a run does not buy, as the seller sent them, with the reasons.

use std::io::{self, Write};

use shared::{
    engine::open_tapes,
    facts::{
        EXCEPTIONS_FILE, FACTS_FILE, SCHEMA,
        index::StoredIndex,
        read::{ExceptionsReader, FactsReader, ReadError},
    },
    manifest::place_of_tape,
    results::workbook::{ReturnError, ReturnedRun, SheetLimits, WorkbookError, write_seller_return},
    tape::source::TapeSource,
};
use stores::{
    StoreError, keys,
    runs::{ObjectVersion, RunResults, TapeRef},
    storage::{
        StorageBackend as _, StorageError, collect,
        range_reader::ObjectReader,
        tape::{ObjectTape, ReadFailure},
    },
};
use uuid::Uuid;

use super::{MakeError, Sources};

pub fn write(out: &mut dyn Write, run_id: Uuid, sources: &Sources) -> Result<(), MakeError> {
    let request = sources.wait(sources.runs.request(run_id))?.ok_or_else(MakeError::gone)?;
    let results = sources.wait(sources.runs.results(run_id))?;
    let Some(RunResults { facts: Some(facts), exceptions: Some(exceptions), index: Some(index), .. }) = results else {
        return Err(MakeError::gone());
    };
    let rules = sources.wait(sources.runs.rules(&request))?;
    let (options, _) = request.reading.options().map_err(|error| MakeError::Internal(Box::new(error)))?;
    let failure = ReadFailure::default();
    let mut tapes: Vec<Box<dyn TapeSource>> = Vec::new();
    for tape in sources.wait(sources.runs.tapes(&request))? {
        let tape = kept(run_id, tape, sources)?;
        tapes.push(Box::new(ObjectTape::new(sources.storage.clone(), tape, failure.clone())));
    }
    let index: StoredIndex = serde_json::from_slice(&read(run_id, keys::INDEX_FILE, &index, sources)?)
        .map_err(|error| MakeError::Internal(Box::new(error)))?;
    if index.schema != SCHEMA {
        return Err(MakeError::gone());
    }
    let reader = |name: &str, version: ObjectVersion| {
        let key = format!("{}/{name}", keys::results(run_id));
        ObjectReader::new(sources.storage.clone(), key, version.size, version.etag)
    };
    let of_tapes = |error: ReturnError| match (failure.take(), error) {
        (Some(error), _) => MakeError::Store(error),
        (None, ReturnError::Tape(error)) => MakeError::Internal(Box::new(error)),
        (None, ReturnError::Workbook(error)) => error.into(),
    };
    let opened = open_tapes(&tapes, &options, &rules).map_err(|error| of_tapes(error.into()))?;
    let run = ReturnedRun {
        run_id,
        created_at: request.created_at,
        reading: &request.reading,
        tapes: &opened,
        facts: &FactsReader::open(reader(FACTS_FILE, facts))?,
        exceptions: &ExceptionsReader::open(reader(EXCEPTIONS_FILE, exceptions))?,
        index: &index.index,
    };
    write_seller_return(out, &run, SheetLimits::default()).map_err(of_tapes)
}

/// The unchanged copy of a tape in the archive of the run; the tape itself where the archive has none.
fn kept(run_id: Uuid, tape: TapeRef, sources: &Sources) -> Result<TapeRef, MakeError> {
    let key = format!("{}/{}", keys::archive(run_id), place_of_tape(&tape.source_file));
    match sources.wait(sources.storage.info(&key))? {
        Some(copy) => Ok(TapeRef { key, size: copy.size, etag: copy.etag, ..tape }),
        None => match sources.wait(sources.storage.info(&tape.key))? {
            Some(info) if info.etag == tape.etag => Ok(tape),
            _ => Err(MakeError::gone()),
        },
    }
}

/// Reads a file of a run's results.
fn read(run_id: Uuid, name: &str, version: &ObjectVersion, sources: &Sources) -> Result<Vec<u8>, MakeError> {
    let key = format!("{}/{name}", keys::results(run_id));
    let download = sources.wait(sources.storage.get(&key, None, Some(&version.etag)))?;
    Ok(sources.wait(collect(download.body, usize::try_from(version.size).unwrap_or(usize::MAX)))?)
}

impl From<WorkbookError> for MakeError {
    fn from(error: WorkbookError) -> Self {
        match error {
            WorkbookError::Write(error) => error.into(),
            WorkbookError::Read(error) => error.into(),
            error @ WorkbookError::Damaged(_) => Self::Internal(Box::new(error)),
        }
    }
}

impl From<ReadError> for MakeError {
    fn from(error: ReadError) -> Self {
        let ReadError::Unavailable { source, .. } = error else { return Self::Internal(Box::new(error)) };
        match source.downcast::<StorageError>() {
            Ok(StorageError::NotFound) => Self::gone(),
            Ok(StorageError::Store(error)) => Self::Store(error),
            Ok(error) => Self::Internal(Box::new(error)),
            Err(error) => Self::Store(StoreError::Unavailable(Box::<io::Error>::new(error))),
        }
    }
}
