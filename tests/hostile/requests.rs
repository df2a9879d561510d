//! Arbitrary requests to the whole application: none causes a server error, and each is answered as the document says.

use std::{cell::RefCell, str};

use http::{HeaderName, HeaderValue, Method, Request, header};
use shared::auth::permission::Role;
use tokio::runtime::{Builder, Runtime};

use crate::support::app::{Answer, Person, SECRET, Tape, TestApp, operation};

/// Separates the requests of an input.
const SEPARATOR: &str = "\n%%\n";
/// The number of requests that one application answers before a new one replaces it, so that an input depends on few others.
const REQUESTS: usize = 3_000;

thread_local! {
    static DESK: RefCell<Option<TestShell>> = const { RefCell::new(None) };
}

/// An application with users and a completed run.
struct TestShell {
    runtime: Runtime,
    app: TestApp,
    people: Vec<Person>,
    run: String,
    answered: usize,
}

/// Asserts what holds for every request. Requests are written as in HTTP/1.1. The header `by` adds a token: `by: root` of the
/// administrator, `by: ana` of an analyst, `by: wes` of a sales team. `{run}`, `{team}` and `{user}` stand for ids that exist.
pub fn check(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    DESK.with_borrow_mut(|kept| {
        if kept.as_ref().is_some_and(|desk| desk.answered > REQUESTS) {
            *kept = None;
        }
        let desk = kept.get_or_insert_with(TestShell::new);
        let text = desk.fill_in(text);
        for request in text.split(SEPARATOR).take(8) {
            desk.take(request);
        }
    });
}

impl TestShell {
    fn new() -> Self {
        // Time is paused, so that no wait takes real time.
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (app, people, run) = runtime.block_on(async {
            let app = TestApp::new().await;
            let team = app.team("West").await;
            let people = vec![
                app.person("root", Role::Admin, None).await,
                app.person("ana", Role::Analyst, None).await,
                app.person("wes", Role::SalesTeam, Some(team.id)).await,
            ];
            app.populated_run(&people[1]).await;
            let bad = [("credit_score", "500"), ("appraisal_value", "")];
            let run = app.ended(&people[2], &Tape::of_good(3).with("L-3", &bad)).await;
            app.put("inputs/tape.csv", Tape::of_good(2).text().to_owned()).await;
            (app, people, run)
        });
        Self { runtime, app, people, run, answered: 0 }
    }

    fn fill_in(&self, text: &str) -> String {
        let wes = &self.people[2].user;
        let team = wes.sales_team_id.unwrap().to_string();
        text.replace("{run}", &self.run).replace("{team}", &team).replace("{user}", &wes.id.to_string())
    }

    fn take(&mut self, text: &str) {
        let Some(request) = self.request(text) else { return };
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        self.answered += 1;
        let answer = self.runtime.block_on(async {
            let answer = self.app.answer(request).await;
            if answer.status == 202 {
                self.app.work().await;
            }
            answer
        });
        self.app.clock.advance(jiff::SignedDuration::from_secs(1));
        let allowed = operation(&method, &path).map(|operation| &operation["responses"]);
        let status = answer.status.as_str();
        assert!(answer.status.as_u16() < 500, "{text:?}: {status} {}", answer.text());
        assert!(allowed.is_none_or(|allowed| allowed.get(status).is_some()), "{text:?}: {status} {}", answer.text());
        assert_is_ours(&method, &answer);
    }

    fn request(&self, text: &str) -> Option<Request<axum::body::Body>> {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let (method, address) = lines.next()?.split_once(' ')?;
        let uri: http::Uri = address.parse().ok().filter(|uri: &http::Uri| uri.path().starts_with('/'))?;
        let mut request = Request::builder().method(method.parse::<Method>().ok()?).uri(uri);
        for line in lines {
            let (name, value) = line.split_once(": ")?;
            if name == "by" {
                let person = self.people.iter().find(|person| person.user.username == value)?;
                request = request.header(header::AUTHORIZATION, format!("Bearer {}", person.token));
            } else {
                request = request.header(name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?);
            }
        }
        request.body(axum::body::Body::from(body.to_owned())).ok()
    }
}

/// Asserts that an answer has what every answer has, and shows no internals.
fn assert_is_ours(method: &Method, answer: &Answer) {
    assert!(!answer.header("x-request-id").is_empty());
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let status = answer.status.as_u16();
    if status >= 400 && method != Method::HEAD {
        answer.problem(status);
    }
    match status {
        401 => assert_eq!(answer.header("www-authenticate"), "Bearer"),
        405 => assert!(!answer.header("allow").is_empty()),
        429 => assert!(!answer.header("retry-after").is_empty()),
        _ => {}
    }
    let text = answer.text();
    for inside in [SECRET, "$argon2", "password_hash", "ValidationException", "panicked"] {
        assert!(!text.contains(inside), "{inside}: {text}");
    }
}
