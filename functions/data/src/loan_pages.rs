//! Pages of the loans of a run: from the page index where it answers the filter, otherwise from a list that was found.

use std::sync::Arc;

use api::problem::ApiError;
use shared::{
    facts::read::{ChosenFields, FactFilter, FactRow},
    questions::lists::{LoanList, filter::LoanFilter, order::LoanOrder},
};

use crate::{State, known_runs::KnownRun};

/// Where a page begins: the number of all loans of the list, the number of loans before the page, and the place in the run of the
/// first loan of the page. A list in tape order can go on from that place without reading the loans before it.
pub type LoanPosition = (u64, u64, u64);

/// Approximate size of a loan as JSON, in bytes.
const LOAN_BYTES: usize = 512;

/// Which loans of a run are wanted, and in which order.
#[derive(Debug, Clone)]
pub struct LoanRequest {
    pub filter: LoanFilter,
    pub order: LoanOrder,
}

/// A page of loans.
#[derive(Debug, Default)]
pub struct LoanPage {
    /// The loans as a JSON list.
    pub json: Vec<u8>,
    /// Number of all loans of the list.
    pub total: u64,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<LoanPosition>,
}

impl LoanPage {
    fn empty() -> Self {
        Self { json: b"[]".to_vec(), ..Self::default() }
    }

    /// The page of these loans, of which the last is on the next page if there are more than `limit`.
    fn new(mut rows: Vec<FactRow>, total: u64, (before, limit): (u64, usize), fields: &[String]) -> Result<Self, ApiError> {
        let next = rows.get(limit).map(|row| (total, before.saturating_add(limit as u64), row.row));
        rows.truncate(limit);
        let mut json = Vec::with_capacity(rows.len() * LOAN_BYTES);
        let shown: Vec<ChosenFields<'_>> = rows.iter().map(|row| ChosenFields { row, fields }).collect();
        serde_json::to_writer(&mut json, &shown).map_err(ApiError::internal)?;
        Ok(Self { json, total, next })
    }
}

impl State {
    /// A page of the loans that the page index finds.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when the results are no longer kept; [`ApiError::Unavailable`] or [`ApiError::Internal`] when the
    /// storage fails.
    pub async fn indexed_loans(
        &self,
        known: &Arc<KnownRun>,
        filter: FactFilter,
        (skip, limit): (u64, usize),
        fields: Vec<String>,
    ) -> Result<LoanPage, ApiError> {
        let read = self.known.with_facts(known, move |facts, index| {
            // Read one more than is wanted, to know whether another page follows.
            let rows = facts.page(index, &filter, skip, limit.saturating_add(1))?;
            Ok(LoanPage::new(rows, filter.count(index).unwrap_or(0), (skip, limit), &fields))
        });
        read.await?.unwrap_or_else(|| Ok(LoanPage::empty()))
    }

    /// A page of the loans that a filter lets through, in an order. `after` is the position that an earlier page gave.
    ///
    /// # Errors
    /// Those of [`State::indexed_loans`].
    pub async fn found_loans(
        &self,
        known: &Arc<KnownRun>,
        request: LoanRequest,
        after: Option<LoanPosition>,
        (skip, limit): (u64, usize),
        fields: Vec<String>,
    ) -> Result<LoanPage, ApiError> {
        let list = match self.lists.loans.get(&(known.run.run_id, request.filter.clone(), request.order)) {
            Some(list) => Some(list),
            None => match after.filter(|_| request.order == LoanOrder::default()) {
                Some(after) => return self.loans_from(known, request.filter, after, limit, fields).await,
                None => self.loan_list(known, request).await?,
            },
        };
        let Some(list) = list else { return Ok(LoanPage::empty()) };
        let before = after.map_or(skip, |(_, before, _)| before);
        let read = self.known.with_facts(known, move |facts, index| {
            let rows = facts.at(index, &list.page(before, limit.saturating_add(1)))?;
            Ok(LoanPage::new(rows, list.count(), (before, limit), &fields))
        });
        read.await?.unwrap_or_else(|| Ok(LoanPage::empty()))
    }

    /// A page of a list in tape order, from a place in the run on.
    async fn loans_from(
        &self,
        known: &Arc<KnownRun>,
        filter: LoanFilter,
        (total, before, row): LoanPosition,
        limit: usize,
        fields: Vec<String>,
    ) -> Result<LoanPage, ApiError> {
        let read = self.known.with_stored(known, move |run| {
            let wanted = limit.saturating_add(1);
            let places: Vec<u64> = filter.rows_from(run, row, wanted as u64)?.after(0).take(wanted).collect();
            Ok(LoanPage::new(run.facts.at(run.index, &places)?, total, (before, limit), &fields))
        });
        read.await?.unwrap_or_else(|| Ok(LoanPage::empty()))
    }

    /// The list of the loans that a filter lets through, in an order; `None` when the run has stored no results.
    ///
    /// # Errors
    /// Those of [`State::indexed_loans`].
    pub async fn loan_list(&self, known: &Arc<KnownRun>, request: LoanRequest) -> Result<Option<Arc<LoanList>>, ApiError> {
        let LoanRequest { filter, order } = request;
        let key = (known.run.run_id, filter.clone(), order);
        if let Some(list) = self.lists.loans.get(&key) {
            return Ok(Some(list));
        }
        let found = self.known.with_stored(known, move |run| LoanList::find(run, &filter, order)).await?;
        let found = found.map(Arc::new);
        if let Some(list) = &found {
            self.lists.loans.insert(key, Arc::clone(list));
        }
        Ok(found)
    }
}
