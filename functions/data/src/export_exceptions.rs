//! `GET /api/exceptions/export`: exceptions as a file.

use axum::{extract::State as FromState, response::Response};
use serde::Deserialize;
use shared::{
    api::{
        extract::ApiQuery,
        file_answer::{attachment, elsewhere, made_file},
        problem::{ApiError, InputError, ProblemObject},
    },
    auth::user::Caller,
    storage::{StorageError, uploads::Uploads},
    stores::keys,
};
use tokio::runtime::Handle;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    State,
    exception_query::ExceptionQuery,
    export_file::{ExportError, Made, Spill, write_csv, write_xlsx},
};

/// How many exceptions a file has at most: the rows of a worksheet, less the header.
const MAX_EXPORTED: u64 = 1_048_575;

/// What kind of file is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// The kind of file.
    #[param(inline, default = "csv")]
    format: Option<Format>,
    /// How many exceptions it has at most.
    #[param(default = 1_048_575, minimum = 1, maximum = 1_048_575)]
    limit: Option<u64>,
}

/// A kind of file.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Text with commas.
    Csv,
    /// A workbook.
    Xlsx,
}

impl Format {
    fn file_name(self) -> &'static str {
        match self {
            Self::Csv => "exceptions_export.csv",
            Self::Xlsx => "exceptions_export.xlsx",
        }
    }
}

/// Export exceptions
#[utoipa::path(
    get, path = "/api/exceptions/export", tag = "data", security(("bearer" = [])),
    params(ExportQuery, ExceptionQuery),
    responses(
        (status = 200, description = "The file, with the fields of exceptions as columns", content(
            ("text/csv"),
            ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        )),
        (status = 307, description = "A large file is at the address in `Location`"),
        (status = 401, body = ProblemObject),
        (status = 403, body = ProblemObject),
        (status = 404, description = "No such run", body = ProblemObject),
        (status = 422, body = ProblemObject),
    )
)]
pub async fn export_exceptions(
    FromState(state): FromState<State>,
    caller: Caller,
    ApiQuery(export): ApiQuery<ExportQuery>,
    ApiQuery(query): ApiQuery<ExceptionQuery>,
) -> Result<Response, ApiError> {
    let (format, limit) = (export.format.unwrap_or(Format::Csv), export.limit.unwrap_or(MAX_EXPORTED));
    if !(1..=MAX_EXPORTED).contains(&limit) {
        return Err(ApiError::invalid(InputError::query("limit", format!("It must be from 1 to {MAX_EXPORTED}."))));
    }
    let (pages, _) = state.exceptions(&caller, query, None).await?;
    let name = format.file_name();
    let key = keys::answer(Uuid::new_v4(), name);
    let place = key.clone();
    let uploads = Uploads::new(state.storage.clone(), move |_| place.clone());
    let runtime = Handle::current();
    let writing = tokio::task::spawn_blocking(move || {
        let mut spill = Spill::new(&uploads, name);
        let written = match format {
            Format::Csv => write_csv(&mut spill, pages, limit, &runtime),
            Format::Xlsx => write_xlsx(&mut spill, pages, limit, &runtime),
        };
        let made = written.and_then(|()| Ok(spill.finish()?));
        (made, uploads)
    });
    let (made, uploads) = writing.await.map_err(ApiError::internal)?;
    // A file that was not written to its end does not appear.
    match (made, uploads.complete().await) {
        (Ok(Made::Whole(bytes)), _) => made_file(&state.storage, bytes.into(), name, &attachment(name)).await,
        (Ok(Made::Spilled), Ok(_)) => elsewhere(&state.storage, &key, &attachment(name)).await,
        (Err(ExportError::Read(error)), _) => Err(error),
        (_, Err((_, error @ StorageError::Store(_)))) => Err(error.into()),
        (Err(ExportError::Write(error)), _) => Err(ApiError::internal(error)),
        (Ok(Made::Spilled), Err((_, error))) => Err(ApiError::internal(error)),
    }
}
