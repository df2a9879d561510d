//! `GET /api/runs/{run_id}/purchase-advice`: what the buyer pays for each bought loan.

use api::{
    caller::Caller,
    exports::{ExportError, ExportFile},
    extract::PathId,
    file_answer::attachment,
    problem::{ApiError, ProblemObject},
    questioned_run::RunNeeds,
    stored_results::{results_gone, unreadable},
};
use axum::{extract::State as FromState, response::Response};
use shared::results::purchase_advice::{AdviceError, PURCHASE_ADVICE_FILE, write_purchase_advice};

use crate::State;

/// Get the purchase advice of a run
///
/// Downloads what the buyer pays for each bought loan, as CSV in the order of the tape. `purchase_amount` is `loan_amount` ×
/// `final_price` / 100 in dollars, rounded to cents, half to even. The last row, `TOTAL`, has the sums of both amounts.
#[utoipa::path(
    get, path = "/api/runs/{run_id}/purchase-advice", tag = "data", security(("bearer" = [])),
    params(("run_id" = Uuid, Path, description = "Id of the run.")),
    responses(
        (status = 200, description = "The file.", content((String = "text/csv", example = json!(
            "seller_loan_number,loan_amount,final_price,purchase_amount\nL-1,250000,102.0000,255000.00\nTOTAL,250000,,255000.00\n"
        )))),
        (status = 307),
        (status = 404),
        (status = 409, description = "The run is not completed (`run_not_completed`), or is a dry run (`dry_run_keeps_no_loans`).", body = ProblemObject),
        (status = 410),
        (status = 429),
    )
)]
pub async fn get_purchase_advice(
    FromState(state): FromState<State>,
    caller: Caller,
    PathId(run_id): PathId,
) -> Result<Response, ApiError> {
    let known = state.known.of(&caller, run_id).await?;
    RunNeeds::Loans.check(&known.run)?;
    // Open the facts here, so that a failure becomes a status at once.
    state.known.with_facts(&known, |_, _| Ok(())).await?.ok_or_else(results_gone)?;
    let write = move |file: &mut ExportFile<'_>| {
        let (facts, index) = known.opened_facts().ok_or_else(|| ExportError::Read(results_gone()))?;
        write_purchase_advice(file, facts, index).map_err(|error| match error {
            AdviceError::Read(error) => ExportError::Read(unreadable(error)),
            AdviceError::Write(error) => ExportError::Write(error),
        })
    };
    state.exports.answer(PURCHASE_ADVICE_FILE, &attachment(PURCHASE_ADVICE_FILE), write).await
}
