//! `GET /api/loans`: lists the loans of a run, in tape order.

use api::{
    caller::Caller,
    extract::ApiQuery,
    file_answer::made_file,
    objects::LoanObject,
    page::{Listing, Page, SkipQuery},
    problem::{ApiError, ProblemObject},
    read_fields,
    stored_results::as_absent,
};
use axum::{
    extract::State as FromState,
    http::Uri,
    response::{IntoResponse, Response},
};
use shared::{facts::read::FactFilter, phases::disposition::Disposition};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::State;

/// Approximate size of a loan as JSON, in bytes.
const LOAN_BYTES: usize = 512;

/// Which loans are wanted.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LoanQuery {
    /// Id of the run.
    run_id: Uuid,
    /// Only loans with this disposition.
    disposition: Option<Disposition>,
    /// Only loans with exactly this number.
    #[param(min_length = 1, example = "L-1")]
    seller_loan_number: Option<String>,
}

read_fields!(LoanQuery { run_id: required, disposition: optional, seller_loan_number: optional });

/// List the loans of a run
///
/// Lists loans in the order of the tape. A number or a date that could not be read is the text of its cell. Without
/// `seller_loan_number`, `X-Total-Count` holds the number of all loans that match.
#[utoipa::path(
    get, path = "/api/loans", tag = "data", security(("bearer" = [])),
    params(SkipQuery, LoanQuery),
    responses(
        (status = 200, description = "One page of loans.", body = Vec<LoanObject>),
        (status = 307),
        (status = 404, description = "The run does not exist, belongs to another team, or its results are no longer kept.", body = ProblemObject),
    )
)]
pub async fn list_loans(
    FromState(state): FromState<State>,
    caller: Caller,
    uri: Uri,
    ApiQuery((page, query)): ApiQuery<(SkipQuery, LoanQuery)>,
) -> Result<Response, ApiError> {
    let page = Page::<()>::from(page);
    let known = state.known.of(&caller, query.run_id).await?;
    let filter = FactFilter { disposition: query.disposition, seller_loan_number: query.seller_loan_number };
    let (skip, limit) = (page.skip, usize::try_from(page.limit).unwrap_or(usize::MAX));
    let read = state.known.with_facts(&known, move |facts, index| {
        // Read one more than is wanted, to know whether another page follows.
        let mut rows = facts.page(index, &filter, skip, limit.saturating_add(1))?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let mut json = Vec::with_capacity(rows.len() * LOAN_BYTES);
        let written = serde_json::to_writer(&mut json, &rows);
        Ok((written.map(|()| json), more, filter.count(index)))
    });
    let (json, more, total) = read.await.map_err(as_absent)?.unwrap_or_else(|| (Ok(b"[]".to_vec()), false, Some(0)));
    let headers = Listing::<()>::new(&uri, &page, Vec::new(), more, None).with_total(total).headers();
    let json = json.map_err(ApiError::internal)?;
    Ok((headers, made_file(&state.answers, json.into(), "loans.json", "inline").await?).into_response())
}
