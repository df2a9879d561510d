//! The documentation as a page for people, also on a phone, without anything from another host.

use http::header;

use crate::support::app::{TestApp, document};

#[tokio::test]
async fn the_page_shows_every_endpoint_and_every_schema() {
    let app = TestApp::new().await;
    let answer = app.get("/docs").send().await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/html; charset=utf-8"));
    let page = answer.text();
    for (path, verbs) in document()["paths"].as_object().unwrap() {
        for (verb, operation) in verbs.as_object().unwrap() {
            assert!(page.contains(&format!("<div id=\"{}\">", operation["operationId"].as_str().unwrap())), "{verb} {path}");
        }
    }
    for name in document()["components"]["schemas"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("<article id=\"schema-{name}\">")), "{name}");
    }
    for link in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(page.contains(&format!("id=\"{link}\"")), "#{link}");
    }
}

/// The part of the page about an operation.
fn shown<'p>(page: &'p str, operation: &str) -> &'p str {
    let at = page.find(&format!("<div id=\"{operation}\">")).unwrap();
    let start = page[..at].rfind("<details>").unwrap();
    let end = page[at..].find("</details>").unwrap();
    &page[start..at + end]
}

#[tokio::test]
async fn the_page_shows_roles_a_call_and_an_answer() {
    let app = TestApp::new().await;
    let page = app.get("/docs").send().await.text();
    let run = shown(&page, "get_run");
    assert!(run.contains("<i>admin</i> <i>analyst</i> <i>sales_team (own team)</i>"), "{run}");
    let id = "6f1c9a52-8d3e-4b7a-9c41-2f0e5d7b8a90";
    let call = format!(
        "<pre tabindex=\"0\">curl -L &quot;$API/api/runs/{id}&quot; \\\n  -H &quot;Authorization: Bearer $TOKEN&quot;</pre>"
    );
    assert!(run.contains(&call), "{run}");
    assert!(run.contains("<h4>Example answer: 200 application/json</h4>\n<pre tabindex=\"0\">{\n"), "{run}");
    assert!(shown(&page, "log_in").contains("<i>public</i>"));
    for operation in document()["paths"].as_object().unwrap().values().flat_map(|verbs| verbs.as_object().unwrap().values()) {
        let shown = shown(&page, operation["operationId"].as_str().unwrap());
        assert_eq!(shown.matches("<h4>Example call</h4>").count(), 1, "{shown}");
        assert!(!shown.contains("curl -L &quot;$API&quot;") && !shown.contains("/{"), "{shown}");
    }
}

#[tokio::test]
async fn the_page_shows_code_as_code() {
    let app = TestApp::new().await;
    let page = app.get("/docs").send().await.text();
    assert!(!page.contains('`'), "{:?}", page.find('`').map(|at| &page[at.saturating_sub(80)..at + 80]));
    assert!(shown(&page, "start_run").contains("<code>wait=N</code>"));
}

#[tokio::test]
async fn the_page_fits_a_phone() {
    let app = TestApp::new().await;
    let page = app.get("/docs").send().await.text();
    assert!(page.contains("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"));
    // Elements that may be wider than the screen scroll on their own.
    assert_eq!(page.matches("<table>").count(), page.matches("<div class=\"scroll\" tabindex=\"0\"><table>").count());
    for rule in [".scroll { overflow-x: auto; }", "overflow-x: auto; border: 1px"] {
        assert!(page.contains(rule), "{rule}");
    }
}

#[tokio::test]
async fn the_page_loads_nothing_and_may_load_nothing() {
    let app = TestApp::new().await;
    let answer = app.get("/docs").send().await;
    let policy = answer.header(header::CONTENT_SECURITY_POLICY.as_str()).to_owned();
    let page = answer.text();
    for word in ["<script", "<img", "<iframe", "src=", "@import", "url(", "style=\""] {
        assert!(!page.contains(word), "{word}");
    }
    for link in page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(link.starts_with('#') || link == "/openapi.json" || link.starts_with("data:image/svg+xml,"), "{link}");
    }
    // The only link is the icon, which is part of the page.
    assert_eq!(page.matches("<link").count(), page.matches("<link rel=\"icon\" href=\"data:").count());
    let parts: Vec<&str> = policy.split("; ").collect();
    assert_eq!(parts[0], "default-src 'none'");
    assert!(parts[1].starts_with("style-src 'sha256-") && !parts[1].contains("unsafe"), "{policy}");
    assert_eq!(parts[2..], ["img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]);
}
