//! `GET /api/loans/export`: loans of a run as a file.

use api::{
    caller::Caller,
    extract::ApiQuery,
    file_answer::attachment,
    problem::{ApiError, ProblemObject},
    read_fields,
    values::Word,
};
use axum::{extract::State as FromState, response::Response};
use serde::Deserialize;
use shared::run::RunStatus;
use stores::runs::StoredRun;
use tokio::runtime::Handle;
use utoipa::{IntoParams, ToSchema};

use crate::{
    State,
    list_loans::{ListQuery, LoanQuery},
    loan_export_file::LoanRows,
    loan_pages::LoanRequest,
    loan_query::{LoanFields, LoanMatch, check_size},
};

/// Largest number of loans in a workbook.
const MAX_IN_WORKBOOK: u64 = 200_000;

/// What kind of file is wanted.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LoanExportQuery {
    /// Format of the file: CSV, an Excel workbook of at most 200,000 loans, or Parquet.
    #[param(inline, default = "csv")]
    format: Option<LoanFormat>,
}

read_fields!(LoanExportQuery { format: optional });

/// Format of an export of loans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoanFormat {
    /// Text with commas.
    Csv,
    /// A workbook.
    Xlsx,
    /// The columns of `facts.parquet`.
    Parquet,
}

impl Word for LoanFormat {}

impl LoanFormat {
    fn file_name(self) -> &'static str {
        match self {
            Self::Csv => "loans_export.csv",
            Self::Xlsx => "loans_export.xlsx",
            Self::Parquet => "loans_export.parquet",
        }
    }
}

/// Export loans
///
/// Downloads the loans of `/api/loans` with the same filters, order and fields as a file. CSV and the workbook have a column for each
/// member of a loan, for each standard field and for each column of the tapes; text that a spreadsheet would run as a formula is
/// marked as text. Parquet has the columns and types of `facts.parquet`, and `row`. Without loans the file has only its header. Runs
/// of at most 2,000,000 loans can be exported over HTTP.
#[utoipa::path(
    get, path = "/api/loans/export", tag = "data", security(("bearer" = [])),
    params(LoanExportQuery, LoanQuery, LoanMatch, LoanFields),
    responses(
        (status = 200, description = "The file.", content(
            (String = "text/csv", example = json!("seller_loan_number,loan_amount,note_rate,ltv_ratio,dti_ratio,credit_score,property_type,…")),
            ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            ("application/vnd.apache.parquet"),
        )),
        (status = 307),
        (status = 404, description = "The run does not exist, belongs to another team, or its results are no longer kept.", body = ProblemObject),
        (status = 409, description = "The run has not completed (`run_not_completed`), or is a dry run (`dry_run_keeps_no_loans`).", body = ProblemObject),
        (status = 429),
    )
)]
pub async fn export_loans(
    FromState(state): FromState<State>,
    caller: Caller,
    ApiQuery((export, wanted)): ApiQuery<(LoanExportQuery, ListQuery)>,
) -> Result<Response, ApiError> {
    let format = export.format.unwrap_or(LoanFormat::Csv);
    let (LoanQuery { run_id, sort, fields }, (one, filters)) = wanted;
    let request = LoanRequest { filter: filters.filter(one)?, order: sort.unwrap_or_default() };
    let known = state.known.of(&caller, run_id).await?;
    check_keeps_loans(&known.run)?;
    check_size(known.run.total_loans)?;
    let list = state.loan_list(&known, request).await?.ok_or(ApiError::not_found("The result of the run"))?;
    if format == LoanFormat::Xlsx {
        check_workbook(list.count())?;
    }
    let columns = state.loan_columns(&known, &fields).await?;
    let name = format.file_name();
    let rows = LoanRows { runs: state.known.clone(), known, list, columns, fields, runtime: Handle::current() };
    state.exports.answer(name, &attachment(name), move |file| rows.write(file, format)).await
}

/// Checks that a run has stored its loans.
fn check_keeps_loans(run: &StoredRun) -> Result<(), ApiError> {
    if run.status != RunStatus::Completed {
        let sentence = "The run has not completed, so it has no loans to export. Ask again when its status is `completed`.";
        return Err(ApiError::Conflict("run_not_completed", sentence.into()));
    }
    if run.output_dir.is_none() {
        let sentence = "The run is a dry run, which keeps no loans. Start a run of the same tapes without `dry_run`.";
        return Err(ApiError::Conflict("dry_run_keeps_no_loans", sentence.into()));
    }
    Ok(())
}

/// Checks that a workbook can hold the loans.
fn check_workbook(loans: u64) -> Result<(), ApiError> {
    if loans <= MAX_IN_WORKBOOK {
        return Ok(());
    }
    let sentence = format!(
        "The list has {loans} loans; over HTTP a workbook has at most {MAX_IN_WORKBOOK}. Filter the list, take `format=csv` or \
         `format=parquet`, or run the tapes with the command line: `loan-engine run --workbook FILE`."
    );
    Err(ApiError::RunTooLargeHere(sentence.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workbook_has_at_most_two_hundred_thousand_loans() {
        assert!(check_workbook(200_000).is_ok());
        let Err(error) = check_workbook(200_001) else { panic!("it is too large") };
        assert_eq!(error.problem().code, "run_too_large_here");
    }
}
