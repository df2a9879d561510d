//! `GET /api/files/url/{path}`: a signed URL that downloads or uploads a file without a token.

use std::collections::BTreeMap;

use api::{
    caller::Caller,
    extract::{ApiPath, ApiQuery},
    fields::within,
    file_answer::attachment,
    problem::{ApiError, ProblemObject},
    read_fields,
    values::Word,
};
use axum::{Json, extract::State as FromState, http::HeaderMap};
use serde::{Deserialize, Serialize};
use shared::file_types::content_type_of;
use shared::paths::{Area, validate_file_extension};
use stores::storage::StorageBackend as _;
use utoipa::{IntoParams, ToSchema};

use crate::{
    State,
    place::{AreaPath, absent},
};

/// Allowed lifetimes of a signed URL, in seconds.
const EXPIRES_IN: std::ops::RangeInclusive<u64> = 60..=86_400;

/// What a signed URL is for: `get` downloads a file, `put` uploads one.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UrlMethod {
    /// Download the file.
    Get,
    /// Upload a file of up to 5 GB.
    Put,
}

impl Word for UrlMethod {}

/// Which address is wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UrlQuery {
    /// Area of the file: `inputs`, `outputs` or `output_share`.
    #[param(default = "inputs")]
    area: Option<String>,
    /// Number of seconds until the URL expires.
    #[param(default = 3600, minimum = 60, maximum = 86400)]
    expires_in: Option<u64>,
    /// What the URL is for: `get` downloads the file, `put` uploads it.
    #[param(default = "get")]
    method: Option<UrlMethod>,
}

read_fields!(UrlQuery { area: text, expires_in: optional(within(EXPIRES_IN)), method: optional });

/// A signed URL.
#[derive(Serialize, ToSchema)]
pub struct FileUrl {
    /// Path in the area.
    #[schema(example = "2026-02/february.csv")]
    path: String,
    /// Area.
    #[schema(value_type = String, example = "inputs")]
    area: Area,
    /// Signed URL. Everyone who has it can use it until it expires.
    #[schema(example = "https://loans.example.com/inputs/2026-02/february.csv?X-Amz-Signature=1e28")]
    url: String,
    /// Number of seconds until the URL expires.
    #[schema(example = 3600)]
    expires_in: u64,
    /// What the URL is for.
    method: UrlMethod,
    /// Headers that the request to the URL must send.
    #[schema(example = json!({"content-type": "text/csv"}))]
    headers: BTreeMap<String, String>,
}

/// Get a signed URL
///
/// Gives a URL that downloads a file, or uploads one of up to 5 GB, without a token: send the listed headers and no `Authorization`.
/// Everyone who has the URL can use it until it expires.
#[utoipa::path(
    get, path = "/api/files/url/{*path}", tag = "files", security(("bearer" = [])),
    params(("path" = String, Path, description = "Path in the area, with its slashes.", example = "2026-02/february.csv"), UrlQuery),
    responses(
        (status = 200, description = "The signed URL.", body = FileUrl),
        (status = 400, description = "The area, the path or the extension is not allowed.", body = ProblemObject),
        (status = 404, description = "The file does not exist, or belongs to another team.", body = ProblemObject),
        (status = 409, description = "A folder has the path of the file, or a file the path of its folder.", body = ProblemObject),
    )
)]
pub async fn get_file_url(
    FromState(state): FromState<State>,
    caller: Caller,
    sent: HeaderMap,
    ApiPath(path): ApiPath<String>,
    ApiQuery(query): ApiQuery<UrlQuery>,
) -> Result<Json<FileUrl>, ApiError> {
    let (expires_in, method) = (query.expires_in.unwrap_or(3600), query.method.unwrap_or(UrlMethod::Get));
    let (place, signed) = match method {
        UrlMethod::Get => {
            let place = AreaPath::to_read(&caller, query.area.as_deref(), &path)?.or_as_written(&path, &state.storage).await?;
            let there =
                !place.is_root() && place.is_visible(&state.runs).await? && state.storage.info(&place.key).await?.is_some();
            if !there {
                return Err(absent());
            }
            let signed = state.storage.url_to_get(&place.key, expires_in, &attachment(place.name())).await?;
            (place, signed)
        }
        UrlMethod::Put => {
            let place = AreaPath::to_write(&caller, query.area.as_deref(), &path)?;
            validate_file_extension(place.name())?;
            state.storage.check_free(&place.key).await?;
            let signed = state.storage.url_to_put(&place.key, expires_in, content_type_of(place.name())).await?;
            (place, signed)
        }
    };
    let url = match &state.url_origin {
        Some(origin) => origin.for_client(signed.url, &sent),
        None => signed.url,
    };
    let headers = signed.headers.into_iter().collect();
    Ok(Json(FileUrl { path: place.path, area: place.area, url, expires_in, method, headers }))
}
