//! `GET /health`: whether the process lives. It uses no store.

use axum::{
    Json,
    extract::State as FromState,
    http::{HeaderName, header},
};
use jiff::Timestamp;
use serde::Serialize;
use shared::clock::moment;
use utoipa::ToSchema;

use crate::State;

/// Keeps caches from storing the answer, which is true only at the time of the request.
pub const NOT_KEPT: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// Sign of life of the process.
#[derive(Serialize, ToSchema)]
pub struct Alive {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
    /// When the process answered.
    #[serde(serialize_with = "moment::serialize")]
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
}

/// Check that the process lives
///
/// Answers as long as the process can answer at all. It asks no store: `/health/ready` does.
#[utoipa::path(
    get, path = "/health", tag = "health",
    responses((status = 200, description = "The process lives.", body = Alive))
)]
pub async fn get_health(FromState(state): FromState<State>) -> ([(HeaderName, &'static str); 1], Json<Alive>) {
    (NOT_KEPT, Json(Alive { status: "ok", timestamp: state.clock.now() }))
}
