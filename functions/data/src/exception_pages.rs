//! Exceptions of many runs as one list: the newest run first, then in tape order.

use std::{collections::VecDeque, mem, sync::Arc};

use api::{
    caller::Caller,
    problem::{ApiError, InputError},
    stored_results::as_absent,
    values::NO_CURSOR,
};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use shared::{
    auth::{permission::Permission, user::Scope},
    facts::read::{ExceptionFilter, ExceptionRow},
    questions::lists::row_set::RowSet,
    run::RunStatus,
};
use stores::runs::{RunFilter, StoredRun};
use uuid::Uuid;

use crate::known_runs::{KnownRun, KnownRuns};

/// Number of runs that are listed at once.
const LISTED: u64 = 200;
/// Largest number of runs that are opened at once. It starts at one and doubles, because the first run often has all that is
/// wanted.
const MOST_AHEAD: usize = 16;
/// Number of exceptions that are read at once when they are only skipped.
const PASSED: u64 = 8192;

/// A place in the list: a run, and the number of its matching exceptions before the place.
pub type PagePosition = (Uuid, u64);

/// Consecutive exceptions of one run.
pub struct Batch {
    pub known: Arc<KnownRun>,
    /// Place of the first exception among the matching ones of the run.
    pub first: u64,
    pub rows: Vec<ExceptionRow>,
}

/// The exceptions that a caller may see and that match a filter, from a place on.
pub struct ExceptionPages {
    runs: KnownRuns,
    filter: ExceptionFilter,
    /// Number of exceptions that are still to be skipped.
    skip: u64,
    /// The run that is being read, and the place up to which it has been read.
    current: Option<(Arc<KnownRun>, u64)>,
    /// Runs that were opened. `listed` holds the next runs, which were only listed.
    ready: VecDeque<Arc<KnownRun>>,
    listed: VecDeque<StoredRun>,
    ahead: usize,
    /// The runs that are not listed yet.
    rest: Option<Rest>,
    /// The exceptions of the one run that match, where their loans are filtered, too.
    chosen: Option<Arc<RowSet>>,
    /// Whether runs whose results are no longer kept are skipped: a list of all runs still has the others to show.
    passes_over: bool,
}

/// The runs after the last one that was listed.
struct Rest {
    scope: Scope,
    after: Option<(Timestamp, Uuid)>,
}

impl ExceptionPages {
    /// The exceptions of one run, from a place on.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] (422) when the place is in another run.
    pub fn of_run(
        runs: KnownRuns,
        filter: ExceptionFilter,
        known: Arc<KnownRun>,
        from: Option<PagePosition>,
    ) -> Result<Self, ApiError> {
        let at = match from {
            Some((run_id, at)) if run_id == known.run.run_id => at,
            Some(_) => return Err(no_place()),
            None => 0,
        };
        Ok(Self::new(runs, filter, Some((known, at)), None))
    }

    /// The exceptions of all runs that the caller may see and whose results are still kept, from a place on.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] (422) when the place is in a run that the caller may not see; [`ApiError::Forbidden`] when the
    /// caller may not read runs; [`ApiError::Unavailable`] or [`ApiError::Internal`] when the store fails.
    pub async fn of_all(
        runs: KnownRuns,
        filter: ExceptionFilter,
        caller: &Caller,
        from: Option<PagePosition>,
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
            chosen: None,
            passes_over: false,
        }
    }

    /// Shows only these exceptions of the one run: their places among its exceptions.
    #[must_use]
    pub fn with_chosen(mut self, chosen: Option<Arc<RowSet>>) -> Self {
        self.chosen = chosen;
        self
    }

    fn passing_over(mut self) -> Self {
        self.passes_over = true;
        self
    }

    /// Skips the first `skip` exceptions.
    #[must_use]
    pub fn after_skipping(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// The next exceptions, at most `limit` and all of one run; `None` at the end.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] or [`ApiError::Internal`] when a store fails; [`ApiError::NotFound`] when the results of the one
    /// requested run are no longer kept.
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
            // The number that is left in this run, where it is known without reading the exceptions.
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

    /// Number of exceptions of a run that match the filter; `None` where it is not known without reading them.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] or [`ApiError::Internal`] when the storage fails; [`ApiError::NotFound`] when the results of the
    /// one requested run are no longer kept.
    pub async fn count(&self, known: &KnownRun) -> Result<Option<u64>, ApiError> {
        if !known.has_exceptions() {
            return Ok(Some(0));
        }
        if let Some(chosen) = &self.chosen {
            return Ok(Some(chosen.count()));
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
        let (filter, chosen) = (self.filter.clone(), self.chosen.clone());
        let read = self.runs.with_exceptions(known, move |exceptions, index| match chosen {
            Some(chosen) => exceptions.at(index, &chosen.after(skip).take(limit).collect::<Vec<_>>()),
            None => exceptions.page(index, &filter, skip, limit),
        });
        Ok(self.or_passed_over(read.await)?.flatten().unwrap_or_default())
    }

    /// `None` for results that are no longer kept or that this version cannot read, where the list skips such runs.
    fn or_passed_over<T>(&self, read: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
        match read {
            Err(ApiError::ResultsGone(_) | ApiError::NotKept(..)) if self.passes_over => Ok(None),
            read => read.map(Some).map_err(as_absent),
        }
    }

    /// Opens the next runs, several at once, and twice as many each time, up to [`MOST_AHEAD`].
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

    /// Lists the next runs that may have matching exceptions; `false` when no runs are left.
    async fn list_more(&mut self) -> Result<bool, ApiError> {
        let Some(Rest { scope, after }) = self.rest.take() else { return Ok(false) };
        let filter = RunFilter { sales_team_id: scope.team(), ..RunFilter::default() };
        let (runs, more) = self.runs.runs.list(filter, after, 0, LISTED).await?;
        let last = runs.last().map(|run| (run.created_at, run.run_id));
        self.rest = last.filter(|_| more).map(|last| Rest { scope, after: Some(last) });
        for run in runs {
            // A dry run stores no exceptions.
            let may_have = run.status.is_final() && run.exceptions_count > 0 && !run.is_dry();
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
