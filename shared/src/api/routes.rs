//! The route table of a function: every route with who may call it. A handler behind a permission never runs without it.

use std::fmt;

use axum::{
    Router,
    extract::FromRef,
    handler::Handler,
    middleware::from_fn_with_state,
    routing::{MethodFilter, MethodRouter, on},
};

use crate::auth::permission::Permission;

use super::authenticate::{Authenticator, Gate, authenticate};

/// The methods that routes are made for. Whatever takes GET takes HEAD, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Reads.
    Get,
    /// Makes or starts something.
    Post,
    /// Changes something.
    Put,
    /// Takes something away.
    Delete,
}

impl Verb {
    /// The verb as it stands in a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Whoever is logged in.
    LoggedIn,
    /// Whoever's role has a permission.
    With(Permission),
}

/// One route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub verb: Verb,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
}

/// The routes of a function while they are put together.
pub struct Routes<S> {
    state: S,
    routes: Vec<(Route, MethodRouter<S>)>,
    also: Vec<(Route, MethodRouter<S>)>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes yet.
    pub fn new(state: S) -> Self {
        Self { state, routes: Vec::new(), also: Vec::new() }
    }

    /// Adds a route that anybody may call.
    #[must_use]
    pub fn public<H: Handler<T, S>, T: 'static>(self, verb: Verb, path: &'static str, handler: H) -> Self {
        self.push(Route { verb, path, access: Access::Public }, on(verb.filter(), handler))
    }

    /// Adds a route for whoever is logged in.
    #[must_use]
    pub fn logged_in<H: Handler<T, S>, T: 'static>(self, verb: Verb, path: &'static str, handler: H) -> Self
    where
        Authenticator: FromRef<S>,
    {
        self.guarded(Route { verb, path, access: Access::LoggedIn }, handler)
    }

    /// Adds a route for roles with a permission.
    #[must_use]
    pub fn with<H: Handler<T, S>, T: 'static>(self, permission: Permission, verb: Verb, path: &'static str, handler: H) -> Self
    where
        Authenticator: FromRef<S>,
    {
        self.guarded(Route { verb, path, access: Access::With(permission) }, handler)
    }

    /// Lets the last route answer at other paths, too, which other routes would take from it.
    #[must_use]
    pub fn also_at(mut self, paths: &[&'static str]) -> Self {
        if let Some((route, handler)) = self.routes.last().cloned() {
            self.also.extend(paths.iter().map(|path| (Route { path, ..route }, handler.clone())));
        }
        self
    }

    fn guarded<H: Handler<T, S>, T: 'static>(self, route: Route, handler: H) -> Self
    where
        Authenticator: FromRef<S>,
    {
        let gate = Gate { authenticator: Authenticator::from_ref(&self.state), access: route.access };
        // The gate stands before the route alone: that a method is wrong is told to everybody.
        let guarded = on(route.verb.filter(), handler).route_layer(from_fn_with_state(gate, authenticate));
        self.push(route, guarded)
    }

    fn push(mut self, route: Route, handler: MethodRouter<S>) -> Self {
        self.routes.push((route, handler));
        self
    }

    /// The router, and the table that it is made of.
    pub fn finish(self) -> Api {
        let mut router = Router::new();
        let mut table = Vec::with_capacity(self.routes.len());
        for (route, handler) in self.routes {
            router = router.route(route.path, handler);
            table.push(route);
        }
        for (route, handler) in self.also {
            router = router.route(route.path, handler);
        }
        Api { router: router.with_state(self.state), table }
    }
}

/// The routes of a function, without the layers that all functions share.
pub struct Api {
    /// What answers.
    pub router: Router,
    /// Every route of it.
    pub table: Vec<Route>,
}

impl Api {
    /// Two functions as one, as in a process that serves both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.table.extend(other.table);
        Self { router: self.router.merge(other.router), table: self.table }
    }
}
