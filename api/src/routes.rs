//! The route table of a function: every route with who may call it. A handler behind a permission never runs without it.

use std::fmt;

use axum::{
    Router,
    extract::Request,
    handler::Handler,
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
    routing::{MethodFilter, MethodRouter, on},
};
use shared::auth::permission::Permission;
use stores::resources::Resources;
use utoipa::openapi::{
    OpenApi, PathItem, RefOr,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub verb: Verb,
    /// The path, with its parameters in braces.
    pub path: String,
    /// Who may call it.
    pub access: Access,
}

/// A path as the document writes it: there a parameter that takes the rest of the path is like any other.
pub fn documented(path: &str) -> String {
    path.replace("{*", "{")
}

/// Below this, an endpoint without query parameters refuses every query. Other pages, which ask nothing, are lenient: browsers,
/// monitors and caches add a query of their own to such an address.
const STRICT: &str = "/api/";

/// Whether the endpoint of a path refuses what it does not know in a query.
pub fn is_strict(path: &str) -> bool {
    path.starts_with(STRICT)
}

/// A handler with what the document says of it: its method, its path and all else. [`endpoint!`](crate::endpoint) makes one.
pub struct Endpoint<H> {
    handler: H,
    document: OpenApi,
}

impl<H> Endpoint<H> {
    /// A handler, and the document of its one operation.
    pub fn new(handler: H, document: OpenApi) -> Self {
        Self { handler, document }
    }
}

/// The [`Endpoint`] of a handler, whose attribute `#[utoipa::path]` states method and path once for the router and the document:
/// `endpoint!(get_run::get_run)`. More arguments are those of `#[openapi]`.
#[macro_export]
macro_rules! endpoint {
    ($module:ident::$handler:ident $(, $($more:tt)+)?) => {{
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($module::$handler) $(, $($more)+)?)]
        struct Document;
        $crate::routes::Endpoint::new($module::$handler, <Document as utoipa::OpenApi>::openapi())
    }};
}

/// The routes of a function while they are put together.
pub struct Routes<S> {
    state: S,
    authenticator: Authenticator,
    router: Router<S>,
    /// What the last route answers with.
    last: MethodRouter<S>,
    table: Vec<Route>,
    document: OpenApi,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes yet.
    pub fn new(resources: &Resources, state: S) -> Self {
        Self {
            state,
            authenticator: Authenticator::new(resources),
            router: Router::new(),
            last: MethodRouter::new(),
            table: Vec::new(),
            document: OpenApi::default(),
        }
    }

    /// Adds a route that anybody may call.
    #[must_use]
    pub fn public<H: Handler<T, S>, T: 'static>(self, endpoint: Endpoint<H>) -> Self {
        self.add(Access::Public, endpoint)
    }

    /// Adds a route for whoever is logged in.
    #[must_use]
    pub fn logged_in<H: Handler<T, S>, T: 'static>(self, endpoint: Endpoint<H>) -> Self {
        self.add(Access::LoggedIn, endpoint)
    }

    /// Adds a route for roles with a permission.
    #[must_use]
    pub fn with<H: Handler<T, S>, T: 'static>(self, permission: Permission, endpoint: Endpoint<H>) -> Self {
        self.add(Access::With(permission), endpoint)
    }

    /// Lets the last route answer at other paths, too, which other routes would take from it.
    #[must_use]
    pub fn also_at(mut self, paths: &[&str]) -> Self {
        for path in paths {
            self.router = self.router.route(path, self.last.clone());
        }
        self
    }

    fn add<H: Handler<T, S>, T: 'static>(mut self, access: Access, Endpoint { handler, mut document }: Endpoint<H>) -> Self {
        for (path, item) in std::mem::take(&mut document.paths.paths) {
            for (verb, operation) in operations(&item) {
                self.last = self.guarded(access, with_strict_query(&path, operation, on(verb.filter(), handler.clone())));
                self.router = self.router.route(&path, self.last.clone());
                self.table.push(Route { verb, path: path.clone(), access });
            }
            document.paths.paths.insert(documented(&path), item);
        }
        self.document.merge(document);
        self
    }

    /// Puts the gate before a route that is not public, and before that route alone: that a method is wrong is told to everybody.
    fn guarded(&self, access: Access, handler: MethodRouter<S>) -> MethodRouter<S> {
        if access == Access::Public {
            return handler;
        }
        let gate = Gate { authenticator: self.authenticator.clone(), access };
        handler.route_layer(from_fn_with_state(gate, authenticate))
    }

    /// The router, and the table and the part of the document that it is made of.
    pub fn finish(self) -> Api {
        Api { router: self.router.with_state(self.state), table: self.table, document: self.document }
    }
}

/// The operations of a path that routes are made for.
fn operations(item: &PathItem) -> impl Iterator<Item = (Verb, &Operation)> {
    let all = [(Verb::Get, &item.get), (Verb::Post, &item.post), (Verb::Put, &item.put), (Verb::Delete, &item.delete)];
    all.into_iter().filter_map(|(verb, operation)| Some((verb, operation.as_ref()?)))
}

/// Lets an operation without query parameters refuse every query. The others read what their extractors know of it.
fn with_strict_query<S: Clone + Send + Sync + 'static>(
    path: &str,
    operation: &Operation,
    handler: MethodRouter<S>,
) -> MethodRouter<S> {
    if !is_strict(path) || takes_query(operation) {
        handler
    } else if operation.request_body.is_some() {
        handler.route_layer(from_fn(leave_query_to_the_body))
    } else {
        handler.route_layer(from_fn(refuse_query))
    }
}

/// Whether the document names query parameters of an operation.
fn takes_query(operation: &Operation) -> bool {
    operation.parameters.iter().flatten().any(|parameter| match parameter {
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
#[derive(Default)]
pub struct Api {
    /// What answers.
    pub router: Router,
    /// Every route of it.
    pub table: Vec<Route>,
    /// What the OpenAPI document says of it, but for what [`crate::document::complete`] adds.
    pub document: OpenApi,
}

impl Api {
    /// Two functions as one, as in a process that serves both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            router: self.router.merge(other.router),
            table: [self.table, other.table].concat(),
            document: self.document.merge_from(other.document),
        }
    }
}
