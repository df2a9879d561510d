//! `GET /`: what answers here.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// What answers here.
#[derive(Serialize, ToSchema)]
pub struct Welcome {
    /// Its name.
    message: &'static str,
    /// Its version.
    version: &'static str,
    /// Where it is described.
    docs_url: &'static str,
}

/// What answers here
#[utoipa::path(get, path = "/", tag = "health", responses((status = 200, body = Welcome)))]
pub async fn get_root() -> Json<Welcome> {
    Json(Welcome { message: "Loan Engine", version: env!("CARGO_PKG_VERSION"), docs_url: "/docs" })
}
