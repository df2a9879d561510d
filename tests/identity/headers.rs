//! What every answer tells browsers, and what it does not tell the pages of other origins.

use std::collections::BTreeSet;

use http::{HeaderName, Method, header};
use serde_json::json;
use shared::auth::permission::Role;

use crate::{
    support::{
        app::{Answer, Fault, PASSWORD, Tape},
        server::{Server, send},
    },
    template::document::Template,
};

use super::app;

/// An answer of each kind.
async fn answers() -> Vec<(&'static str, Answer)> {
    let (app, root) = app().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let run = app.ended(&root, &Tape::of_good(3).with("bad", &[("ltv_ratio", "99")])).await;
    app.put("inputs/large.csv", "x".repeat(4_000_001)).await;
    app.put("inputs/small.csv", "x").await;
    let get = async |path: &str| app.get(path).by(&root).send().await;
    let post = |path: &str| app.post(path).by(&root);
    let team = json!({"name": "West"});
    let mut answers = vec![
        ("200", get("/api/auth/me").await),
        ("200 list", get("/api/runs?limit=1").await),
        ("200 page", app.get("/docs").send().await),
        ("200 document", app.get("/openapi.json").send().await),
        ("200 root", app.get("/").send().await),
        ("200 health", app.get("/health").send().await),
        ("200 streamed", get("/api/files/download/small.csv").await),
        ("200 output", get(&format!("/api/runs/{run}/notebook-outputs/purchase_tape/download")).await),
        ("200 archived", get(&format!("/api/runs/{run}/archive/download?path=manifest.json")).await),
        ("200 archive", get(&format!("/api/runs/{run}/archive/download")).await),
        ("200 purchase advice", get(&format!("/api/runs/{run}/purchase-advice")).await),
        ("202 seller return", get(&format!("/api/runs/{run}/seller-return")).await),
        ("202 comparison", get(&format!("/api/compare?base={run}&with={run}")).await),
        ("200 workbook", get(&format!("/api/runs/{run}/workbook")).await),
        ("200 csv", get("/api/exceptions/export?format=csv").await),
        ("200 xlsx", get("/api/exceptions/export?format=xlsx").await),
        ("200 head", app.call(Method::HEAD, "/api/runs").by(&root).send().await),
        ("200 log-in", app.post("/api/auth/login").json(&json!({"username": "ana", "password": PASSWORD})).send().await),
        ("201", post("/api/sales-teams").json(&team).send().await),
        ("202", app.start(&root, &json!({"files": ["small.csv"]})).await),
        ("200 large", get("/api/files/download/large.csv").await),
        ("307", app.on_lambda().get("/api/files/download/large.csv").by(&root).send().await),
        ("400", get("/api/files/list?path=../x").await),
        ("401", app.get("/api/auth/me").send().await),
        ("403", app.get("/api/auth/users").by(&ana).send().await),
        ("404", get("/api/runs/00000000-0000-0000-0000-000000000000").await),
        ("404 route", app.get("/nothing").send().await),
        ("404 api route", app.get("/api/nothing").send().await),
        ("405", app.delete("/api/runs").by(&root).send().await),
        ("405 options", app.call(Method::OPTIONS, "/api/runs").send().await),
        ("409", post("/api/sales-teams").json(&team).send().await),
        ("413", post("/api/sales-teams").json(&json!({"name": "x".repeat(1 << 20)})).send().await),
        ("415", post("/api/sales-teams").body("text/plain", "x").send().await),
        ("422", get("/api/runs?limit=0").await),
    ];
    for _ in 0..10 {
        app.post("/api/auth/login").json(&json!({"username": "nobody", "password": "x"})).send().await;
    }
    answers.push(("429", app.post("/api/auth/login").json(&json!({"username": "nobody", "password": "x"})).send().await));
    app.table_outage.begin(Fault::Broken);
    answers.push(("503", get("/api/auth/me").await));
    answers.push(("503 readiness", app.get("/health/ready").send().await));
    app.table_outage.end();
    // A stored item that cannot be read is a server error.
    let table = app.resources.table.clone();
    let key = stores::keys::run(run.parse().unwrap()).item();
    let update = table.client.update_item().table_name(&table.name).set_key(Some(key)).update_expression("REMOVE doc");
    update.send().await.unwrap();
    answers.push(("500", get(&format!("/api/runs/{run}")).await));
    answers
}

