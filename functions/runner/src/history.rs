//! The index of a run's loan numbers, and what earlier runs say about the loans.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use shared::{
    engine::Outcome,
    error::{Phase, RunError},
    facts::{
        FACTS_FILE,
        read::{FactsReader, RangeReader as _, ReadError},
    },
    history::{BLOCK_ENTRIES, ENTRY_BYTES, HISTORY_FILE, IndexError, OwnNumbers, SeenBefore, content_of, marks_of, write_index},
    run::{Run, RunStatus},
};
use stores::{
    StoreError, keys,
    runs::{KeptHistory, ObjectVersion, RunFilter, RunPlace, RunSearch},
    storage::{
        StorageError,
        range_reader::ObjectReader,
        uploads::{Uploaded, Uploads},
    },
};
use uuid::Uuid;

use crate::execute::{Abort, Worker};

/// Largest number of earlier runs that a run is compared with.
const MOST_RUNS: usize = 500;
/// Age of the oldest of them.
const OLDEST: SignedDuration = SignedDuration::from_hours(90 * 24);
/// The indexes that a run is compared with have at most this number of bytes together: a minute of reading.
const MOST_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// Number of bytes of an index that are read at once.
const READ_AT_ONCE: u64 = (BLOCK_ENTRIES * ENTRY_BYTES) as u64;

impl Worker {
    /// Writes the index of the loan numbers of a run whose facts are stored.
    pub(crate) async fn keep_history(&self, run_id: Uuid, outcome: &Outcome, files: &[Uploaded]) -> Result<KeptHistory, Abort> {
        let absent = || RunError::internal(Phase::Output, "The facts of the run are not stored.");
        let facts = files.iter().find(|file| file.name == FACTS_FILE).ok_or_else(absent)?;
        let reader = ObjectReader::new(self.storage.clone(), facts.key.clone(), facts.size, facts.etag.clone());
        let uploads = Uploads::new(self.storage.clone(), move |name| format!("{}/{name}", keys::results(run_id)));
        let out = uploads.create(HISTORY_FILE);
        let writing = tokio::task::spawn_blocking(move || {
            let facts = FactsReader::open(reader)?;
            write_index(&facts, out).map(drop)
        });
        let stopped = |error| RunError::internal(Phase::Output, format!("The index of loan numbers stopped: {error}"));
        if let Err(error) = writing.await.map_err(stopped)? {
            let failed = uploads.abort().await;
            return Err(failed.map_or_else(|| not_written(error), Abort::Storage));
        }
        let stored = uploads.complete().await.map_err(|(name, error)| Abort::storage(Phase::Output, &name, error))?;
        let stored = stored.into_iter().next().ok_or_else(absent)?;
        let index = ObjectVersion { size: stored.size, etag: stored.etag };
        Ok(KeptHistory { index, content: content_of(&outcome.inputs) })
    }

    /// What earlier runs say about the loans of a run: those of its team or, for a run of no team, those of all teams.
    pub(crate) async fn seen_before(&self, run: &Run, own: &KeptHistory) -> Result<SeenBefore, Abort> {
        let mut numbers = self.own_numbers(run.run_id(), &own.index).await?;
        let (mut same_tape_runs, mut runs_looked_at, mut runs_not_looked_at, mut bytes) = (0, 0, 0, 0);
        for earlier in self.earlier_runs(run).await? {
            let kept = self.runs.results(earlier).await?.and_then(|results| results.history);
            let Some(kept) = kept else {
                runs_not_looked_at += 1;
                continue;
            };
            if kept.content == own.content {
                same_tape_runs += 1;
                continue;
            }
            bytes += kept.index.size;
            let compared = if bytes <= MOST_BYTES { self.meet(numbers, earlier, &kept.index).await? } else { (numbers, false) };
            numbers = compared.0;
            *if compared.1 { &mut runs_looked_at } else { &mut runs_not_looked_at } += 1;
        }
        Ok(SeenBefore { loans: numbers.totals(), same_tape_runs, runs_looked_at, runs_not_looked_at })
    }

