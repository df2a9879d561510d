//! The route table of a function: every route and who may call it. A handler that needs a permission never runs without it.

use std::fmt;

use axum::{
    Router,
    extract::{Request, State},
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

use super::{authenticate::Authenticator, extract::NoQuery, fields::Fields, problem::ApiError};

/// The HTTP methods of routes. A route for GET answers HEAD as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Reads.
    Get,
    /// Creates or starts something.
    Post,
    /// Changes something.
    Put,
    /// Deletes something.
    Delete,
}

impl Verb {
    /// The method as written in a request.
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
    /// Everyone, without a token.
    Public,
    /// Every user who is logged in.
    LoggedIn,
    /// Users whose role has the permission.
    With(Permission),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub verb: Verb,
    /// The path, with its parameters in braces.
    pub path: String,
    pub access: Access,
}

/// A path as the document writes it: `{path}` for `{*path}`, because OpenAPI has no mark for a parameter that takes the rest of
/// the path.
pub fn documented(path: &str) -> String {
    path.replace("{*", "{")
}

/// Below this path, an endpoint without query parameters rejects every query. The other pages are lenient, because browsers,
/// monitors and caches add queries of their own to the URLs of such pages.
const STRICT: &str = "/api/";

/// Whether the endpoint of a path rejects query parameters that it does not know.
pub fn is_strict(path: &str) -> bool {
    path.starts_with(STRICT)
}

/// A handler and its OpenAPI description, which holds its method and path. [`endpoint!`](crate::endpoint) makes one.
pub struct Endpoint<H> {
    handler: H,
    document: &'static OpenApi,
}

impl<H> Endpoint<H> {
    /// `document` describes the one operation of the handler.
    pub fn new(handler: H, document: &'static OpenApi) -> Self {
        Self { handler, document }
    }
}

/// Makes the [`Endpoint`] of a handler: `endpoint!(get_run::get_run)`. The attribute `#[utoipa::path]` of the handler states
/// method and path once, for the router and the document. Further arguments go to `#[openapi]`.
#[macro_export]
macro_rules! endpoint {
    ($module:ident::$handler:ident $(, $($more:tt)+)?) => {{
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($module::$handler) $(, $($more)+)?)]
        struct Document;
        static DOCUMENT: ::std::sync::LazyLock<::utoipa::openapi::OpenApi> =
            ::std::sync::LazyLock::new(<Document as ::utoipa::OpenApi>::openapi);
        $crate::routes::Endpoint::new($module::$handler, &DOCUMENT)
    }};
}

/// Checks the caller before a handler runs: the state of [`authenticate`].
#[derive(Clone)]
struct Gate {
    authenticator: Authenticator,
    /// Who may pass.
    access: Access,
}

