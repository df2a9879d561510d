//! `GET /api/files/url/{path}`: an address to fetch a file from, or to put one to, without logging in.

use std::collections::BTreeMap;

use axum::{Json, extract::State as FromState};
use serde::{Deserialize, Serialize};
use shared::{
    api::{
        extract::{ApiPath, ApiQuery},
        fields::within,
        file_answer::attachment,
        problem::{ApiError, ProblemObject},
        values::Word,
    },
    auth::user::Caller,
    paths::{Area, validate_file_extension},
    read_fields,
    storage::{StorageBackend as _, content_type::content_type_of},
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    State,
    place::{Place, absent},
};

/// How long an address may be good, in seconds.
const EXPIRES_IN: std::ops::RangeInclusive<u64> = 60..=86_400;

/// What the address is for.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UrlMethod {
    /// To fetch the file.
    Get,
    /// To put a file of up to 5 GB.
    Put,
}

impl Word for UrlMethod {}

/// Which address is wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UrlQuery {
    /// `inputs`, `outputs` or `output_share`.
    #[param(default = "inputs")]
    area: Option<String>,
    /// How long the address is to be good, in seconds.
    #[param(default = 3600, minimum = 60, maximum = 86400)]
    expires_in: Option<u64>,
    /// What the address is for.
    #[param(default = "get")]
    method: Option<UrlMethod>,
}

read_fields!(UrlQuery { area: text, expires_in: optional(within(EXPIRES_IN)), method: optional });

/// An address.
#[derive(Serialize, ToSchema)]
pub struct FileUrl {
    /// The path in the area.
    path: String,
    /// The area.
    #[schema(value_type = String)]
    area: Area,
    /// The address.
    url: String,
    /// How long it is good, in seconds.
    expires_in: u64,
    /// What it is for.
    method: UrlMethod,
    /// Headers that must come with the request.
    headers: BTreeMap<String, String>,
}

/// Get an address for a file
///
/// Whoever has the address can use it until it expires, without logging in.
#[utoipa::path(
    get, path = "/api/files/url/{path}", tag = "files", security(("bearer" = [])),
    params(("path" = String, Path, description = "The path in the area, slashes included"), UrlQuery),
    responses(
        (status = 200, body = FileUrl),
        (status = 400, description = "The area, the path or the extension is against the rules", body = ProblemObject),
        (status = 401, body = ProblemObject),
        (status = 403, body = ProblemObject),
        (status = 404, description = "There is no file to fetch", body = ProblemObject),
        (status = 422, body = ProblemObject),
    )
)]
pub async fn get_file_url(
    FromState(state): FromState<State>,
    caller: Caller,
    ApiPath(path): ApiPath<String>,
    ApiQuery(query): ApiQuery<UrlQuery>,
) -> Result<Json<FileUrl>, ApiError> {
    let (expires_in, method) = (query.expires_in.unwrap_or(3600), query.method.unwrap_or(UrlMethod::Get));
    let (place, signed) = match method {
        UrlMethod::Get => {
            let place = Place::to_read(&caller, query.area.as_deref(), &path)?;
            let there =
                !place.is_root() && place.is_visible(&state.runs).await? && state.storage.info(&place.key).await?.is_some();
            if !there {
                return Err(absent());
            }
            let signed = state.storage.url_to_get(&place.key, expires_in, &attachment(place.name())).await?;
            (place, signed)
        }
        UrlMethod::Put => {
            let place = Place::to_write(&caller, query.area.as_deref(), &path)?;
            validate_file_extension(place.name())?;
            let signed = state.storage.url_to_put(&place.key, expires_in, content_type_of(place.name())).await?;
            (place, signed)
        }
    };
    let headers = signed.headers.into_iter().collect();
    Ok(Json(FileUrl { path: place.path, area: place.area, url: signed.url, expires_in, method, headers }))
}
