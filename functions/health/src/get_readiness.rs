//! `GET /health/ready`: whether the product can answer requests, for which it needs both stores. The check writes a byte to each
//! store and reads it back, so that it also finds a full disk, a missing folder and a folder that may not be written.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use api::problem::RETRY_AFTER_SECONDS;
use axum::{
    Json,
    extract::State as FromState,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Serialize;
use shared::{clock::moment, error::chain};
use utoipa::ToSchema;

use crate::{State, get_health::NOT_KEPT};

/// Time that a store has to answer.
const DEADLINE: Duration = Duration::from_secs(2);

/// Whether a store, or the product as a whole, works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answering {
    /// It does.
    Ok,
    /// It does not, or not in time.
    Unavailable,
}

/// Whether the product can answer requests.
#[derive(Serialize, ToSchema)]
pub struct Readiness {
    /// `ok` if all components are `ok`, else `unavailable`.
    status: Answering,
    /// When the process answered.
    #[serde(serialize_with = "moment::serialize")]
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// Number of seconds since the process started.
    #[schema(example = 86_400)]
    uptime_seconds: i64,
    /// Version of the product.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// Environment: `development`, `test`, `staging` or `production`.
    #[schema(example = "production")]
    environment: &'static str,
    /// Stores that the product needs.
    components: Vec<Component>,
}

/// A store.
#[derive(Serialize, ToSchema)]
pub struct Component {
    /// Name of the store: `dynamodb` or `s3`.
    #[schema(example = "dynamodb")]
    name: &'static str,
    /// Whether the store works.
    status: Answering,
    /// Time that the store took to answer, in milliseconds.
    #[schema(example = 4)]
    latency_ms: u64,
}

/// Check that both stores work
///
/// Writes a byte to DynamoDB and to S3 and reads it back, each within 2 seconds.
#[utoipa::path(
    get, path = "/health/ready", tag = "health",
    responses(
        (status = 200, description = "Both stores work.", body = Readiness),
        (status = 503, description = "A store does not work or is too slow; `components` says which.", body = Readiness),
    )
)]
pub async fn get_readiness(FromState(state): FromState<State>) -> Response {
    let (dynamodb, s3) = tokio::join!(ask("dynamodb", state.table.try_out()), ask("s3", state.storage.try_out()));
    let components = vec![dynamodb, s3];
    let ready = components.iter().all(|component| component.status == Answering::Ok);
    let now = state.clock.now();
    let readiness = Readiness {
        status: if ready { Answering::Ok } else { Answering::Unavailable },
        timestamp: now,
        uptime_seconds: now.duration_since(state.started).as_secs(),
        version: env!("CARGO_PKG_VERSION"),
        environment: state.environment.as_str(),
        components,
    };
    let mut answer = (NOT_KEPT, Json(readiness)).into_response();
    if !ready {
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        answer.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
    }
    answer
}

/// Checks a store, for at most [`DEADLINE`]. The cause of a failure goes only to the log.
async fn ask<E: Error + 'static>(name: &'static str, trying: impl Future<Output = Result<(), E>>) -> Component {
    let asked = Instant::now();
    let status = match tokio::time::timeout(DEADLINE, trying).await {
        Ok(Ok(())) => Answering::Ok,
        Ok(Err(error)) => {
            tracing::warn!(component = name, cause = chain(&error), "a store failed its health check");
            Answering::Unavailable
        }
        Err(_) => {
            tracing::warn!(component = name, "a store did not answer its health check in time");
            Answering::Unavailable
        }
    };
    Component { name, status, latency_ms: u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX) }
}
