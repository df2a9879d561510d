//! `GET /api/runs/{run_id}/seller-return`: the loans that go back to the seller.

use api::{
    caller::Caller,
    extract::PathId,
    jobs::Preparing,
    prefer::PreferredWait,
    problem::{ApiError, ProblemObject},
    questioned_run::RunNeeds,
    stored_results::results_gone,
};
use axum::{extract::State as FromState, response::Response};
use shared::{facts::read::FactFilter, phases::disposition::Disposition};
use stores::jobs::JobRequest;

use crate::State;

/// Largest number of loans in the workbook.
const MAX_LOANS: u64 = 200_000;

/// Get the seller return of a run
///
/// Downloads a workbook with the loans that the run rejects or holds, as the seller sent them: a sheet of counts by reason, and a
/// sheet for each tape with all its columns. Failing cells are coloured, with the reason as a note. When the seller mends the cells
/// and sends the workbook back as a tape, it is read with the same columns and units. The worker makes the workbook, and keeps it
/// for a day: until it is made, the answer is 202.
#[utoipa::path(
    get, path = "/api/runs/{run_id}/seller-return", tag = "data", security(("bearer" = [])),
    params(
        ("run_id" = Uuid, Path, description = "Id of the run."),
        (
            "Prefer" = Option<String>, Header, example = "wait=25",
            description = "`wait=N` waits for a workbook that is not made yet, at most N seconds; more than 25 count as 25."
        ),
    ),
    responses(
        (status = 200, description = "The workbook.", content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (status = 202, description = "The workbook is not made yet: ask again after the seconds in `Retry-After`.", body = Preparing, headers(("Retry-After" = u64, description = "Number of seconds to wait."))),
        (status = 307),
        (status = 404),
        (status = 409, description = "The run is not completed (`run_not_completed`), or is a dry run (`dry_run_keeps_no_loans`).", body = ProblemObject),
        (status = 410),
        (status = 422, description = "More than 200,000 loans go back (`run_too_large_here`): use the command line.", body = ProblemObject),
    )
)]
pub async fn get_seller_return(
    FromState(state): FromState<State>,
    caller: Caller,
    wait: PreferredWait,
    PathId(run_id): PathId,
) -> Result<Response, ApiError> {
    let known = state.known.of(&caller, run_id).await?;
    RunNeeds::Loans.check(&known.run)?;
    let index = state.known.index(&known).await?.ok_or_else(results_gone)?;
    let count = |disposition| FactFilter { disposition: Some(disposition), ..FactFilter::default() }.count(index);
    let loans = [Disposition::Rejected, Disposition::Projected].into_iter().filter_map(count).sum::<u64>();
    if loans > MAX_LOANS {
        let sentence = format!("{loans} loans of the run go back, and an answer takes at most {MAX_LOANS}.");
        let way = "Use the command line: loan-engine run TAPE --seller-return FILE.xlsx";
        return Err(ApiError::RunTooLargeHere(format!("{sentence} {way}").into()));
    }
    state.jobs.answer(&JobRequest::SellerReturn { run_id }, wait).await
}
