//! Runs and their results. The results of an ended run never change, so they are read once and cached, up to a limit. A page of
//! loans then needs only one request to the stores: the one that reads the caller.

use std::{sync::Arc, thread::available_parallelism};

use api::{
    caller::Caller,
    problem::ApiError,
    stored_results::{read_index, unreadable},
};
use bytes::Bytes;
use quick_cache::{OptionsBuilder, Weighter, sync::Cache};
use shared::{
    auth::permission::Permission,
    facts::{
        EXCEPTIONS_FILE, EXCEPTIONS_PER_GROUP, FACTS_FILE, FACTS_PER_GROUP,
        index::ResultsIndex,
        read::{ExceptionsReader, FactsReader, ReadError},
    },
    questions::lists::StoredRun as StoredLists,
    results::summary::SummaryBuilder,
    run_summary::RunSummary,
};
use stores::{
    keys,
    resources::Resources,
    runs::{ObjectVersion, RunResults, Runs, StoredRun},
    storage::{
        block_cache::{BlockCache, CachedReader},
        range_reader::ObjectReader,
        s3::S3Storage,
    },
};
use tokio::sync::{OnceCell, Semaphore};
use uuid::Uuid;

/// Size of the cache of results, in bytes.
const RESULT_BYTES: u64 = 64 * 1024 * 1024;
/// Size of the cache of runs, in bytes.
const KNOWN_BYTES: u64 = 64 * 1024 * 1024;
/// Approximate memory for the page locations of a row group, in bytes.
const GROUP_BYTES: u64 = 64 * 1024;
/// Approximate number of runs in the cache.
const KNOWN_RUNS: usize = 1024;

/// A reader of an object of results.
type Reader = CachedReader<ObjectReader>;

/// A run with its results. Index, facts and exceptions are opened when they are first needed.
pub struct KnownRun {
    pub run: StoredRun,
    /// The summary as JSON, as the API shows it.
    pub summary: Bytes,
    stored: Option<StoredFiles>,
    index: OnceCell<ResultsIndex>,
    facts: OnceCell<FactsReader<Reader>>,
    exceptions: OnceCell<ExceptionsReader<Reader>>,
}

/// The versions of the files that the run stored.
struct StoredFiles {
    facts: ObjectVersion,
    exceptions: ObjectVersion,
    index: ObjectVersion,
}

#[derive(Clone)]
struct Size;

impl Weighter<Uuid, Arc<KnownRun>> for Size {
    /// Memory of a run when everything of it has been read, in bytes.
    fn weight(&self, _: &Uuid, known: &Arc<KnownRun>) -> u64 {
        let run = &known.run;
        let groups = run.total_loans / FACTS_PER_GROUP as u64 + run.exceptions_count / EXCEPTIONS_PER_GROUP as u64 + 2;
        run.object().get().len() as u64 + known.summary.len() as u64 + groups * GROUP_BYTES
    }
}

/// An empty cache with a single shard. With one shard per thread, each shard would be too small for the largest runs.
fn cache() -> Cache<Uuid, Arc<KnownRun>, Size> {
    let options = OptionsBuilder::new().shards(1).weight_capacity(KNOWN_BYTES).estimated_items_capacity(KNOWN_RUNS).build();
    match options {
        Ok(options) => Cache::with_options(options, Size, Default::default(), Default::default()),
        // Only options without a capacity are invalid.
        Err(_) => Cache::with_weighter(KNOWN_RUNS, KNOWN_BYTES, Size),
    }
}

/// The cache of runs, and the stores that they are read from.
#[derive(Clone)]
pub struct KnownRuns {
    pub runs: Runs,
    storage: S3Storage,
    known: Arc<Cache<Uuid, Arc<KnownRun>, Size>>,
    blocks: BlockCache,
    /// Limits the threads that decode pages to the number of cores: with more threads, all pages would be late.
    decoding: Arc<Semaphore>,
}

