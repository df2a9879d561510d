//! The route table of a function: every route with who may call it. A handler behind a permission never runs without it.

use std::fmt;

use axum::{
    Router,
    extract::{FromRef, Request},
    handler::Handler,
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
    routing::{MethodFilter, MethodRouter, on},
};
use shared::auth::permission::Permission;
use utoipa::openapi::{
    OpenApi, RefOr,
    path::{Operation, ParameterIn},
};

use super::{
    authenticate::{Authenticator, Gate, authenticate},
    extract::NoQuery,
    fields::Fields,
    problem::ApiError,
};

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

/// Below this, an endpoint without query parameters refuses every query. Other pages, which ask nothing, are lenient: browsers,
/// monitors and caches add a query of their own to such an address.
const STRICT: &str = "/api/";

/// Whether the endpoint of a path refuses what it does not know in a query.
pub fn is_strict(path: &str) -> bool {
    path.starts_with(STRICT)
}

/// The routes of a function while they are put together.
pub struct Routes<S> {
    state: S,
    routes: Vec<PlannedRoute<S>>,
}

/// A route that is not in a router yet.
struct PlannedRoute<S> {
    route: Route,
    handler: MethodRouter<S>,
    /// What stands before it; nothing before a public one.
    gate: Option<Gate>,
    /// Where it answers, too.
    also: Vec<&'static str>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes yet.
    pub fn new(state: S) -> Self {
        Self { state, routes: Vec::new() }
    }

    /// Adds a route that anybody may call.
    #[must_use]
    pub fn public<H: Handler<T, S>, T: 'static>(self, verb: Verb, path: &'static str, handler: H) -> Self {
        self.push(Route { verb, path, access: Access::Public }, handler, None)
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
        if let Some(last) = self.routes.last_mut() {
            last.also.extend(paths);
        }
        self
    }

    fn guarded<H: Handler<T, S>, T: 'static>(self, route: Route, handler: H) -> Self
    where
        Authenticator: FromRef<S>,
    {
        let gate = Gate { authenticator: Authenticator::from_ref(&self.state), access: route.access };
        self.push(route, handler, Some(gate))
    }

    fn push<H: Handler<T, S>, T: 'static>(mut self, route: Route, handler: H, gate: Option<Gate>) -> Self {
        self.routes.push(PlannedRoute { route, handler: on(route.verb.filter(), handler), gate, also: Vec::new() });
        self
    }

    /// The router, and the table that it is made of. The function's document says which routes take query parameters: those
    /// read them, and all others refuse them.
    pub fn finish(self, document: &OpenApi) -> Api {
        let mut router = Router::new();
        let mut table = Vec::with_capacity(self.routes.len());
        for PlannedRoute { route, mut handler, gate, also } in self.routes {
            if is_strict(route.path) && !takes_query(document, &route) {
                handler = if takes_body(document, &route) {
                    handler.route_layer(from_fn(leave_query_to_the_body))
                } else {
                    handler.route_layer(from_fn(refuse_query))
                };
            }
            if let Some(gate) = gate {
                // The gate stands before the route alone: that a method is wrong is told to everybody.
                handler = handler.route_layer(from_fn_with_state(gate, authenticate));
            }
            for path in also {
                router = router.route(path, handler.clone());
            }
            router = router.route(route.path, handler);
            table.push(route);
        }
        Api { router: router.with_state(self.state), table }
    }
}

/// What a document says of a route.
fn operation<'d>(document: &'d OpenApi, route: &Route) -> Option<&'d Operation> {
    // A parameter that takes the rest of a path is written as any other one in the document.
    let item = document.paths.paths.get(&route.path.replace("{*", "{"))?;
    match route.verb {
        Verb::Get => item.get.as_ref(),
        Verb::Post => item.post.as_ref(),
        Verb::Put => item.put.as_ref(),
        Verb::Delete => item.delete.as_ref(),
    }
}

/// Whether a document names a body of a route.
fn takes_body(document: &OpenApi, route: &Route) -> bool {
    operation(document, route).is_some_and(|operation| operation.request_body.is_some())
}

/// Whether a document names query parameters of a route.
fn takes_query(document: &OpenApi, route: &Route) -> bool {
    let parameters = operation(document, route).into_iter().flat_map(|operation| operation.parameters.iter().flatten());
    parameters.into_iter().any(|parameter| match parameter {
        RefOr::T(parameter) => parameter.parameter_in == ParameterIn::Query,
        RefOr::Ref(_) => false,
    })
}

/// Marks a request that takes no query and has a body: whoever reads the body names what is wrong with both at once.
async fn leave_query_to_the_body(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(NoQuery);
    next.run(request).await
}

/// Lets a request without a query pass, and answers others.
async fn refuse_query(request: Request, next: Next) -> Result<Response, ApiError> {
    Fields::of_query(request.uri().query().unwrap_or(""))?.read::<()>()?;
    Ok(next.run(request).await)
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
