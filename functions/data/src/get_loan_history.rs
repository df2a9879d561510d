//! `GET /api/loan-history`: shows in which runs a loan was, and what became of it.

use std::sync::Arc;

use api::{caller::Caller, extract::ApiQuery, objects::TapeNumber, problem::ApiError, read_fields};
use axum::{Json, extract::State as FromState};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use shared::{
    auth::permission::Permission,
    clock::Moment,
    decimal::Decimal,
    facts::read::{ExceptionFilter, FactFilter, FactRow, StoredNumber},
    history::Found,
    loan::Field,
    phases::disposition::Disposition,
    run::RunStatus,
};
use stores::runs::{RunFilter, RunSearch, StoredRun};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{State, known_runs::KnownRun};

/// Largest number of runs that are looked at.
const MOST_RUNS: u64 = 200;
/// Largest number of loans in the answer.
const MOST_LOANS: usize = 50;
/// Number of runs that are looked at at the same time.
const AT_ONCE: usize = 16;
/// Largest number of exceptions of a number in one run that are read.
const MOST_EXCEPTIONS: usize = 1_000;

/// Which loan is wanted.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Number of the loan, compared exactly.
    #[param(min_length = 1, example = "L-1")]
    seller_loan_number: String,
}

read_fields!(HistoryQuery { seller_loan_number: required });

/// The runs in which a loan was.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoanHistory {
    /// Loans with the number, those of the newest run first, then in tape order; at most 50.
    loans: Vec<PastLoan>,
    /// Runs that were looked at.
    looked_at: LookedAt,
    /// Ids of the runs among the newest 200 that could not be looked at, because their results were removed or an earlier version of
    /// Loan Engine made them.
    not_looked_at: Vec<Uuid>,
}

/// Runs that were looked at.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookedAt {
    /// Number of runs.
    #[schema(example = 12)]
    runs: u64,
    /// When the oldest of them was created. Null: no run was looked at.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    back_to: Option<Moment>,
}

/// A loan as one run decided on it.
#[derive(Debug, Serialize, ToSchema)]
pub struct PastLoan {
    /// Id of the run.
    run_id: Uuid,
    /// When the run was created.
    #[schema(value_type = String, format = DateTime)]
    created_at: Moment,
    /// Name of the loan's tape.
    #[schema(example = "february.csv")]
    tape: String,
    /// Place of the loan in its run, from 0.
    #[schema(example = 7)]
    row: u32,
    /// Decision on the loan.
    disposition: Disposition,
    /// Price in percent of the balance. Null: the loan has none.
    #[schema(required, value_type = Option<f64>, example = 101.25)]
    final_price: Option<Decimal>,
    /// Loan amount in dollars. Null: the cell is empty.
    #[schema(required, value_type = Option<TapeNumber>)]
    loan_amount: StoredNumber,
    /// Types of the loan's exceptions, each once, in the order of the rules.
    #[schema(example = json!(["ltv_ratio"]))]
    exceptions: Vec<String>,
}

/// Show the history of a loan
///
/// Shows what earlier runs decided on the loans with a number: the newest 200 completed runs that the caller may see are looked at. Dry
/// runs keep no loans and are not among them. A loan without a number has no history.
#[utoipa::path(
    get, path = "/api/loan-history", tag = "data", security(("bearer" = [])),
    params(HistoryQuery),
    responses((status = 200, description = "The history of the loan.", body = LoanHistory))
)]
pub async fn get_loan_history(
    FromState(state): FromState<State>,
    caller: Caller,
    ApiQuery(HistoryQuery { seller_loan_number: number }): ApiQuery<HistoryQuery>,
) -> Result<Json<LoanHistory>, ApiError> {
    let runs = state.newest_runs(&caller).await?;
    let look = runs.into_iter().map(|known| async {
        let found = state.known.find_loan(&known, &number, MOST_LOANS).await?;
        Ok::<_, ApiError>((known, found))
    });
    let looked: Vec<_> = stream::iter(look).buffered(AT_ONCE).try_collect().await?;
    let mut history =
        LoanHistory { loans: Vec::new(), looked_at: LookedAt { runs: 0, back_to: None }, not_looked_at: Vec::new() };
    for (known, found) in looked {
        let room = MOST_LOANS - history.loans.len();
        let loans = match found {
            Some(found) if found.is_empty() || room == 0 => Some(Vec::new()),
            Some(found) => state.past_loans(&known, &number, found).await?,
            None => None,
        };
        let Some(loans) = loans else {
            history.not_looked_at.push(known.run.run_id);
            continue;
        };
        history.loans.extend(loans.into_iter().take(room));
        history.looked_at = LookedAt { runs: history.looked_at.runs + 1, back_to: Some(Moment(known.run.created_at)) };
    }
    Ok(Json(history))
}

