//! What anybody may ask: whether the product works, and how it is used.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::app::{Answer, Fault, INSIDE, TestApp, document, documents};

async fn readiness(app: &TestApp) -> Answer {
    app.get("/health/ready").send().await
}

fn statuses(readiness: &Value) -> Vec<(&str, &str)> {
    let components = readiness["components"].as_array().unwrap();
    components.iter().map(|component| (component["name"].as_str().unwrap(), component["status"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn the_root_says_what_answers_and_where_it_is_described() {
    let app = TestApp::new().await;
    let root = app.get("/").send().await.expect(200);
    assert_eq!(root, json!({"message": "Loan Engine", "version": env!("CARGO_PKG_VERSION"), "docs_url": "/docs"}));
    app.get(root["docs_url"].as_str().unwrap()).send().await;
}

#[tokio::test]
async fn a_process_that_lives_says_so_with_the_time() {
    let app = TestApp::new().await;
    let answer = app.get("/health").send().await;
    assert_eq!(answer.expect(200), json!({"status": "ok", "timestamp": "2026-02-02T10:00:00.000Z"}));
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_process_that_lives_says_so_without_its_stores() {
    let app = TestApp::new().await;
    app.table_outage.begin(Fault::Hanging);
    app.bucket_outage.begin(Fault::Hanging);
    assert_eq!(app.get("/health").send().await.expect(200)["status"], "ok");
}

#[tokio::test]
async fn a_process_is_ready_when_both_stores_answer() {
    let app = TestApp::new().await;
    app.clock.advance(SignedDuration::from_secs(90));
    let answer = readiness(&app).await;
    let body = answer.expect(200);
    assert_eq!((&body["status"], &body["uptime_seconds"], &body["environment"]), (&"ok".into(), &90.into(), &"test".into()));
    assert_eq!((&body["version"], &body["timestamp"]), (&env!("CARGO_PKG_VERSION").into(), &"2026-02-02T10:01:30.000Z".into()));
    assert_eq!(statuses(&body), [("dynamodb", "ok"), ("s3", "ok")]);
    assert!(body["components"].as_array().unwrap().iter().all(|component| component["latency_ms"].is_u64()));
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_process_without_its_table_is_not_ready() {
    let app = TestApp::new().await;
    app.table_outage.begin(Fault::Unreachable);
    let answer = readiness(&app).await;
    let body = answer.expect(503);
    assert_eq!(body["status"], "unavailable");
    assert_eq!(statuses(&body), [("dynamodb", "unavailable"), ("s3", "ok")]);
    assert_eq!((answer.header("content-type"), answer.header("retry-after")), ("application/json", "2"));
}

#[tokio::test]
async fn a_process_without_its_bucket_is_not_ready() {
    let app = TestApp::new().await;
    app.bucket_outage.begin(Fault::Broken);
    let body = readiness(&app).await.expect(503);
    assert_eq!(statuses(&body), [("dynamodb", "ok"), ("s3", "unavailable")]);
}

#[tokio::test]
async fn readiness_tells_nothing_of_the_inside() {
    let app = TestApp::new().await;
    app.table_outage.begin(Fault::Broken);
    app.bucket_outage.begin(Fault::Unreachable);
    let text = readiness(&app).await.text();
    for word in [INSIDE, app.resources.table.name.as_str(), app.resources.storage.bucket.as_str()] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

#[tokio::test]
async fn a_process_is_ready_again_when_its_stores_are() {
    let app = TestApp::new().await;
    app.table_outage.begin(Fault::Unreachable);
    readiness(&app).await.expect(503);
    app.table_outage.end();
    readiness(&app).await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn stores_that_say_nothing_are_given_up_at_their_deadline() {
    let app = TestApp::new().await;
    app.table_outage.begin(Fault::Hanging);
    app.bucket_outage.begin(Fault::Hanging);
    let asked = tokio::time::Instant::now();
    let body = readiness(&app).await.expect(503);
    assert_eq!(statuses(&body), [("dynamodb", "unavailable"), ("s3", "unavailable")]);
    // Both are asked at once.
    assert!((2..3).contains(&asked.elapsed().as_secs()), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn nobody_needs_a_token_or_is_hurt_by_a_bad_one() {
    let app = TestApp::new().await;
    for path in ["/", "/health", "/health/ready", "/openapi.json", "/docs"] {
        let answer = app.get(path).header(http::header::AUTHORIZATION, "Bearer nonsense").send().await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(app.post(path).send().await.problem(405), "method_not_allowed", "{path}");
        assert_eq!(app.call(Method::HEAD, path).send().await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn the_document_that_is_served_is_the_one_of_the_code() {
    let fresh = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    let place = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi.json");
    if fresh != health::DOCUMENT {
        std::fs::write(&place, &fresh).unwrap();
        panic!("The endpoints have changed. Copy {} to functions/health/openapi.json and look at what changed.", place.display());
    }
    let app = TestApp::new().await;
    let answer = app.get("/openapi.json").send().await;
    assert_eq!((answer.text(), answer.header("content-type")), (fresh, "application/json"));
}

#[test]
fn functions_do_not_describe_different_things_by_one_name() {
    let mut schemas: BTreeMap<String, Value> = BTreeMap::new();
    for part in documents() {
        let part = serde_json::to_value(part).unwrap();
        for (name, schema) in part["components"]["schemas"].as_object().into_iter().flatten() {
            let known = schemas.entry(name.clone()).or_insert_with(|| schema.clone());
            assert_eq!(known, schema, "{name}");
        }
    }
}

#[test]
fn every_endpoint_is_described_completely() {
    let document = serde_json::to_value(document()).unwrap();
    let tags: BTreeSet<&str> = document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut ids = BTreeSet::new();
    for (path, verbs) in document["paths"].as_object().unwrap() {
        for (verb, operation) in verbs.as_object().unwrap() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{verb} {path}: its name is taken");
            assert!(operation["summary"].is_string(), "{verb} {path} has no summary");
            assert!(tags.contains(operation["tags"][0].as_str().unwrap()), "{verb} {path} is in no known group");
            let named = operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "path").count();
            assert_eq!(named, path.matches('{').count(), "{verb} {path}: the parameters of its path");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string(), "{verb} {path}: {} has no description", parameter["name"]);
            }
        }
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    let document = serde_json::to_value(document()).unwrap();
    let text = document.to_string();
    let references: BTreeSet<&str> = text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(!references.is_empty());
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}

#[test]
fn the_document_tells_who_needs_a_token() {
    let document = serde_json::to_value(document()).unwrap();
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    assert!(document["paths"]["/api/auth/me"]["get"]["security"].is_array());
    for (path, verb) in [("/api/auth/login", "post"), ("/health", "get"), ("/docs", "get")] {
        assert!(document["paths"][path][verb]["security"].is_null(), "{path}");
    }
}

#[tokio::test]
async fn every_route_but_public_ones_is_described_as_needing_a_token() {
    let app = TestApp::new().await;
    let document = serde_json::to_value(document()).unwrap();
    for route in &app.routes {
        let path = route.path.replace("{*", "{");
        let operation = &document["paths"][&path][route.verb.as_str().to_lowercase()];
        let public = route.access == shared::api::routes::Access::Public;
        assert_eq!(operation["security"].is_array(), !public, "{} {path}", route.verb);
        assert_eq!(operation["responses"]["401"].is_object(), !public || path == "/api/auth/login", "{} {path}", route.verb);
    }
}

#[tokio::test]
async fn the_page_shows_every_endpoint_and_every_schema() {
    let app = TestApp::new().await;
    let answer = app.get("/docs").send().await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/html; charset=utf-8"));
    let page = answer.text();
    let document: Value = serde_json::from_str(health::DOCUMENT).unwrap();
    for (path, verbs) in document["paths"].as_object().unwrap() {
        for (verb, operation) in verbs.as_object().unwrap() {
            assert!(page.contains(&format!("<details id=\"{}\">", operation["operationId"].as_str().unwrap())), "{verb} {path}");
        }
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("<article id=\"schema-{name}\">")), "{name}");
    }
    for link in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(page.contains(&format!("id=\"{link}\"")), "#{link}");
    }
}

#[tokio::test]
async fn the_page_loads_nothing_and_may_load_nothing() {
    let app = TestApp::new().await;
    let answer = app.get("/docs").send().await;
    let policy = answer.header("content-security-policy").to_owned();
    let page = answer.text();
    for word in ["<script", "<link", "<img", "<iframe", "src=", "@import", "url(", "style=\""] {
        assert!(!page.contains(word), "{word}");
    }
    for link in page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(link.starts_with('#') || link == "/openapi.json", "{link}");
    }
    let parts: Vec<&str> = policy.split("; ").collect();
    assert_eq!(parts[0], "default-src 'none'");
    assert!(parts[1].starts_with("style-src 'sha256-") && !parts[1].contains("unsafe"), "{policy}");
    assert_eq!(parts[2..], ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]);
}
