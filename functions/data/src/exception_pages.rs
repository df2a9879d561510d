//! Exceptions of many runs as one list: the newest run first, then in tape order.

use std::{collections::VecDeque, mem, sync::Arc};

use api::{
    caller::Caller,
    problem::{ApiError, InputError},
    values::NO_CURSOR,
};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use shared::{
    auth::{permission::Permission, user::Scope},
    facts::read::{ExceptionFilter, ExceptionRow},
    run::RunStatus,
};
use stores::runs::{RunFilter, StoredRun};
use uuid::Uuid;

use crate::known_runs::{KnownRun, KnownRuns};

/// How many runs are listed at once.
const LISTED: u64 = 200;
/// How many runs are looked into at once, at most. It begins with one: the first often has all that is wanted.
const MOST_AHEAD: usize = 16;
/// How many exceptions are read at once where they are only passed over.
const PASSED: u64 = 8192;

/// A place in the list: a run, and how many of its exceptions are before, of those that are wanted.
pub type Place = (Uuid, u64);

/// Exceptions of one run, in a row.
pub struct Batch {
    /// The run.
    pub known: Arc<KnownRun>,
    /// The place of the first of them.
    pub first: u64,
    /// The exceptions.
    pub rows: Vec<ExceptionRow>,
}

/// The exceptions that a caller may see and a filter lets through, from a place on.
pub struct ExceptionPages {
    runs: KnownRuns,
    filter: ExceptionFilter,
    /// How many are still to be passed over.
    skip: u64,
    /// The run that is being read, and how far.
    current: Option<(Arc<KnownRun>, u64)>,
    /// Runs that were looked into, and those that are listed alone.
    ready: VecDeque<Arc<KnownRun>>,
    listed: VecDeque<StoredRun>,
    ahead: usize,
    /// What is not listed yet.
    rest: Option<Rest>,
    /// Whether runs whose results are not kept any more are passed over: many are asked for, and the others are there.
    passes_over: bool,
}

/// The runs behind the last one that was listed.
struct Rest {
    scope: Scope,
    after: Option<(Timestamp, Uuid)>,
}

impl ExceptionPages {
    /// Those of one run, from a place on.
    ///
    /// # Errors
    /// 422 for a place in another run.
    pub fn of_run(runs: KnownRuns, filter: ExceptionFilter, known: Arc<KnownRun>, from: Option<Place>) -> Result<Self, ApiError> {
        let at = match from {
            Some((run_id, at)) if run_id == known.run.run_id => at,
            Some(_) => return Err(no_place()),
            None => 0,
        };
        Ok(Self::new(runs, filter, Some((known, at)), None))
    }

    /// Those of all runs that the caller may see and whose results are still kept, from a place on.
    ///
    /// # Errors
    /// 422 for a place in no run of theirs; the store fails.
    pub async fn of_all(
        runs: KnownRuns,
        filter: ExceptionFilter,
        caller: &Caller,
        from: Option<Place>,
    ) -> Result<Self, ApiError> {
        let scope = caller.scope(Permission::ReadRuns)?;
        let Some((run_id, at)) = from else {
            return Ok(Self::new(runs, filter, None, Some(Rest { scope, after: None })).passing_over());
        };
        let known = runs.of(caller, run_id).await.map_err(|error| match error {
            ApiError::NotFound(_) => no_place(),
            error => error,
        })?;
        let after = Some((known.run.created_at, run_id));
        Ok(Self::new(runs, filter, Some((known, at)), Some(Rest { scope, after })).passing_over())
    }

    fn new(runs: KnownRuns, filter: ExceptionFilter, current: Option<(Arc<KnownRun>, u64)>, rest: Option<Rest>) -> Self {
        Self {
            runs,
            filter,
            skip: 0,
            current,
            ready: VecDeque::new(),
            listed: VecDeque::new(),
            ahead: 1,
            rest,
            passes_over: false,
        }
    }

    fn passing_over(mut self) -> Self {
        self.passes_over = true;
        self
    }