    /// Ids of the runs that a run is compared with, the newest first.
    async fn earlier_runs(&self, run: &Run) -> Result<Vec<Uuid>, StoreError> {
        let sales_team_id = run.sales_team_id();
        let filter = RunFilter { status: Some(RunStatus::Completed), sales_team_id, ..RunFilter::default() };
        let search = RunSearch { filter, dry_run: Some(false), ..RunSearch::default() };
        let (mut earlier, mut place) = (Vec::new(), Some(RunPlace(run.created_at(), run.run_id(), 0)));
        while let Some(after) = place.filter(|_| earlier.len() < MOST_RUNS) {
            let (runs, next) = self.runs.search(&search, Some(after), 0, (MOST_RUNS - earlier.len()) as u64).await?;
            let young = |at: Timestamp| run.created_at().duration_since(at) <= OLDEST;
            place = next.filter(|place| young(place.0));
            earlier.extend(runs.into_iter().filter(|earlier| young(earlier.created_at)).map(|earlier| earlier.run_id));
        }
        Ok(earlier)
    }

    /// The numbers of a run, from its index.
    async fn own_numbers(&self, run_id: Uuid, index: &ObjectVersion) -> Result<OwnNumbers, Abort> {
        let mut marks = Vec::with_capacity(usize::try_from(index.size / ENTRY_BYTES as u64).unwrap_or(0));
        let numbers = self.read_index(run_id, index, move |entries| match entries {
            Some(entries) => {
                marks.extend(marks_of(&entries));
                None
            }
            None => Some(OwnNumbers::new(std::mem::take(&mut marks).into_iter())),
        });
        let gone = || Abort::from(RunError::internal(Phase::Output, "The index of loan numbers is not as it was written."));
        numbers.await?.ok_or_else(gone)
    }

    /// Compares numbers with the index of an earlier run. The second value is false when the index was removed.
    async fn meet(&self, numbers: OwnNumbers, run_id: Uuid, index: &ObjectVersion) -> Result<(OwnNumbers, bool), Abort> {
        let numbers = Arc::new(Mutex::new(numbers));
        let shared = Arc::clone(&numbers);
        let met = self.read_index(run_id, index, move |entries| {
            let mut numbers = shared.lock().unwrap_or_else(PoisonError::into_inner);
            entries.map_or(Some(()), |entries| {
                numbers.meet(&entries);
                None
            })
        });
        let met = met.await?.is_some();
        let numbers = std::mem::take(&mut *numbers.lock().unwrap_or_else(PoisonError::into_inner));
        Ok((numbers, met))
    }

    /// Reads an index in pieces, outside the async threads. `take` gets each piece, and then `None` for the result. `None` when the
    /// index was removed.
    async fn read_index<T: Send + 'static>(
        &self,
        run_id: Uuid,
        index: &ObjectVersion,
        mut take: impl FnMut(Option<Bytes>) -> Option<T> + Send + 'static,
    ) -> Result<Option<T>, Abort> {
        let key = format!("{}/{HISTORY_FILE}", keys::results(run_id));
        let (size, reader) = (index.size, ObjectReader::new(self.storage.clone(), key, index.size, index.etag.clone()));
        let reading = tokio::task::spawn_blocking(move || {
            let mut at = 0;
            while at < size {
                let piece = at..(at + READ_AT_ONCE).min(size);
                at = piece.end;
                for entries in reader.read(std::slice::from_ref(&piece))? {
                    take(Some(entries));
                }
            }
            Ok(take(None))
        });
        let stopped = |error| RunError::internal(Phase::Output, format!("The comparison with earlier runs stopped: {error}"));
        match reading.await.map_err(stopped)? {
            Ok(taken) => Ok(taken),
            Err(error) => match unavailable(error) {
                Some(error) => Err(Abort::Storage(error)),
                None => Ok(None),
            },
        }
    }
}

/// The failure of a store; `None` when the object was removed or replaced.
fn unavailable(error: std::io::Error) -> Option<StoreError> {
    match error.get_ref().and_then(|error| error.downcast_ref::<StorageError>()) {
        Some(StorageError::NotFound | StorageError::Changed) => None,
        _ => Some(StoreError::Unavailable(Box::new(error))),
    }
}

/// Why an index was not written: the storage failed, or the facts are not as they were written.
fn not_written(error: IndexError) -> Abort {
    match error {
        IndexError::Read(ReadError::Unavailable { source, .. }) | IndexError::Write(source) => {
            Abort::Storage(StoreError::Unavailable(Box::new(source)))
        }
        IndexError::Read(error) => RunError::internal(Phase::Output, format!("The facts cannot be read back: {error}")).into(),
    }
}
