//! The Lambda of log-in and users.

mod checks;
mod get_me;
mod list_users;
mod log_in;
mod register_user;
mod update_user;

use std::sync::Arc;

use api::{
    authenticate::Authenticator,
    routes::{Api, Routes, Verb},
};
use axum::extract::FromRef;
use shared::{
    auth::{permission::Permission, token::Tokens},
    clock::Clock,
};
use stores::{resources::Resources, throttle::Failures, users::Users};
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
            authenticator: Authenticator::new(resources),
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
        .with(Permission::ManageUsers, Verb::Post, "/api/auth/register", register_user::register_user)
        .with(Permission::ManageUsers, Verb::Get, "/api/auth/users", list_users::list_users)
        .with(Permission::ManageUsers, Verb::Put, "/api/auth/users/{user_id}", update_user::update_user)
        .finish(&Document::openapi())
}

/// This function's part of the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(log_in::log_in, get_me::get_me, register_user::register_user, list_users::list_users, update_user::update_user))]
pub struct Document;