impl KnownRuns {
    /// Starts with an empty cache.
    pub fn new(resources: &Resources) -> Self {
        let cores = available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            runs: resources.runs(),
            storage: resources.storage.clone(),
            known: Arc::new(cache()),
            blocks: BlockCache::new(RESULT_BYTES),
            decoding: Arc::new(Semaphore::new(cores)),
        }
    }

    /// A run that the caller may see.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when the run does not exist or belongs to another team; [`ApiError::Forbidden`] when the caller may
    /// not read runs; [`ApiError::Unavailable`] or [`ApiError::Internal`] when the store fails.
    pub async fn of(&self, caller: &Caller, run_id: Uuid) -> Result<Arc<KnownRun>, ApiError> {
        let scope = caller.scope(Permission::ReadRuns)?;
        let known = match self.known.get(&run_id) {
            Some(known) => Some(known),
            None => match self.runs.get(run_id).await? {
                Some(run) => Some(self.know(run).await?),
                None => None,
            },
        };
        known.filter(|known| scope.covers(known.run.sales_team_id)).ok_or(ApiError::not_found("The run"))
    }

    /// Adds the results to a run that was just read. Caches the run if it has ended.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] or [`ApiError::Internal`] when the store fails.
    pub async fn know(&self, run: StoredRun) -> Result<Arc<KnownRun>, ApiError> {
        if let Some(known) = self.known.get(&run.run_id) {
            return Ok(known);
        }
        let (run_id, ended) = (run.run_id, run.status.is_final());
        let results = if ended { self.runs.results(run_id).await? } else { None };
        let known = Arc::new(KnownRun::new(run, results)?);
        if ended {
            self.known.insert(run_id, Arc::clone(&known));
        }
        Ok(known)
    }

    /// The index of a run's results: where their pages are; `None` when the run has stored no results.
    ///
    /// # Errors
    /// Those of [`read_index`].
    pub async fn index<'k>(&self, known: &'k KnownRun) -> Result<Option<&'k ResultsIndex>, ApiError> {
        let Some(StoredFiles { index, .. }) = &known.stored else { return Ok(None) };
        known.index.get_or_try_init(|| read_index(&self.storage, known.run.run_id, index)).await.map(Some)
    }

    /// Runs `work` with the facts of a run, on a thread of its own; `None` when the run has stored no results.
    ///
    /// # Errors
    /// Those of [`read_index`], and those of [`unreadable`] when the facts cannot be read.
    pub async fn with_facts<T: Send + 'static>(
        &self,
        known: &Arc<KnownRun>,
        work: impl FnOnce(&FactsReader<Reader>, &ResultsIndex) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<Option<T>, ApiError> {
        if !self.open_facts(known).await? {
            return Ok(None);
        }
        let known = Arc::clone(known);
        self.decode(move || Ok(known.facts.get().zip(known.index.get()).map(|(facts, index)| work(facts, index))))
            .await?
            .transpose()
            .map_err(unreadable)
    }

    /// Runs `work` with the exceptions of a run, on a thread of its own; `None` when the run has stored no results.
    ///
    /// # Errors
    /// Those of [`read_index`], and those of [`unreadable`] when the exceptions cannot be read.
    pub async fn with_exceptions<T: Send + 'static>(
        &self,
        known: &Arc<KnownRun>,
        work: impl FnOnce(&ExceptionsReader<Reader>, &ResultsIndex) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<Option<T>, ApiError> {
        if !self.open_exceptions(known).await? {
            return Ok(None);
        }
        let known = Arc::clone(known);
        self.decode(move || Ok(known.exceptions.get().zip(known.index.get()).map(|(exceptions, index)| work(exceptions, index))))
            .await?
            .transpose()
            .map_err(unreadable)
    }

    /// Runs `work` with facts and exceptions of a run, on a thread of its own; `None` when the run has stored no results.
    ///
    /// # Errors
    /// Those of [`read_index`], and those of [`unreadable`] when facts or exceptions cannot be read.
    pub async fn with_stored<T: Send + 'static>(
        &self,
        known: &Arc<KnownRun>,
        work: impl FnOnce(StoredLists<'_, Reader, Reader>) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<Option<T>, ApiError> {
        if !self.open_facts(known).await? || !self.open_exceptions(known).await? {
            return Ok(None);
        }
        let known = Arc::clone(known);
        self.decode(move || {
            let stored = known.facts.get().zip(known.exceptions.get()).zip(known.index.get());
            Ok(stored.map(|((facts, exceptions), index)| work(StoredLists { facts, exceptions, index })))
        })
        .await?
        .transpose()
        .map_err(unreadable)
    }

    /// Runs `work` with the facts and the exceptions of a run, on a thread of its own; `None` when the run has stored no results.
    ///
    /// # Errors
    /// Those of [`KnownRuns::with_stored`].
    pub async fn with_loans<T: Send + 'static>(
        &self,
        known: &Arc<KnownRun>,
        work: impl FnOnce(&FactsReader<Reader>, &ExceptionsReader<Reader>, &ResultsIndex) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<Option<T>, ApiError> {
        self.with_stored(known, move |run| work(run.facts, run.exceptions, run.index)).await
    }

    /// Opens the index and the facts of a run; `false` when the run has stored no results.
    async fn open_facts(&self, known: &KnownRun) -> Result<bool, ApiError> {
        let (Some(files), Some(_)) = (&known.stored, self.index(known).await?) else { return Ok(false) };
        let open = async || {
            let reader = self.reader(known.run.run_id, FACTS_FILE, &files.facts);
            self.decode(move || FactsReader::open(reader)).await
        };
        known.facts.get_or_try_init(open).await?;
        Ok(true)
    }

    /// Opens the index and the exceptions of a run; `false` when the run has stored no results.
    async fn open_exceptions(&self, known: &KnownRun) -> Result<bool, ApiError> {
        let (Some(files), Some(_)) = (&known.stored, self.index(known).await?) else { return Ok(false) };
        let open = async || {
            let reader = self.reader(known.run.run_id, EXCEPTIONS_FILE, &files.exceptions);
            self.decode(move || ExceptionsReader::open(reader)).await
        };
        known.exceptions.get_or_try_init(open).await?;
        Ok(true)
    }

    fn reader(&self, run_id: Uuid, name: &str, version: &ObjectVersion) -> Reader {
        let key = format!("{}/{name}", keys::results(run_id));
        self.blocks.reader(ObjectReader::new(self.storage.clone(), key, version.size, version.etag.clone()))
    }

    async fn decode<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let turn = Arc::clone(&self.decoding).acquire_owned().await.map_err(ApiError::internal)?;
        let decoded = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        decoded.await.map_err(ApiError::internal)?.map_err(unreadable)
    }
}

impl KnownRun {
    fn new(run: StoredRun, results: Option<RunResults>) -> Result<Self, ApiError> {
        let (summary, stored) = match results {
            Some(RunResults { summary, facts, exceptions, index, .. }) => {
                let stored = facts.zip(exceptions).zip(index);
                let stored = stored.map(|((facts, exceptions), index)| StoredFiles { facts, exceptions, index });
                (Bytes::from(String::from(Box::<str>::from(summary))), stored)
            }
            None => {
                let nothing = SummaryBuilder::default().finish();
                let object = RunSummary::new(run.run_id, run.status, &nothing);
                (serde_json::to_vec(&object).map_err(ApiError::internal)?.into(), None)
            }
        };
        let (index, facts, exceptions) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Ok(Self { run, summary, stored, index, facts, exceptions })
    }

    /// Whether the run has stored exceptions.
    pub fn has_exceptions(&self) -> bool {
        self.stored.is_some() && self.run.exceptions_count > 0
    }
}
