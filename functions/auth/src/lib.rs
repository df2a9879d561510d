//! The Lambda of log-in and users.

mod get_me;
mod log_in;

use std::sync::Arc;

use axum::extract::FromRef;
use shared::{
    api::{
        authenticate::Authenticator,
        routes::{Api, Routes, Verb},
    },
    auth::token::Tokens,
    clock::Clock,
    resources::Resources,
    stores::{throttle::Failures, users::Users},
};
use utoipa::OpenApi;

/// What the endpoints of this function have.
#[derive(Clone)]
pub struct State {
    users: Users,
    failures: Failures,
    tokens: Tokens,
    clock: Arc<dyn Clock>,
    authenticator: Authenticator,
}

impl State {
    /// Of what a process has.
    pub fn new(resources: &Resources) -> Self {
        Self {
            users: Users::new(resources.table.clone()),
            failures: Failures::new(resources.table.clone()),
            tokens: resources.tokens.clone(),
            clock: Arc::clone(&resources.clock),
            authenticator: resources.authenticator(),
        }
    }
}

impl FromRef<State> for Authenticator {
    fn from_ref(state: &State) -> Self {
        state.authenticator.clone()
    }
}

/// Every route of this function.
pub fn api(state: State) -> Api {
    Routes::new(state)
        .public(Verb::Post, "/api/auth/login", log_in::log_in)
        .logged_in(Verb::Get, "/api/auth/me", get_me::get_me)
        .finish()
}

/// This function's part of the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(log_in::log_in, get_me::get_me))]
pub struct Document;
