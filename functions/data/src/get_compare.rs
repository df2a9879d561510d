//! `GET /api/compare`: what differs between two runs, loan by loan.

use std::sync::Arc;

use api::{
    caller::Caller,
    extract::ApiQuery,
    jobs::Preparing,
    page::{Page, SkipQuery},
    prefer::PreferredWait,
    problem::{ApiError, InputError, ProblemObject},
    questioned_run::RunNeeds,
    read_fields,
    stored_results::results_gone,
};
use axum::{extract::State as FromState, response::Response};
use shared::{
    questions::compare::{ComparisonPage, Question, comparable_fields},
    rules::rule_set::RuleSet,
};
use stores::jobs::{ComparisonRequest, JobRequest};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::State;

/// Largest number of loans of a run that is compared over HTTP.
const MAX_LOANS: u64 = 1_000_000;

/// Which runs are compared, and which loans are listed.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CompareQuery {
    /// Id of the base run.
    base: Uuid,
    /// Id of the run that is compared with the base run.
    with: Uuid,
    /// List only loans with this disposition in the base run: `to_purchase`, `projected` or `rejected`. `none` lists added loans.
    #[param(min_length = 1, example = "rejected")]
    from: Option<String>,
    /// List only loans with this disposition in the other run: `to_purchase`, `projected` or `rejected`. `none` lists removed loans.
    #[param(min_length = 1, example = "to_purchase")]
    to: Option<String>,
    /// List only loans in which this field differs.
    #[param(min_length = 1, example = "ltv_ratio")]
    changed: Option<String>,
    /// Distance up to which two numbers of a field are equal, in the unit of the field: `FIELD:DISTANCE`, several separated by commas.
    #[param(min_length = 1, example = "note_rate:0.125")]
    tolerance: Option<String>,
}

read_fields!(CompareQuery {
    base: required,
    with: required,
    from: optional,
    to: optional,
    changed: optional,
    tolerance: optional,
});

/// Compare two runs
///
/// Says what differs between two completed runs: settings, moves between dispositions, fields, prices, and the loans that differ. Loans
/// are matched by their numbers, several loans with one number in their order. Loans without a number and rows that could not be read
/// are never matched, unless a run is compared with itself. Each run has at most 1,000,000 loans; the command `loan-engine compare`
/// has no such limit. The worker makes the answer, and keeps it for a day: until it is made, the answer is 202.
#[utoipa::path(
    get, path = "/api/compare", tag = "data", security(("bearer" = [])),
    params(
        SkipQuery, CompareQuery,
        (
            "Prefer" = Option<String>, Header, example = "wait=25",
            description = "`wait=N` waits for a comparison that is not made yet, at most N seconds; more than 25 count as 25."
        ),
    ),
    responses(
        (status = 200, description = "The comparison.", body = ComparisonPage),
        (status = 202, description = "The comparison is not made yet: ask again after the seconds in `Retry-After`.", body = Preparing, headers(("Retry-After" = u64, description = "Number of seconds to wait."))),
        (status = 307),
        (status = 404),
        (status = 409, description = "A run is not completed (`run_not_completed`), or is a dry run (`dry_run_keeps_no_loans`).", body = ProblemObject),
        (status = 410),
        (status = 422, description = "A parameter is wrong, or a run has too many loans (`run_too_large_here`): use the command line.", body = ProblemObject),
    )
)]
pub async fn get_compare(
    FromState(state): FromState<State>,
    caller: Caller,
    wait: PreferredWait,
    ApiQuery((page, query)): ApiQuery<(SkipQuery, CompareQuery)>,
) -> Result<Response, ApiError> {
    let (request, question) = query.request(&page.into())?;
    let (base, with) = (state.comparable(&caller, request.base).await?, state.comparable(&caller, request.with).await?);
    let mistakes = question.mistakes(&comparable_fields(&base, &with));
    if !mistakes.is_empty() {
        return Err(invalid(mistakes));
    }
    state.jobs.answer(&JobRequest::Compare(request), wait).await
}

impl State {
    /// The rule set of a run that the caller may compare.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when the caller may not see the run; those of [`RunNeeds::check`]; [`ApiError::ResultsGone`] when its
    /// results were removed; [`ApiError::RunTooLargeHere`] (422) when it has too many loans.
    async fn comparable(&self, caller: &Caller, run_id: Uuid) -> Result<Arc<RuleSet>, ApiError> {
        let known = self.known.of(caller, run_id).await?;
        RunNeeds::Loans.check(&known.run)?;
        check_size(known.run.total_loans)?;
        self.known.index(&known).await?.ok_or_else(results_gone)?;
        let request = self.known.runs.request(run_id).await?.ok_or(ApiError::internal("a completed run has no request"))?;
        Ok(self.known.runs.rules(&request).await?)
    }
}

impl CompareQuery {
    /// The comparison that the query asks for.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] (422) with every part that is wrong.
    fn request(self, page: &Page) -> Result<(ComparisonRequest, Question), ApiError> {
        let Self { base, with, from, to, changed, tolerance } = self;
        let question = Question::parse(from.as_deref(), to.as_deref(), changed.as_deref(), tolerance.as_deref());
        let question = question.map_err(invalid)?;
        Ok((ComparisonRequest { base, with, from, to, changed, tolerance, skip: page.skip, limit: page.limit }, question))
    }
}

fn invalid(mistakes: Vec<(&'static str, String)>) -> ApiError {
    ApiError::Invalid(mistakes.into_iter().map(|(name, sentence)| InputError::query(name, sentence)).collect())
}

fn check_size(loans: u64) -> Result<(), ApiError> {
    if loans <= MAX_LOANS {
        return Ok(());
    }
    let sentence = format!(
        "A run has {loans} loans; over HTTP runs of at most {MAX_LOANS} are compared. Run the tapes with the command line, and compare \
         the results with `loan-engine compare`."
    );
    Err(ApiError::RunTooLargeHere(sentence.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_loans_are_compared_and_no_more() {
        assert!(check_size(MAX_LOANS).is_ok());
        let problem = check_size(MAX_LOANS + 1).unwrap_err().problem();
        assert_eq!((problem.status.as_u16(), problem.code), (422, "run_too_large_here"));
    }
}
