//! Extractors for bodies, queries and paths. Their errors say which value is wrong, and why.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, RawPathParams, Request, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::caller::Caller;

use super::{
    fields::{Fields, FromFields},
    problem::{ApiError, InputError},
};

/// Largest JSON body or form, in bytes.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Marks a request whose endpoint takes no query. The extractors of bodies reject all parameters of its query.
#[derive(Debug, Clone, Copy)]
pub struct NoQuery;

/// The errors of the query when the endpoint takes none.
fn unwanted_query(request: &Request) -> Result<Vec<InputError>, ApiError> {
    if request.extensions().get::<NoQuery>().is_none() {
        return Ok(Vec::new());
    }
    match Fields::of_query(request.uri().query().unwrap_or(""))?.read::<()>() {
        Ok(()) => Ok(Vec::new()),
        Err(ApiError::Invalid(errors)) => Ok(errors),
        Err(error) => Err(error),
    }
}

/// The value that was read from the body, or the errors of query and body together.
fn with_query<T>(query: Vec<InputError>, body: Result<T, ApiError>) -> Result<T, ApiError> {
    match body {
        body if query.is_empty() => body,
        Err(ApiError::Invalid(errors)) => Err(ApiError::Invalid(query.into_iter().chain(errors).collect())),
        Ok(_) | Err(ApiError::UnsupportedMediaType(_)) => Err(ApiError::Invalid(query)),
        Err(error) => Err(error),
    }
}

/// A JSON body, which is an object.
#[derive(Debug, Clone, Copy)]
pub struct ApiJson<T>(pub T);

impl<T: FromFields, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let query = unwanted_query(&request)?;
        let kind = media_type(request.headers());
        if !kind.is_some_and(|kind| kind == "application/json" || kind.ends_with("+json")) {
            return with_query(query, Err(no_json()));
        }
        let bytes = body(request, state).await?;
        with_query(query, Fields::of_json(&bytes).and_then(Fields::read).map(Self))
    }
}

fn no_json() -> ApiError {
    ApiError::UnsupportedMediaType("Send the body as `application/json`.".into())
}

/// An optional JSON body. A request without a body and without a content type gets the default.
#[derive(Debug, Clone, Copy)]
pub struct OptionalJson<T>(pub T);

impl<T: FromFields + Default, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if request.headers().contains_key(header::CONTENT_TYPE) {
            return ApiJson::from_request(request, state).await.map(|ApiJson(value)| Self(value));
        }
        let query = unwanted_query(&request)?;
        let read = if body(request, state).await?.is_empty() { Ok(Self(T::default())) } else { Err(no_json()) };
        with_query(query, read)
    }
}

/// A form, as browsers and OAuth clients send one.
#[derive(Debug, Clone, Copy)]
pub struct ApiForm<T>(pub T);

impl<T: FromFields, S: Send + Sync> FromRequest<S> for ApiForm<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let query = unwanted_query(&request)?;
        let bytes = body(request, state).await?;
        with_query(query, Fields::of_form(&bytes).and_then(Fields::read).map(Self))
    }
}

/// The query of the URL. A handler has at most one `ApiQuery`, because it rejects every parameter that it does not read.
#[derive(Debug, Clone, Copy)]
pub struct ApiQuery<T>(pub T);

impl<T: FromFields, S: Send + Sync> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Fields::of_query(parts.uri.query().unwrap_or(""))?.read().map(Self)
    }
}

/// The id in a path: its first parameter. An invalid id answers 404, like an unknown one.
#[derive(Debug, Clone, Copy)]
pub struct PathId(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let id = params.ok().and_then(|params| params.iter().next().and_then(|(_, id)| parse_id(id)));
        id.map(Self).ok_or(ApiError::not_found("What the address names"))
    }
}

/// The parameters of a path, percent-decoded once: a text, or a tuple of texts for several parameters.
#[derive(Debug, Clone, Copy)]
pub struct ApiPath<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for ApiPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value)).map_err(|_| ApiError::Refused("bad_path", "The address is not UTF-8 text.".into()))
    }
}

/// IP address of the client, as API Gateway or the server knows it from the connection, never from a header that the client
/// sends. The serving process adds it to the request's extensions. Without it, the address is `unknown`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAddress(pub String);

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self("unknown".to_owned())))
    }
}

/// Parses an id of 36 characters, in either letter case. Other spellings of a UUID are not ids.
pub fn parse_id(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| text.parse().ok()).flatten()
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or(ApiError::internal("a handler that needs a caller has no gate"))
    }
}

/// The media type of a body, in lower case and without parameters.
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or("").trim().to_ascii_lowercase())
}

/// Reads the body, of up to [`MAX_BODY_BYTES`].
///
/// # Errors
/// [`ApiError::TooLarge`] when the body is larger; [`ApiError::Refused`] when it ends too early.
pub async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::TooLarge(format!("The body is larger than {MAX_BODY_BYTES} bytes.").into());
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
        return Err(too_large());
    }
    let limited = request.map(|body| axum::body::Body::new(http_body_util::Limited::new(body, MAX_BODY_BYTES)));
    Bytes::from_request(limited, state).await.map_err(|rejection: BytesRejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => ApiError::Refused("unreadable_body", "The body ended before it was complete.".into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_in_one_way() {
        let id = Uuid::from_u128(7);
        assert_eq!(parse_id(&id.to_string()), Some(id));
        assert_eq!(parse_id(&id.to_string().to_uppercase()), Some(id));
        for bad in ["", "7", &id.simple().to_string(), &format!("{{{id}}}"), &format!("urn:uuid:{id}")] {
            assert_eq!(parse_id(bad), None, "{bad}");
        }
    }
}
