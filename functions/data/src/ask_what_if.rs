//! `POST /api/runs/{run_id}/what-if`: what a run would have decided at another target or under other rules.

use std::{sync::Arc, thread::available_parallelism};

use api::{
    caller::Caller,
    extract::{ApiJson, PathId},
    problem::{ApiError, ProblemObject},
    questioned_run::RunNeeds,
};
use axum::{Json, extract::State as FromState};
use shared::questions::what_if::{StoredRun, question::WhatIfReport};

use crate::{
    State,
    what_if_request::{AskWhatIf, refused},
};

/// Largest number of loans of a run that an answer over HTTP judges again.
pub const MAX_LOANS: u64 = 2_000_000;

/// Ask what a run would have decided
///
/// Judges the stored loans of a run again at another target, under another rule set, or under changes of a rule set, and writes
/// nothing. Waivers, purchase date, repeated loan numbers and unreadable rows stay those of the run.
#[utoipa::path(
    post, path = "/api/runs/{run_id}/what-if", tag = "data", security(("bearer" = [])),
    params(("run_id" = Uuid, Path, description = "Id of the run.")),
    request_body(content = AskWhatIf, description = "What is changed; every field is optional."),
    responses(
        (status = 200, description = "What the run decided, and what it would decide.", body = WhatIfReport),
        (status = 404, description = "The run or the rule set does not exist, or belongs to another team.", body = ProblemObject),
        (status = 409, description = "The run is not completed, or is a dry run, which keeps no loans.", body = ProblemObject),
        (status = 410, description = "The results of the run were removed.", body = ProblemObject),
        (status = 422, description = "A change is not valid, only a run of the tape can answer (`needs_a_run`), or the run is too large (`run_too_large_here`).", body = ProblemObject),
    )
)]
pub async fn ask_what_if(
    FromState(state): FromState<State>,
    caller: Caller,
    PathId(run_id): PathId,
    ApiJson(asked): ApiJson<AskWhatIf>,
) -> Result<Json<WhatIfReport>, ApiError> {
    let known = state.known.of(&caller, run_id).await?;
    RunNeeds::Loans.check(&known.run)?;
    if known.run.total_loans > MAX_LOANS {
        return Err(ApiError::RunTooLargeHere(
            format!(
                "The run has {} loans; a what-if over HTTP judges at most {MAX_LOANS}. Ask `loan-engine what-if`.",
                known.run.total_loans
            )
            .into(),
        ));
    }
    let question = state.what_if_question(&caller, asked).await?;
    let request = state.known.runs.request(run_id).await?.ok_or(ApiError::internal("a completed run has no request"))?;
    let rules = state.known.runs.rules(&request).await?;
    let (target, pdate) = (request.irr_target, request.run().parameters().pdate);
    let threads = available_parallelism().map_or(1, usize::from);
    let answered = state.known.with_loans(&known, move |facts, exceptions, _| {
        let run = StoredRun { facts, exceptions, rules: &Arc::clone(&rules), pdate, threads };
        Ok(question.ask(&run, target))
    });
    let report = answered.await?.ok_or_else(api::stored_results::results_gone)?;
    report.map(Json).map_err(|error| refused(error, "body"))
}
