//! Runs and their results. What a run that has ended left behind never changes, so that it is read once and kept, up to a
//! bound: a page of loans then costs no request to the stores but that of who asks.

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

/// How many bytes of results are kept.
const RESULT_BYTES: u64 = 64 * 1024 * 1024;
/// How many bytes all that is known of runs may have.
const KNOWN_BYTES: u64 = 64 * 1024 * 1024;
/// What the places of a row group's pages take, about, in bytes.
const GROUP_BYTES: u64 = 64 * 1024;
/// How many runs are kept, about.
const KNOWN_RUNS: usize = 1024;

/// A reader of an object of results.
type Reader = CachedReader<ObjectReader>;

/// A run, with what it found.
pub struct KnownRun {
    /// The run.
    pub run: StoredRun,
    /// The summary, as it is shown.
    pub summary: Bytes,
    stored: Option<StoredFiles>,
    index: OnceCell<ResultsIndex>,
    facts: OnceCell<FactsReader<Reader>>,
    exceptions: OnceCell<ExceptionsReader<Reader>>,
}

/// Which versions of its files are a run's.
struct StoredFiles {
    facts: ObjectVersion,
    exceptions: ObjectVersion,
    index: ObjectVersion,
}

#[derive(Clone)]
struct Size;

impl Weighter<Uuid, Arc<KnownRun>> for Size {
    /// What a run takes when everything of it has been read.
    fn weight(&self, _: &Uuid, known: &Arc<KnownRun>) -> u64 {
        let run = &known.run;
        let groups = run.total_loans / FACTS_PER_GROUP as u64 + run.exceptions_count / EXCEPTIONS_PER_GROUP as u64 + 2;
        run.object().get().len() as u64 + known.summary.len() as u64 + groups * GROUP_BYTES
    }
}

/// An empty cache, in one piece: cut into as many as there are threads, its parts would be too small for the largest runs.
fn cache() -> Cache<Uuid, Arc<KnownRun>, Size> {
    let options = OptionsBuilder::new().shards(1).weight_capacity(KNOWN_BYTES).estimated_items_capacity(KNOWN_RUNS).build();
    match options {
        Ok(options) => Cache::with_options(options, Size, Default::default(), Default::default()),
        // Only options that lack a capacity are refused.
        Err(_) => Cache::with_weighter(KNOWN_RUNS, KNOWN_BYTES, Size),
    }
}

/// The runs that are known, and how to know more.
#[derive(Clone)]
pub struct KnownRuns {
    /// The runs.
    pub runs: Runs,
    storage: S3Storage,
    known: Arc<Cache<Uuid, Arc<KnownRun>, Size>>,
    blocks: BlockCache,
    /// Pages are decoded on as many threads as there are cores: with more, all of them would come late.
    decoding: Arc<Semaphore>,
}

impl KnownRuns {
    /// None yet.
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
    /// 404 when there is none, or it is another team's.
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

    /// A run that was just read, with what it found.
    ///
    /// # Errors
    /// The store fails.
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

    /// Where the pages of a run's results are; `None` when it has stored none.
    ///
    /// # Errors
    /// The storage fails.
    pub async fn index<'k>(&self, known: &'k KnownRun) -> Result<Option<&'k ResultsIndex>, ApiError> {
        let Some(StoredFiles { index, .. }) = &known.stored else { return Ok(None) };
        known.index.get_or_try_init(|| read_index(&self.storage, known.run.run_id, index)).await.map(Some)
    }

    /// Does something with the facts of a run that has stored them, on a thread of its own.
    ///
    /// # Errors
    /// The storage fails.
    pub async fn with_facts<T: Send + 'static>(
        &self,
        known: &Arc<KnownRun>,
        work: impl FnOnce(&FactsReader<Reader>, &ResultsIndex) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<Option<T>, ApiError> {
        let (Some(files), Some(_)) = (&known.stored, self.index(known).await?) else { return Ok(None) };
        let open = async || {
            let reader = self.reader(known.run.run_id, FACTS_FILE, &files.facts);
            self.decode(move || FactsReader::open(reader)).await
        };
        known.facts.get_or_try_init(open).await?;
        let known = Arc::clone(known);
        self.decode(move || Ok(known.facts.get().zip(known.index.get()).map(|(facts, index)| work(facts, index))))
            .await?
            .transpose()
            .map_err(unreadable)
    }

    /// Does something with the exceptions of a run that has stored them, on a thread of its own.
    ///
    /// # Errors
    /// The storage fails.
    pub async fn with_exceptions<T: Send + 'static>(
        &self,
        known: &Arc<KnownRun>,
        work: impl FnOnce(&ExceptionsReader<Reader>, &ResultsIndex) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<Option<T>, ApiError> {
        let (Some(files), Some(_)) = (&known.stored, self.index(known).await?) else { return Ok(None) };
        let open = async || {
            let reader = self.reader(known.run.run_id, EXCEPTIONS_FILE, &files.exceptions);
            self.decode(move || ExceptionsReader::open(reader)).await
        };
        known.exceptions.get_or_try_init(open).await?;
        let known = Arc::clone(known);
        self.decode(move || Ok(known.exceptions.get().zip(known.index.get()).map(|(exceptions, index)| work(exceptions, index))))
            .await?
            .transpose()
            .map_err(unreadable)
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

    /// Whether there are exceptions of it to be read.
    pub fn has_exceptions(&self) -> bool {
        self.stored.is_some() && self.run.exceptions_count > 0
    }
}
