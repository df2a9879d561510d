//! `GET /api/runs/{run_id}/report`: the report of a run, one page of HTML.

use api::{
    caller::Caller,
    extract::PathId,
    problem::{ApiError, ProblemObject},
};
use axum::{
    extract::State as FromState,
    http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    response::IntoResponse,
};
use shared::report::{POLICY, REPORT_FILE, Report};

use crate::State;

/// Show the report of a run
///
/// Returns the report of a completed run as one HTML page for people, made of the run, its summary and its reasons: no script, no
/// other file, and a print on two to four A4 pages. Dry runs have a report, too.
#[utoipa::path(
    get, path = "/api/runs/{run_id}/report", tag = "data", security(("bearer" = [])),
    params(("run_id" = Uuid, Path, description = "Id of the run.")),
    responses(
        (status = 200, description = "The report.", content((String = "text/html", example = json!("<!DOCTYPE html>")))),
        (
            status = 404,
            description = "The run does not exist, belongs to another team, or an earlier version of Loan Engine did not keep its reasons \
                           (`reasons_not_kept`).",
            body = ProblemObject
        ),
        (status = 409, description = "The run is not completed (`run_not_completed`).", body = ProblemObject),
        (status = 410),
    )
)]
pub async fn get_report(
    FromState(state): FromState<State>,
    caller: Caller,
    PathId(run_id): PathId,
) -> Result<impl IntoResponse, ApiError> {
    let known = state.known.of(&caller, run_id).await?;
    let findings = state.known.kept_findings(&known).await?;
    let run = state.known.runs.whole(&known.run).await?;
    let summary = str::from_utf8(&known.summary).map_err(ApiError::internal)?;
    let report = Report::of(run.get(), summary, findings.reasons.get()).map_err(ApiError::internal)?;
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (CONTENT_SECURITY_POLICY, POLICY.clone()),
        (CONTENT_DISPOSITION, format!("inline; filename=\"{REPORT_FILE}\"")),
    ];
    Ok((headers, report.html()))
}
