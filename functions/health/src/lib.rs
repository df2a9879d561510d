//! The Lambda of the health checks, the OpenAPI document and its page.

mod get_document;
mod get_health;
mod get_readiness;
mod get_root;
mod page;
mod show_docs;

use std::sync::Arc;

use api::{
    endpoint,
    routes::{Api, Routes},
};
use jiff::Timestamp;
use shared::clock::Clock;
use stores::{config::Environment, resources::Resources, storage::s3::S3Storage, table::Table};

pub use get_document::DOCUMENT;

/// Resources of the endpoints of this function.
#[derive(Clone)]
pub struct State {
    table: Table,
    storage: S3Storage,
    clock: Arc<dyn Clock>,
    environment: Environment,
    started: Timestamp,
}

impl State {
    /// The uptime counts from now.
    fn new(resources: &Resources) -> Self {
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
pub fn api(resources: &Resources) -> Api {
    Routes::new(resources, State::new(resources))
        .public(endpoint!(get_root::get_root))
        .public(endpoint!(get_health::get_health))
        .public(endpoint!(get_readiness::get_readiness))
        .public(endpoint!(get_document::get_document))
        .public(endpoint!(show_docs::show_docs))
        .finish()
}