#[tokio::test]
async fn every_kind_of_answer_has_the_headers_of_security() {
    let answers = answers().await;
    let mut statuses = BTreeSet::new();
    for (name, answer) in &answers {
        assert!(name.starts_with(answer.status.as_str()), "{name}: {} {}", answer.status, answer.text());
        statuses.insert(answer.status.as_u16());
        for (header, value) in
            [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("referrer-policy", "no-referrer")]
        {
            let values: Vec<_> = answer.headers.get_all(header).iter().collect();
            assert_eq!(values, [value], "{name}: {header}");
        }
        assert!(!answer.header("x-request-id").is_empty(), "{name}");
        assert!(answer.header("server-timing").starts_with("app;dur="), "{name}");
        assert!(answer.headers.get(header::SERVER).is_none() && answer.headers.get("x-powered-by").is_none(), "{name}");
        if !["page", "document", "root", "200 health", "404 route", "readiness"].iter().any(|public| name.contains(public)) {
            assert_eq!(answer.header("cache-control"), "no-store", "{name}");
        }
        if answer.status.is_client_error() || answer.status.is_server_error() {
            let kind = if name.contains("readiness") { "application/json" } else { "application/problem+json" };
            assert_eq!(answer.header("content-type"), kind, "{name}");
        }
    }
    let expected = [200, 201, 202, 307, 400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503];
    assert_eq!(statuses, BTreeSet::from(expected));
}

#[tokio::test]
async fn no_answer_lets_the_pages_of_others_read_it() {
    let (app, root) = app().await;
    app.put("inputs/a.csv", "x").await;
    let signed = app.read(&root, "/api/files/url/a.csv").await["url"].as_str().unwrap().to_owned();
    let foreign = |answer: &Answer| {
        let names: Vec<&str> =
            answer.headers.keys().map(HeaderName::as_str).filter(|name| name.starts_with("access-control")).collect();
        assert!(names.is_empty(), "{names:?}");
    };
    for origin in ["https://evil.example", "null", "http://127.0.0.1:8000", "https://localhost"] {
        for path in ["/api/auth/me", "/api/runs", "/health", "/docs", "/api/auth/login", "/nothing"] {
            foreign(&app.get(path).by(&root).header(header::ORIGIN, origin).send().await);
            let asked = app.call(Method::OPTIONS, path).header(header::ORIGIN, origin);
            let asked = asked.header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
            let answer = asked.header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization").send().await;
            assert!(!answer.status.is_success(), "{path}: {}", answer.status);
            foreign(&answer);
        }
        foreign(&app.fetch(Method::GET, &signed, &[("origin".to_owned(), origin.to_owned())], "").await);
        foreign(&app.fetch(Method::OPTIONS, &signed, &[("origin".to_owned(), origin.to_owned())], "").await);
    }
}

#[test]
fn on_aws_named_pages_alone_may_call_and_never_with_what_the_browser_adds() {
    let template = Template::read();
    assert_eq!(template.0["Parameters"]["CorsOrigins"]["Default"], "https://localhost");
    let of_api = &template.resource("Api")["CorsConfiguration"];
    let of_bucket = &template.resource("Bucket")["CorsConfiguration"]["CorsRules"];
    assert_eq!(of_bucket.as_array().unwrap().len(), 1);
    for origins in [&of_api["AllowOrigins"], &of_bucket[0]["AllowedOrigins"]] {
        assert_eq!(*origins, json!({"Ref": "CorsOrigins"}));
    }
    assert!(of_api.get("AllowCredentials").is_none());
    for names in [&of_api["AllowHeaders"], &of_api["AllowMethods"], &of_bucket[0]["AllowedHeaders"]] {
        assert!(names.as_array().unwrap().iter().all(|name| name != "*"), "{names}");
    }
}

#[test]
fn what_serve_hands_out_of_the_bucket_has_the_headers_too() {
    let (_folder, server) = Server::new();
    let admin = server.admin();
    assert_eq!(admin.put_presigned("a.txt", b"<script>alert(1)</script>", |url| url).status, 200);
    let signed = admin.get("/api/files/url/a.txt").expect(200)["url"].as_str().unwrap().to_owned();
    let (good, bad) = (send("GET", &signed, &[], b""), send("GET", &signed.replace("a.txt", "b.txt"), &[], b""));
    assert_eq!((good.status, bad.status), (200, 403));
    assert!(good.headers["content-disposition"].starts_with("attachment"));
    assert_eq!(good.headers["content-type"], "text/plain; charset=utf-8");
    for answer in [good, bad] {
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["x-frame-options"], "DENY");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer");
    }
}
