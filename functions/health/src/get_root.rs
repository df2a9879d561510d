//! `GET /`: name and version of the product.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// Name and version of the product.
#[derive(Serialize, ToSchema)]
pub struct Welcome {
    /// Name of the product.
    #[schema(example = "Loan Engine")]
    message: &'static str,
    /// Version of the product.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// Path of this documentation.
    #[schema(example = "/docs")]
    docs_url: &'static str,
}

/// Show name and version
///
/// Says which product and version answers, and where its documentation is.
#[utoipa::path(
    get, path = "/", tag = "health",
    responses((status = 200, description = "Name and version of the product.", body = Welcome))
)]
pub async fn get_root() -> Json<Welcome> {
    Json(Welcome { message: "Loan Engine", version: env!("CARGO_PKG_VERSION"), docs_url: "/docs" })
}
