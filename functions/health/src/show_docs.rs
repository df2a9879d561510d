//! `GET /docs`: the OpenAPI document as a page. The page has no script and loads nothing, so its policy forbids both.

use std::sync::LazyLock;

use axum::{
    http::{HeaderName, header},
    response::Html,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use crate::{
    DOCUMENT,
    page::{self, STYLE},
};

static PAGE: LazyLock<String> = LazyLock::new(|| page::of(&serde_json::from_str(DOCUMENT).unwrap_or_default()));

/// Lets a browser use only the page's own style, which its hash identifies, and the page's own icon.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// Show the documentation
///
/// Shows the OpenAPI document as a page for browsers. The page has no script and loads nothing from any host.
#[utoipa::path(
    get, path = "/docs", tag = "health",
    responses((
        status = 200, description = "A page for browsers.", body = String, content_type = "text/html",
        example = json!("<!doctype html>…"),
    ))
)]
pub async fn show_docs() -> ([(HeaderName, &'static str); 1], Html<&'static str>) {
    ([(header::CONTENT_SECURITY_POLICY, POLICY.as_str())], Html(PAGE.as_str()))
}
