//! The public endpoints: whether the application works, and how it is used.

mod document;
mod page;

use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};
use stores::keys;

use crate::support::app::{Answer, Fault, INSIDE, TestApp};

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
async fn a_process_whose_stores_take_no_bytes_or_give_none_is_not_ready() {
    let app = TestApp::new().await;
    for (request, component) in [("PutItem", "dynamodb"), ("GetItem", "dynamodb"), ("PUT ", "s3"), ("GET ", "s3")] {
        let outage = if component == "s3" { &app.bucket_outage } else { &app.table_outage };
        outage.begin_for(request, Fault::Broken);
        let body = readiness(&app).await.expect(503);
        let failed: Vec<&str> =
            statuses(&body).into_iter().filter(|(_, status)| *status == "unavailable").map(|(name, _)| name).collect();
        assert_eq!(failed, [component], "{request}");
        assert!(outage.end() > 0, "{request}");
    }
    readiness(&app).await.expect(200);
}

#[tokio::test]
async fn many_may_ask_at_once_and_leave_one_item_and_one_object() {
    let app = TestApp::new().await;
    for answer in futures_util::future::join_all((0..32).map(|_| readiness(&app))).await {
        assert_eq!(statuses(&answer.expect(200)), [("dynamodb", "ok"), ("s3", "ok")]);
    }
    let objects = app.objects("").await;
    assert_eq!(objects.keys().map(String::as_str).collect::<Vec<_>>(), [keys::TRIED_OUT]);
    let table = &app.resources.table;
    let scanned = table.client.scan().table_name(&table.name).send().await.unwrap();
    assert_eq!(scanned.count, 1);
}

#[tokio::test]
async fn a_process_whose_folder_is_gone_is_not_ready() {
    let app = TestApp::new().await;
    readiness(&app).await.expect(200);
    let aside = app.folder().with_extension("aside");
    std::fs::rename(app.folder(), &aside).unwrap();
    let body = readiness(&app).await.expect(503);
    // The table of this test is in memory, so the lost folder does not affect it.
    assert_eq!(statuses(&body), [("dynamodb", "ok"), ("s3", "unavailable")]);
    std::fs::rename(&aside, app.folder()).unwrap();
    readiness(&app).await.expect(200);
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
    // Readiness asks both stores in parallel, so it waits for one deadline and not for two.
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
