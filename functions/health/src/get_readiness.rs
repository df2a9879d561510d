//! `GET /health/ready`: whether requests can be answered, which takes both stores.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::State as FromState,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Serialize;
use shared::{
    api::{layers::chain, problem::RETRY_AFTER_SECONDS},
    clock::moment,
};
use utoipa::ToSchema;

use crate::{State, get_health::NOT_KEPT};

/// How long a store has for its answer.
const DEADLINE: Duration = Duration::from_secs(2);

/// Whether something answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answering {
    /// It does.
    Ok,
    /// It does not, or not in time.
    Unavailable,
}

/// Whether requests can be answered.
#[derive(Serialize, ToSchema)]
pub struct Readiness {
    /// Whether all of it answers.
    status: Answering,
    /// When it was asked.
    #[serde(serialize_with = "moment::serialize")]
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// How long the process has been there.
    uptime_seconds: i64,
    /// Its version.
    version: &'static str,
    /// Where it runs: `development`, `test`, `staging` or `production`.
    environment: &'static str,
    /// What it needs.
    components: Vec<Component>,
}

/// A store.
#[derive(Serialize, ToSchema)]
pub struct Component {
    /// `dynamodb` or `s3`.
    name: &'static str,
    /// Whether it answers.
    status: Answering,
    /// How long it took, in milliseconds.
    latency_ms: u64,
}

/// Whether requests can be answered
#[utoipa::path(
    get, path = "/health/ready", tag = "health",
    responses(
        (status = 200, body = Readiness),
        (status = 503, description = "A store does not answer, or not in time; `components` says which", body = Readiness),
    )
)]
pub async fn get_readiness(FromState(state): FromState<State>) -> Response {
    let (dynamodb, s3) = tokio::join!(ask("dynamodb", state.table.ping()), ask("s3", state.storage.ping()));
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

/// Asks a store, and does not wait for longer than it may take. What is wrong with it is for the log alone.
async fn ask<E: Error + 'static>(name: &'static str, ping: impl Future<Output = Result<(), E>>) -> Component {
    let asked = Instant::now();
    let status = match tokio::time::timeout(DEADLINE, ping).await {
        Ok(Ok(())) => Answering::Ok,
        Ok(Err(error)) => {
            tracing::warn!(component = name, cause = chain(&error), "a store does not answer as it should");
            Answering::Unavailable
        }
        Err(_) => {
            tracing::warn!(component = name, "a store does not answer in time");
            Answering::Unavailable
        }
    };
    Component { name, status, latency_ms: u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX) }
}
