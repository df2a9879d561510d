//! `GET /openapi.json`: the OpenAPI document of all endpoints of the product.

use axum::http::{HeaderName, header};

/// The document of all functions. It is generated from their code, and a test checks that the two agree. So this function can
/// describe the others without linking them.
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
