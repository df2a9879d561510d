//! The Lambda of log-in and users.

mod checks;
mod get_me;
mod list_users;
mod log_in;
mod register_user;
mod throttled;
mod update_me;
mod update_user;

use std::sync::Arc;

use api::{
    authenticate::Authenticator,
    endpoint,
    routes::{Api, Routes},
};
use shared::{
    auth::{permission::Permission, token::Tokens},
    clock::Clock,
};
use stores::{resources::Resources, throttle::Failures, users::Users};

/// Resources of the endpoints of this function.
#[derive(Clone)]
pub struct State {
    users: Users,
    failures: Failures,
    tokens: Tokens,
    clock: Arc<dyn Clock>,
    authenticator: Authenticator,
}

impl State {
    fn new(resources: &Resources) -> Self {
        Self {
            users: resources.users(),
            failures: resources.failures(),
            tokens: resources.tokens.clone(),
            clock: Arc::clone(&resources.clock),
            authenticator: Authenticator::new(resources),
        }
    }
}

/// Every route of this function.
pub fn api(resources: &Resources) -> Api {
    Routes::new(resources, State::new(resources))
        .public(endpoint!(log_in::log_in))
        .logged_in(endpoint!(get_me::get_me))
        .logged_in(endpoint!(update_me::update_me))
        .with(Permission::ManageUsers, endpoint!(register_user::register_user))
        .with(Permission::ManageUsers, endpoint!(list_users::list_users))
        .with(Permission::ManageUsers, endpoint!(update_user::update_user))
        .finish()
}
