//! `GET /health`: whether the process lives. It asks no store.

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

/// How it is now is of no use to anybody later.
pub const NOT_KEPT: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// That the process lives.
#[derive(Serialize, ToSchema)]
pub struct Alive {
    /// Always `ok`.
    status: &'static str,
    /// When it was asked.
    #[serde(serialize_with = "moment::serialize")]
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
}

/// Whether the process lives
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, body = Alive)))]
pub async fn get_health(FromState(state): FromState<State>) -> ([(HeaderName, &'static str); 1], Json<Alive>) {
    (NOT_KEPT, Json(Alive { status: "ok", timestamp: state.clock.now() }))
}
