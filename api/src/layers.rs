//! The outermost layer of every function: gives each answer the request id, security headers and timing, and writes all problems
//! in one format.

use std::{any::Any, panic::AssertUnwindSafe, time::Instant};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt as _;
use shared::error::chain;
use tracing::Instrument as _;
use uuid::Uuid;

use super::{
    extract::media_type,
    problem::{ApiError, Problem},
    routes::Api,
};

/// Header with the request id, in the request and in the answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The headers that every answer has.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// Longest request id that is accepted from a client, in bytes.
const MAX_REQUEST_ID: usize = 128;

/// Adds the layers that all functions share, and the answer 404 for unknown paths.
pub fn serve(api: Api) -> Router {
    let fallback = api.router.fallback(|| async { StatusCode::NOT_FOUND });
    fallback.layer(from_fn(frame))
}

/// The id of a request: the one that the client sent, if it is valid, else a new one.
#[derive(Debug, Clone)]
pub struct RequestId(pub HeaderValue);

fn request_id(request: &Request) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=MAX_REQUEST_ID).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte))
    };
    let brought = request.headers().get(&REQUEST_ID).filter(sane).cloned();
    brought.or_else(|| HeaderValue::try_from(Uuid::new_v4().to_string()).ok()).unwrap_or(HeaderValue::from_static("-"))
}

/// Passes a request on and completes its answer with the headers and the problem format of all answers. A panic of the handler
/// becomes a 500.
async fn frame(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let id_text = id.to_str().unwrap_or("-").to_owned();
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str).to_owned();
    let (method, api_data) = (request.method().clone(), request.uri().path().starts_with("/api/"));
    request.extensions_mut().insert(RequestId(id.clone()));
    let span = tracing::info_span!("request", request_id = id_text, %method, route);
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span.clone()).await;
    let mut answer = answered.unwrap_or_else(|panic| ApiError::internal(panic_text(&*panic)).into_response());
    let entered = span.enter();
    let problem = answer.extensions_mut().remove::<Problem>();
    let failed = answer.status().is_client_error() || answer.status().is_server_error();
    // The framework's own error answers are plain text and become problems. A handler may send its own JSON object with an error
    // status.
    let bare = failed && media_type(answer.headers()).is_none_or(|kind| kind != "application/json");
    if let Some(problem) = problem.or_else(|| bare.then(|| Problem::of_status(answer.status()))) {
        answer = write(&problem, &id_text, answer);
    }
    let headers = answer.headers_mut();
    secure(headers);
    headers.insert(REQUEST_ID, id);
    if api_data && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let micros = started.elapsed().as_micros();
    let timing = format!("app;dur={}.{:03}", micros / 1000, micros % 1000);
    if let Ok(value) = HeaderValue::try_from(timing) {
        headers.insert(SERVER_TIMING, value);
    }
    tracing::info!(status = answer.status().as_u16(), duration_us = u64::try_from(micros).unwrap_or(u64::MAX), "answered");
    drop(entered);
    answer
}

/// Sets the security headers of an answer.
pub fn secure(headers: &mut HeaderMap) {
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, value);
    }
}

/// Replaces the body of an answer by a problem, keeps the headers, and logs the cause.
fn write(problem: &Problem, request_id: &str, answer: Response) -> Response {
    if let Some(cause) = &problem.cause {
        tracing::error!(code = problem.code, cause = chain(&**cause), "the request failed");
    }
    let body = serde_json::to_vec(&problem.object(request_id)).unwrap_or_default();
    let (mut parts, _) = answer.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    Response::from_parts(parts, body.into())
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    format!("a handler panicked: {}", text.unwrap_or("(no text)"))
}
