//! Requests to every route.

use api::routes::Verb;
use http::{HeaderName, Method};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::{Answer, PASSWORD, Person, TestApp};

use super::Scene;

/// Body of a request.
pub enum Content {
    Nothing,
    Json(Value),
    Form(&'static str),
    /// A file with this name and this length in bytes.
    File(&'static str, usize),
}

/// A request to a route.
pub struct Wanted {
    pub verb: Verb,
    /// Path of the route, with its parameters in braces.
    pub route: &'static str,
    pub address: String,
    pub content: Content,
    /// The sender; if none, the administrator.
    pub by: Option<Person>,
    /// The `Idempotency-Key`, which makes repeated requests one.
    pub key: Option<&'static str>,
}

impl Wanted {
    pub fn name(&self) -> String {
        format!("{} {}", self.verb, self.address)
    }

    /// Sends the request to the product and returns its whole answer.
    pub async fn send(&self, scene: &Scene) -> Answer {
        let answer = self.send_anyway(&scene.app, &scene.root).await;
        assert!(!answer.broken_off, "{}", self.name());
        answer
    }

    /// Sends the request to a process on the same stores and returns its answer, which may break off.
    pub async fn send_anyway(&self, app: &TestApp, root: &Person) -> Answer {
        let method: Method = self.verb.as_str().parse().unwrap();
        let call = app.call(method, &self.address).by(self.by.as_ref().unwrap_or(root));
        let call = call.header(HeaderName::from_static("x-request-id"), "one");
        let call = match self.key {
            Some(key) => call.header(HeaderName::from_static("idempotency-key"), key),
            None => call,
        };
        let call = match &self.content {
            Content::Nothing => call,
            Content::Json(body) => call.json(body),
            Content::Form(body) => call.form(body),
            Content::File(name, length) => call.file(name, vec![b'x'; *length]),
        };
        call.send_anyway().await
    }
}

/// At least one good request to every route.
pub fn requests(scene: &Scene) -> Vec<Wanted> {
    let (run, user) = (&scene.run, scene.root.user.id);
    let wanted = |verb, route: &'static str, address: String, content| {
        // A request that may be sent twice carries a key.
        let key = (route == "/api/pipeline/run").then_some("key");
        Wanted { verb, route, address, content, by: None, key }
    };
    let get = |route: &'static str, address: String| wanted(Verb::Get, route, address, Content::Nothing);
    let json = |verb, route: &'static str, address: &str, body| wanted(verb, route, address.to_owned(), Content::Json(body));
    let plain = |route: &'static str| get(route, route.to_owned());
    let of_run = |route: &'static str| get(route, route.replace("{run_id}", run));
    let new_user = json!({"email": "new@example.com", "username": "new", "password": "correct horse"});
    let output = "/api/runs/{run_id}/notebook-outputs/{output_key}/download";
    let archived = "/api/runs/{run_id}/archive/download";
    let file = |verb, route: &'static str, address: &str, content| wanted(verb, route, address.to_owned(), content);
    vec![
        plain("/"),
        plain("/health"),
        plain("/health/ready"),
        plain("/openapi.json"),
        plain("/docs"),
        json(Verb::Post, "/api/auth/login", "/api/auth/login", json!({"username": "root", "password": "wrong horse"})),
        plain("/api/auth/me"),
        json(Verb::Put, "/api/auth/me", "/api/auth/me", json!({"current_password": PASSWORD, "full_name": "New"})),
        json(Verb::Post, "/api/auth/register", "/api/auth/register", new_user),
        plain("/api/auth/users"),
        json(Verb::Put, "/api/auth/users/{user_id}", &format!("/api/auth/users/{user}"), json!({"full_name": "New"})),
        json(Verb::Post, "/api/pipeline/run", "/api/pipeline/run", json!({"folder": "folder"})),
        json(Verb::Post, "/api/tapes/inspect", "/api/tapes/inspect", json!({"path": "folder/tape.csv"})),
        json(Verb::Post, "/api/rule-sets/check", "/api/rule-sets/check", json!({"path": "rules/strict.toml"})),
        plain("/api/runs"),
        of_run("/api/runs/{run_id}"),
        of_run("/api/runs/{run_id}/rule-set"),
        of_run("/api/runs/{run_id}/notebook-outputs"),
        get(output, output.replace("{run_id}", run).replace("{output_key}", "purchase_tape")),
        of_run("/api/runs/{run_id}/archive"),
        of_run(archived),
        get(archived, format!("{}?path=manifest.json", archived.replace("{run_id}", run))),
        of_run("/api/runs/{run_id}/workbook"),
        of_run("/api/runs/{run_id}/purchase-advice"),
        of_run("/api/runs/{run_id}/seller-return"),
        of_run("/api/summary/{run_id}"),
        plain("/api/exceptions"),
        get("/api/exceptions", format!("/api/exceptions?run_id={run}")),
        get("/api/exceptions/export", format!("/api/exceptions/export?format=csv&run_id={run}")),
        get("/api/exceptions/export", "/api/exceptions/export?format=xlsx".to_owned()),
        get("/api/loans", format!("/api/loans?run_id={run}")),
        get("/api/compare", format!("/api/compare?base={run}&with={run}")),
        get("/api/loan-history", "/api/loan-history?seller_loan_number=L-00001".to_owned()),
        plain("/api/sales-teams"),
        json(Verb::Post, "/api/sales-teams", "/api/sales-teams", json!({"name": format!("Team {}", Uuid::nil())})),
        plain("/api/config"),
        get("/api/files/list", "/api/files/list?recursive=true".to_owned()),
        file(Verb::Post, "/api/files/upload", "/api/files/upload?path=uploaded", Content::File("new.csv", 1)),
        get("/api/files/download/{*path}", "/api/files/download/folder/tape.csv".to_owned()),
        get("/api/files/url/{*path}", "/api/files/url/folder/tape.csv".to_owned()),
        file(Verb::Post, "/api/files/mkdir", "/api/files/mkdir?path=made", Content::Nothing),
        file(Verb::Delete, "/api/files/{*path}", "/api/files/folder/tape.csv", Content::Nothing),
    ]
}

#[tokio::test]
async fn there_is_a_request_to_every_route() {
    let scene = Scene::new().await;
    let requests = requests(&scene);
    for route in &scene.app.routes {
        let there = requests.iter().any(|wanted| (wanted.verb, wanted.route) == (route.verb, &route.path));
        assert!(there, "{} {} is missing here", route.verb, route.path);
    }
}

#[tokio::test]
async fn every_request_is_a_good_one() {
    let scene = Scene::new().await;
    for wanted in requests(&scene) {
        let answer = wanted.send(&scene).await;
        let expected = if wanted.route == "/api/auth/login" { 401 } else { 200 };
        let fits = answer.status.as_u16() == expected || matches!(answer.status.as_u16(), 201 | 202);
        assert!(fits, "{}: {} {}", wanted.name(), answer.status, answer.text());
    }
}
