//! `GET /api/exceptions`: lists exceptions, the newest run first, then in tape order.

use std::sync::Arc;

use api::{
    caller::Caller,
    extract::ApiQuery,
    file_answer::made_file,
    page::{Listing, Page, PageQuery},
    problem::{ApiError, ProblemObject},
};
use axum::{
    extract::State as FromState,
    http::Uri,
    response::{IntoResponse, Response},
};
use shared::{
    facts::read::ExceptionFilter,
    questions::lists::{filter::LoanFilter, find_exceptions, row_set::RowSet},
};

use crate::{
    State,
    exception_pages::{Batch, ExceptionPages, PagePosition},
    exception_query::{ExceptionObject, ExceptionQuery},
    known_runs::KnownRun,
    loan_query::{LoanFields, without_run},
};

/// List exceptions
///
/// Lists exceptions, those of the newest run first, then in the order of the tape. A filter that matches nothing gives an empty list.
/// The list of all runs skips runs whose results are no longer kept; a request for such a run by `run_id` answers 404.
/// With `run_id`, the list can also be limited to the exceptions of some loans, by the filters of `/api/loans`, and `X-Total-Count` holds
/// the number of all exceptions that match. Without `run_id` these filters answer 422.
#[utoipa::path(
    get, path = "/api/exceptions", tag = "data", security(("bearer" = [])),
    params(PageQuery, ExceptionQuery, LoanFields),
    responses(
        (status = 200, description = "One page of exceptions.", body = Vec<ExceptionObject>),
        (status = 307),
        (status = 404, description = "The run does not exist, belongs to another team, or its results are no longer kept.", body = ProblemObject),
    )
)]
pub async fn list_exceptions(
    FromState(state): FromState<State>,
    caller: Caller,
    uri: Uri,
    ApiQuery((page, query)): ApiQuery<(Page<PagePosition>, (ExceptionQuery, LoanFields))>,
) -> Result<Response, ApiError> {
    let (pages, total) = state.exceptions(&caller, query, page.after).await?;
    let (batches, next) = take(pages.after_skipping(page.skipped()), page.limit).await?;
    let objects =
        batches.iter().flat_map(|Batch { known, rows, .. }| rows.iter().map(|row| ExceptionObject::new(&known.run, row)));
    let json = serde_json::to_vec(&objects.collect::<Vec<_>>()).map_err(ApiError::internal)?;
    let headers = Listing::<()>::new(&uri, &page, Vec::new(), next.is_some(), next.as_ref()).with_total(total).headers();
    Ok((headers, made_file(&state.answers, json.into(), "exceptions.json", "inline").await?).into_response())
}

/// A page, and where the next one begins.
async fn take(mut pages: ExceptionPages, limit: u64) -> Result<(Vec<Batch>, Option<PagePosition>), ApiError> {
    let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut batches = Vec::new();
    loop {
        // Read one more than is wanted, to know whether another page follows.
        let Some(mut batch) = pages.next(left.saturating_add(1)).await? else { return Ok((batches, None)) };
        let next = (batch.known.run.run_id, batch.first + left as u64);
        let full = batch.rows.len() > left;
        batch.rows.truncate(left);
        left -= batch.rows.len();
        batches.push(batch);
        if full {
            return Ok((batches, Some(next)));
        }
    }
}

impl State {
    /// The exceptions that match a query, from a place on, and their number when the query names a run and the number is known
    /// without reading them.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when the caller may not see the run of the query, or its results are no longer kept;
    /// [`ApiError::Invalid`] (422) when the place is not in the runs of the query, and for filters of loans without a run;
    /// [`ApiError::Unavailable`] or [`ApiError::Internal`] when a store fails.
    pub(crate) async fn exceptions(
        &self,
        caller: &Caller,
        (query, loans): (ExceptionQuery, LoanFields),
        from: Option<PagePosition>,
    ) -> Result<(ExceptionPages, Option<u64>), ApiError> {
        let (run_id, runs) = (query.run_id, self.known.clone());
        let (loans, waived) = (query.loans(loans)?, query.waived);
        let filter = query.filter();
        let is_chosen = waived.is_some() || loans != LoanFilter::default();
        let Some(run_id) = run_id else {
            if is_chosen {
                return Err(ApiError::Invalid(without_run(&loans, waived)));
            }
            return Ok((ExceptionPages::of_all(runs, filter, caller, from).await?, None));
        };
        let known = self.known.of(caller, run_id).await?;
        let chosen = if is_chosen { self.exception_list(&known, filter.clone(), waived, loans).await? } else { None };
        let pages = ExceptionPages::of_run(runs, filter, known.clone(), from)?.with_chosen(chosen);
        let total = pages.count(&known).await?;
        Ok((pages, total))
    }

    /// The exceptions of a run that a filter lets through and whose loans another filter lets through; `None` when the run has stored no
    /// results.
    async fn exception_list(
        &self,
        known: &Arc<KnownRun>,
        filter: ExceptionFilter,
        waived: Option<bool>,
        loans: LoanFilter,
    ) -> Result<Option<Arc<RowSet>>, ApiError> {
        let key = (known.run.run_id, filter.clone(), waived, loans.clone());
        if let Some(list) = self.lists.exceptions.get(&key) {
            return Ok(Some(list));
        }
        let found = self.known.with_stored(known, move |run| find_exceptions(run, &filter, waived, &loans)).await?.map(Arc::new);
        if let Some(list) = &found {
            self.lists.exceptions.insert(key, Arc::clone(list));
        }
        Ok(found)
    }
}