impl State {
    /// The newest completed runs that the caller may see, without dry runs.
    async fn newest_runs(&self, caller: &Caller) -> Result<Vec<Arc<KnownRun>>, ApiError> {
        let sales_team_id = caller.scope(Permission::ReadRuns)?.team();
        let filter = RunFilter { status: Some(RunStatus::Completed), sales_team_id, ..RunFilter::default() };
        let search = RunSearch { filter, dry_run: Some(false), ..RunSearch::default() };
        let (runs, _) = self.known.runs.search(&search, None, 0, MOST_RUNS).await?;
        let known = runs.into_iter().map(|run| self.known.know(run));
        stream::iter(known).buffered(AT_ONCE).try_collect().await
    }

    /// The loans that the index of a run has under a number. `None` when the results of the run were removed.
    async fn past_loans(
        &self,
        known: &Arc<KnownRun>,
        number: &str,
        found: Vec<Found>,
    ) -> Result<Option<Vec<PastLoan>>, ApiError> {
        let rows = self.known.with_facts(known, move |facts, index| {
            let row = |found: &Found| Ok((found.row, facts.page(index, &FactFilter::default(), found.row.into(), 1)?.pop()));
            found.iter().map(row).collect::<Result<Vec<_>, _>>()
        });
        let filter = ExceptionFilter { seller_loan_number: Some(number.to_owned()), ..ExceptionFilter::default() };
        let (rows, exceptions) = match (rows.await, self.exceptions_of(known, filter).await) {
            (Err(ApiError::ResultsGone(_) | ApiError::NotKept(..)), _)
            | (_, Err(ApiError::ResultsGone(_) | ApiError::NotKept(..))) => {
                return Ok(None);
            }
            (rows, exceptions) => (rows?.unwrap_or_default(), exceptions?),
        };
        let loans = rows.into_iter().filter_map(|(row, loan)| {
            // Another number may have the same hash.
            let loan = loan.filter(|loan| loan.seller_loan_number == number)?;
            let own = exceptions.iter().filter(|(file, line, _)| *file == loan.source_file && *line == loan.line);
            let mut types: Vec<String> = Vec::new();
            for (.., exception_type) in own {
                if !types.contains(exception_type) {
                    types.push(exception_type.clone());
                }
            }
            Some(past_loan(&known.run, row, loan, types))
        });
        Ok(Some(loans.collect()))
    }

    /// Tape, line and type of the exceptions of a run that match a filter.
    async fn exceptions_of(
        &self,
        known: &Arc<KnownRun>,
        filter: ExceptionFilter,
    ) -> Result<Vec<(String, u64, String)>, ApiError> {
        if !known.has_exceptions() {
            return Ok(Vec::new());
        }
        let rows =
            self.known.with_exceptions(known, move |exceptions, index| exceptions.page(index, &filter, 0, MOST_EXCEPTIONS));
        let rows = rows.await?.unwrap_or_default();
        Ok(rows.into_iter().map(|row| (row.source_file, row.line, row.exception_type)).collect())
    }
}

fn past_loan(run: &StoredRun, row: u32, loan: FactRow, exceptions: Vec<String>) -> PastLoan {
    let at = Field::NUMERIC.iter().position(|field| *field == Field::LoanAmount).unwrap_or(0);
    let FactRow { numbers, disposition, final_price, source_file, .. } = loan;
    PastLoan {
        run_id: run.run_id,
        created_at: Moment(run.created_at),
        tape: source_file,
        row,
        disposition,
        final_price,
        loan_amount: numbers[at].clone(),
        exceptions,
    }
}