/// Adds the [`Caller`](super::caller::Caller) to the request's extensions and runs the handler.
///
/// # Errors
/// [`ApiError::Unauthenticated`] without a valid token; [`ApiError::Forbidden`] when the caller does not have the permission;
/// [`ApiError::Unavailable`] when the table does not answer.
async fn authenticate(State(gate): State<Gate>, mut request: Request, next: Next) -> Result<Response, ApiError> {
    let caller = gate.authenticator.caller(request.headers()).await?;
    if let Access::With(permission) = gate.access {
        caller.scope(permission)?;
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// Collects the routes of a function.
pub struct Routes<S> {
    state: S,
    authenticator: Authenticator,
    router: Router<S>,
    /// The last route, for [`Self::also_at`].
    last: MethodRouter<S>,
    table: Vec<Route>,
    documents: Vec<&'static OpenApi>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// Starts without routes.
    pub fn new(resources: &Resources, state: S) -> Self {
        Self {
            state,
            authenticator: Authenticator::new(resources),
            router: Router::new(),
            last: MethodRouter::new(),
            table: Vec::new(),
            documents: Vec::new(),
        }
    }

    /// Adds a route that everyone may call.
    #[must_use]
    pub fn public<H: Handler<T, S>, T: 'static>(self, endpoint: Endpoint<H>) -> Self {
        self.add(Access::Public, endpoint)
    }

    /// Adds a route for every user who is logged in.
    #[must_use]
    pub fn logged_in<H: Handler<T, S>, T: 'static>(self, endpoint: Endpoint<H>) -> Self {
        self.add(Access::LoggedIn, endpoint)
    }

    /// Adds a route for the roles with a permission.
    #[must_use]
    pub fn with<H: Handler<T, S>, T: 'static>(self, permission: Permission, endpoint: Endpoint<H>) -> Self {
        self.add(Access::With(permission), endpoint)
    }

    /// Lets the last route answer at `paths` as well. Other routes have these paths, and would answer 405 to the method of this
    /// one.
    #[must_use]
    pub fn also_at(mut self, paths: &[&str]) -> Self {
        for path in paths {
            self.router = self.router.route(path, self.last.clone());
        }
        self
    }

    fn add<H: Handler<T, S>, T: 'static>(mut self, access: Access, Endpoint { handler, document }: Endpoint<H>) -> Self {
        for (path, item) in &document.paths.paths {
            for (verb, operation) in operations(item) {
                self.last = self.guarded(access, with_strict_query(path, operation, on(verb.filter(), handler.clone())));
                self.router = self.router.route(path, self.last.clone());
                self.table.push(Route { verb, path: path.clone(), access });
            }
        }
        self.documents.push(document);
        self
    }

    /// Puts the gate before a route that is not public. The gate covers only the method of the route, because 405 needs no token.
    fn guarded(&self, access: Access, handler: MethodRouter<S>) -> MethodRouter<S> {
        if access == Access::Public {
            return handler;
        }
        let gate = Gate { authenticator: self.authenticator.clone(), access };
        handler.route_layer(from_fn_with_state(gate, authenticate))
    }

    /// Completes the router and its route table.
    pub fn finish(self) -> Api {
        Api { router: self.router.with_state(self.state), table: self.table, documents: self.documents }
    }
}

/// The operations of a path, each with its method.
fn operations(item: &PathItem) -> impl Iterator<Item = (Verb, &Operation)> {
    let all = [(Verb::Get, &item.get), (Verb::Post, &item.post), (Verb::Put, &item.put), (Verb::Delete, &item.delete)];
    all.into_iter().filter_map(|(verb, operation)| Some((verb, operation.as_ref()?)))
}

/// Lets an operation without query parameters reject every query. The extractors of the other operations check the query
/// themselves.
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

/// Whether an operation has query parameters in the document.
fn takes_query(operation: &Operation) -> bool {
    operation.parameters.iter().flatten().any(|parameter| match parameter {
        RefOr::T(parameter) => parameter.parameter_in == ParameterIn::Query,
        RefOr::Ref(_) => false,
    })
}

/// Marks a request whose endpoint takes a body but no query. The extractor of the body then reports the errors of both at once.
async fn leave_query_to_the_body(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(NoQuery);
    next.run(request).await
}

/// Lets a request without a query pass, and rejects any other.
async fn refuse_query(request: Request, next: Next) -> Result<Response, ApiError> {
    Fields::of_query(request.uri().query().unwrap_or(""))?.read::<()>()?;
    Ok(next.run(request).await)
}

/// The routes of a function, without the layers that all functions share.
#[derive(Default)]
pub struct Api {
    pub router: Router,
    /// Every route of the router.
    pub table: Vec<Route>,
    /// The OpenAPI description of each route; [`Self::document`] puts them together.
    pub documents: Vec<&'static OpenApi>,
}

impl Api {
    /// Merges two functions, for a process that serves both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            router: self.router.merge(other.router),
            table: [self.table, other.table].concat(),
            documents: [self.documents, other.documents].concat(),
        }
    }

    /// The OpenAPI description of the routes, without what [`crate::document::complete`] adds.
    pub fn document(&self) -> OpenApi {
        let mut all = OpenApi::default();
        for endpoint in &self.documents {
            let mut document = OpenApi::clone(endpoint);
            let paths = std::mem::take(&mut document.paths.paths);
            document.paths.paths = paths.into_iter().map(|(path, item)| (documented(&path), item)).collect();
            all.merge(document);
        }
        all
    }
}
