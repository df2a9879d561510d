//! `GET /openapi.json`: what the whole product's endpoints take and give.

use axum::http::{HeaderName, header};

/// The document of all functions. It is made from their code, and a test sees to it that it is the same as the code says:
/// so this function describes the others without being linked with them.
pub const DOCUMENT: &str = include_str!("../openapi.json");

/// Get the OpenAPI document
///
/// Describes every endpoint for programs, such as generators of clients.
#[utoipa::path(
    get, path = "/openapi.json", tag = "health",
    responses((status = 200, description = "An OpenAPI 3.1 document.", body = Object, example = json!({"openapi": "3.1.0"})))
)]
pub async fn get_document() -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}
