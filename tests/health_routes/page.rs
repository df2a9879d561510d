//! The documentation as a page, without anything of another host.

use crate::app::{TestApp, document};

#[tokio::test]
async fn the_page_shows_every_endpoint_and_every_schema() {
    let app = TestApp::new().await;
    let answer = app.get("/docs").send().await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/html; charset=utf-8"));
    let page = answer.text();
    let document = document();
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
