//! The Lambda of health, OpenAPI and its page.

mod get_document;
mod get_health;
mod get_readiness;
mod get_root;
mod page;
mod show_docs;

use std::sync::Arc;

use api::routes::{Api, Routes, Verb};
use jiff::Timestamp;
use shared::clock::Clock;
use stores::{config::Environment, resources::Resources, storage::s3::S3Storage, table::Table};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

pub use get_document::DOCUMENT;

/// What the endpoints of this function have.
#[derive(Clone)]
pub struct State {
    table: Table,
    storage: S3Storage,
    clock: Arc<dyn Clock>,
    environment: Environment,
    started: Timestamp,
}

impl State {
    /// Of what a process has, which starts now.
    pub fn new(resources: &Resources) -> Self {
        Self {
            table: resources.table.clone(),
            storage: resources.storage.clone(),
            clock: Arc::clone(&resources.clock),
            environment: resources.environment,
            started: resources.clock.now(),
        }
    }
}

/// Every route of this function.
pub fn api(state: State) -> Api {
    Routes::new(state)
        .public(Verb::Get, "/", get_root::get_root)
        .public(Verb::Get, "/health", get_health::get_health)
        .public(Verb::Get, "/health/ready", get_readiness::get_readiness)
        .public(Verb::Get, "/openapi.json", get_document::get_document)
        .public(Verb::Get, "/docs", show_docs::show_docs)
        .finish(&Document::openapi())
}

/// The trunk of the OpenAPI document, with this function's part of it: those of the other functions are merged into it.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Loan Engine",
        description = "Loan Engine reads loan tapes and decides for every loan whether to buy it, at what price, and why.\n\n\
                       Log in at `/api/auth/login` and send the token with every request as `Authorization: Bearer <token>`. \
                       What a user may do depends on the role: `admin`, `analyst` or `sales_team`. A member of a sales team sees \
                       only the runs and files of that team; everything else answers 404, as if it did not exist.\n\n\
                       Amounts are dollars, rates and ratios percent (6.5 means 6.5 %), times RFC 3339 in UTC. Numbers are exact: \
                       read them as decimals, not as binary floating point. Lists come in pages of `skip` and `limit`; the `Link` \
                       header holds the next one. Errors are RFC 9457 problems.",
    ),
    modifiers(&Bearer),
    tags(
        (name = "auth", description = "Log in, and manage users."),
        (name = "runs", description = "Start runs, watch them, and download their output files and archives."),
        (name = "data", description = "Read what runs found: summaries, exceptions and loans. Also sales teams and the configuration."),
        (name = "files", description = "Files in three areas: `inputs` (tapes and rule sets), `outputs` (what runs wrote) and `output_share` (files to pass on)."),
        (name = "health", description = "Whether the product works, and this documentation."),
    ),
    paths(
        get_root::get_root,
        get_health::get_health,
        get_readiness::get_readiness,
        get_document::get_document,
        show_docs::show_docs
    )
)]
pub struct Document;

/// How a request says whose it is: what the endpoints call `bearer`.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut http = Http::new(HttpAuthScheme::Bearer);
        http.bearer_format = Some("JWT".to_owned());
        document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(http));
    }
}
