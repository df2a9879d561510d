//! Access rights of every route, checked from the route table itself.

use std::collections::BTreeSet;

use api::routes::{Access, Route};
use axum::body::Body;
use http::{Method, header};
use shared::auth::{
    permission::{Grant, Role, grant},
    secret::Secret,
    token::Tokens,
};
use uuid::Uuid;

use crate::support::app::{TestApp, document};

/// The path of a route, with the nil UUID in place of each parameter.
pub fn address(route: &Route) -> String {
    let filled = route.path.split('/').map(|part| if part.starts_with('{') { Uuid::nil().to_string() } else { part.to_owned() });
    filled.collect::<Vec<_>>().join("/")
}

pub fn method(route: &Route) -> Method {
    route.verb.as_str().parse().unwrap()
}

#[tokio::test]
async fn no_route_but_the_public_ones_answers_without_a_good_token() {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Admin, None).await;
    let foreign = Tokens::new(&Secret::new("another secret of at least 32 bytes"), 480);
    let foreign = foreign.issue(&ana.user, app.resources.clock.now()).unwrap();
    let bad = [None, Some("Bearer x".to_owned()), Some(format!("Bearer {foreign}")), Some(format!("Basic {}", ana.token))];
    for route in app.routes.iter().filter(|route| route.access != Access::Public) {
        for token in &bad {
            let call = app.call(method(route), &address(route));
            let call = token.iter().fold(call, |call, token| call.header(header::AUTHORIZATION, token));
            let answer = call.send().await;
            assert_eq!(answer.problem(401), "unauthenticated", "{} {}", route.verb, route.path);
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
}

#[tokio::test]
async fn no_body_is_read_of_somebody_without_a_token() {
    let app = TestApp::new().await;
    for route in app.routes.iter().filter(|route| route.access != Access::Public) {
        // The body never ends, so a handler that reads it never answers.
        let body = Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
        let request = http::Request::builder().method(method(route)).uri(address(route));
        let request = request.header("content-type", "multipart/form-data; boundary=b").body(body).unwrap();
        assert_eq!(app.answer(request).await.problem(401), "unauthenticated", "{} {}", route.verb, route.path);
    }
}

#[tokio::test]
async fn a_role_without_the_permission_is_refused_before_anything_else() {
    let app = TestApp::new().await;
    for role in Role::ALL {
        let person = app.person(&format!("a_{role}"), role, None).await;
        for route in &app.routes {
            let Access::With(permission) = route.access else { continue };
            // The sales team user is in no team, so a grant for the own team alone is refused as well.
            let refused = grant(role, permission) != Grant::All;
            let answer = app.call(method(route), &address(route)).by(&person).send().await;
            assert_eq!(answer.status == 403, refused, "{role} {} {}: {}", route.verb, route.path, answer.text());
        }
    }
}

#[tokio::test]
async fn the_document_names_every_route_and_no_other() {
    let app = TestApp::new().await;
    // The document writes a catch-all parameter, `{*path}`, like any other one, `{path}`.
    let name = |verb: &str, path: &str| format!("{verb} {}", path.replace("{*", "{"));
    let routes: BTreeSet<String> = app.routes.iter().map(|route| name(route.verb.as_str(), &route.path)).collect();
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut named = BTreeSet::new();
    for (path, verbs) in document["paths"].as_object().unwrap() {
        named.extend(verbs.as_object().unwrap().keys().map(|verb| name(&verb.to_uppercase(), path)));
    }
    assert_eq!(named, routes);
}
