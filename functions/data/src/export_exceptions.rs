//! `GET /api/exceptions/export`: exceptions as a file.

use api::{
    caller::Caller,
    exports::ExportFile,
    extract::ApiQuery,
    fields::within,
    file_answer::attachment,
    problem::{ApiError, ProblemObject},
    read_fields,
    values::Word,
};
use axum::{extract::State as FromState, response::Response};
use serde::Deserialize;
use tokio::runtime::Handle;
use utoipa::{IntoParams, ToSchema};

use crate::{
    State,
    exception_query::ExceptionQuery,
    export_file::{write_csv, write_xlsx},
    loan_query::LoanFields,
};

/// Largest number of exceptions in a file: the rows of a worksheet, less the header.
const MAX_EXPORTED: u64 = 1_048_575;

/// What kind of file is wanted.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// Format of the file: CSV or an Excel workbook.
    #[param(inline, default = "csv")]
    format: Option<Format>,
    /// Largest number of exceptions in the file: the rows that a worksheet holds below its header.
    #[param(default = 1_048_575, minimum = 1, maximum = 1_048_575)]
    limit: Option<u64>,
}

read_fields!(ExportQuery { format: optional, limit: optional(within(1..=MAX_EXPORTED)) });

/// Format of an export.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Text with commas.
    Csv,
    /// A workbook.
    Xlsx,
}

impl Word for Format {}

impl Format {
    fn file_name(self) -> &'static str {
        match self {
            Self::Csv => "exceptions_export.csv",
            Self::Xlsx => "exceptions_export.xlsx",
        }
    }
}

/// Export exceptions
///
/// Downloads exceptions as a file with one row per exception, in the order of `/api/exceptions` and with its fields as columns.
/// Without exceptions the file has only its header.
#[utoipa::path(
    get, path = "/api/exceptions/export", tag = "data", security(("bearer" = [])),
    params(ExportQuery, ExceptionQuery, LoanFields),
    responses(
        (status = 200, description = "The file.", content(
            (String = "text/csv", example = json!("id,run_id,seller_loan_number,exception_type,exception_category,severity,message,…")),
            ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        )),
        (status = 307),
        (status = 404, description = "The run does not exist, belongs to another team, or its results are no longer kept.", body = ProblemObject),
        (status = 429),
    )
)]
pub async fn export_exceptions(
    FromState(state): FromState<State>,
    caller: Caller,
    ApiQuery((export, query)): ApiQuery<(ExportQuery, (ExceptionQuery, LoanFields))>,
) -> Result<Response, ApiError> {
    let (format, limit) = (export.format.unwrap_or(Format::Csv), export.limit.unwrap_or(MAX_EXPORTED));
    let (pages, _) = state.exceptions(&caller, query, None).await?;
    let name = format.file_name();
    let runtime = Handle::current();
    let write = move |file: &mut ExportFile<'_>| match format {
        Format::Csv => write_csv(file, pages, limit, &runtime),
        Format::Xlsx => write_xlsx(file, pages, limit, &runtime),
    };
    state.exports.answer(name, &attachment(name), write).await
}
