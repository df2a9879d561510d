//! `GET /api/loans`: lists the loans of a run, in tape order.

use api::{
    caller::Caller,
    extract::ApiQuery,
    file_answer::made_file,
    objects::LoanObject,
    page::{Listing, Page, PageQuery},
    problem::{ApiError, ProblemObject},
    read_fields,
    stored_results::as_absent,
};
use axum::{
    extract::State as FromState,
    http::Uri,
    response::{IntoResponse, Response},
};
use shared::questions::lists::order::LoanOrder;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::{
    State,
    loan_pages::{LoanPosition, LoanRequest},
    loan_query::{LoanFields, LoanMatch, check_size, indexed},
};

/// Which run is wanted, in which order, and what of each loan.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LoanQuery {
    /// Id of the run.
    pub run_id: Uuid,
    /// Field by which the loans are sorted, with `-` in front for the opposite order: `line` (the order of the tape), one of the
    /// fields of the filters by ranges, or one of the fields of the filters by words. Loans without a value come last; loans with the
    /// same value are in the order of the tape. Runs of at most 2,000,000 loans can be sorted.
    #[param(value_type = Option<String>, min_length = 1, default = "line", example = "-ltv_ratio")]
    pub sort: Option<LoanOrder>,
    /// Only these members of each loan, besides `row`, which every loan has: repeat the parameter for several. A name that no loan
    /// has adds nothing, because the columns of a tape are members, too. Without the parameter: all members.
    #[param(required = false, example = json!(["seller_loan_number", "ltv_ratio"]))]
    pub fields: Vec<String>,
}

read_fields!(LoanQuery { run_id: required, sort: optional, fields: each });

/// The whole query of a list of loans, without the page.
pub type ListQuery = (LoanQuery, (LoanMatch, LoanFields));

/// List the loans of a run
///
/// Lists the loans that meet all filters, in the order of the tape unless `sort` is given. A number or a date that could not be read is
/// the text of its cell. `X-Total-Count` holds the number of all loans that match. A filter that matches nothing gives an empty list.
/// Take further pages of a filtered or sorted list from the `next` link, whose cursor says where the page begins.
#[utoipa::path(
    get, path = "/api/loans", tag = "data", security(("bearer" = [])),
    params(PageQuery, LoanQuery, LoanMatch, LoanFields),
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
    ApiQuery((page, wanted)): ApiQuery<(Page<LoanPosition>, ListQuery)>,
) -> Result<Response, ApiError> {
    let (LoanQuery { run_id, sort, fields }, (one, filters)) = wanted;
    let (filter, order) = (filters.filter(one)?, sort.unwrap_or_default());
    let known = state.known.of(&caller, run_id).await?;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let is_in_order = order == LoanOrder::default();
    let (found, has_cursors) = match indexed(&filter).filter(|_| is_in_order) {
        Some(filter) => {
            let skip = page.after.map_or(page.skip, |(_, before, _)| before);
            (state.indexed_loans(&known, filter, (skip, limit), fields).await.map_err(as_absent)?, false)
        }
        None => {
            if !is_in_order {
                check_size(known.run.total_loans)?;
            }
            let request = LoanRequest { filter, order };
            (state.found_loans(&known, request, page.after, (page.skip, limit), fields).await.map_err(as_absent)?, true)
        }
    };
    let cursor = found.next.filter(|_| has_cursors);
    let listing = Listing::<()>::new(&uri, &page, Vec::new(), found.next.is_some(), cursor.as_ref());
    let headers = listing.with_total(Some(found.total)).headers();
    Ok((headers, made_file(&state.answers, found.json.into(), "loans.json", "inline").await?).into_response())
}