    /// Passes over some of them.
    #[must_use]
    pub fn after_skipping(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// The next ones, at most `limit`; `None` at the end.
    ///
    /// # Errors
    /// A store fails.
    pub async fn next(&mut self, limit: usize) -> Result<Option<Batch>, ApiError> {
        loop {
            let Some((known, at)) = self.current.take() else {
                if self.ready.is_empty() {
                    self.look_ahead().await?;
                }
                let Some(known) = self.ready.pop_front() else { return Ok(None) };
                self.current = Some((known, 0));
                continue;
            };
            // How many are left in this run, where that is known without reading them.
            let left = self.count(&known).await?.map(|count| count.saturating_sub(at));
            if left.is_some_and(|left| left <= self.skip) {
                self.skip -= left.unwrap_or(0);
                continue;
            }
            if left.is_none() && self.skip > 0 {
                let wanted = self.skip.min(PASSED);
                let passed = self.read(&known, at, wanted as usize).await?.len() as u64;
                self.skip -= passed;
                if passed == wanted {
                    self.current = Some((known, at + passed));
                }
                continue;
            }
            let first = at + mem::take(&mut self.skip);
            let rows = self.read(&known, first, limit).await?;
            if !rows.is_empty() {
                self.current = Some((Arc::clone(&known), first + rows.len() as u64));
                return Ok(Some(Batch { known, first, rows }));
            }
        }
    }

    /// How many exceptions of a run the filter lets through, where that is known without reading them.
    ///
    /// # Errors
    /// The storage fails.
    pub async fn count(&self, known: &KnownRun) -> Result<Option<u64>, ApiError> {
        if !known.has_exceptions() {
            return Ok(Some(0));
        }
        if self.is_unfiltered() {
            return Ok(Some(known.run.exceptions_count));
        }
        let index = self.or_passed_over(self.runs.index(known).await)?.flatten();
        Ok(index.map_or(Some(0), |index| self.filter.count(index)))
    }

    fn is_unfiltered(&self) -> bool {
        self.filter == ExceptionFilter::default()
    }

    async fn read(&self, known: &Arc<KnownRun>, skip: u64, limit: usize) -> Result<Vec<ExceptionRow>, ApiError> {
        let filter = self.filter.clone();
        let read = self.runs.with_exceptions(known, move |exceptions, index| exceptions.page(index, &filter, skip, limit));
        Ok(self.or_passed_over(read.await)?.flatten().unwrap_or_default())
    }

    /// `None` for results that are not kept any more, or not readable by this version, where that is no reason to give up.
    fn or_passed_over<T>(&self, read: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
        match read {
            Err(ApiError::NotFound(_)) if self.passes_over => Ok(None),
            read => read.map(Some),
        }
    }

    /// Looks into the next runs, several at once, and into more each time.
    async fn look_ahead(&mut self) -> Result<(), ApiError> {
        while self.listed.is_empty() {
            if !self.list_more().await? {
                return Ok(());
            }
        }
        let next: Vec<StoredRun> = self.listed.drain(..self.ahead.min(self.listed.len())).collect();
        self.ahead = (self.ahead * 2).min(MOST_AHEAD);
        let look = next.into_iter().map(|run| async {
            let known = self.runs.know(run).await?;
            self.count(&known).await?;
            Ok::<_, ApiError>(known)
        });
        self.ready = try_join_all(look).await?.into();
        Ok(())
    }

    /// Lists the next runs that may have something; false when there are no more.
    async fn list_more(&mut self) -> Result<bool, ApiError> {
        let Some(Rest { scope, after }) = self.rest.take() else { return Ok(false) };
        let filter = RunFilter { sales_team_id: scope.team(), ..RunFilter::default() };
        let (runs, more) = self.runs.runs.list(filter, after, 0, LISTED).await?;
        let last = runs.last().map(|run| (run.created_at, run.run_id));
        self.rest = last.filter(|_| more).map(|last| Rest { scope, after: Some(last) });
        for run in runs {
            // A dry run keeps none of what it found.
            let may_have = run.status.is_final() && run.exceptions_count > 0 && run.output_dir.is_some();
            let all_passed = self.is_unfiltered() && run.status == RunStatus::Completed && run.exceptions_count <= self.skip;
            if may_have && all_passed && self.listed.is_empty() {
                self.skip -= run.exceptions_count;
            } else if may_have {
                self.listed.push_back(run);
            }
        }
        Ok(true)
    }
}

fn no_place() -> ApiError {
    ApiError::invalid(InputError::query("after", NO_CURSOR))
}
