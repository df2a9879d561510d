//! Requests to the API while one call fails.

use std::{
    collections::BTreeSet,
    io::{Cursor, Read as _},
};

use api::routes::{Access, Verb};

use crate::{
    outages::{Scene, assert_unavailable, requests::Wanted},
    support::app::{Answer, Asked, Fault, TestApp},
};

use super::{
    Disturbance, Store, Tried, Way, all, calls_of,
    requests::Stage,
    state::{State, cut_out, differences},
};

/// What the stores may hold in addition to the effect of a request, each with the reason why it does no harm.
const LEFTOVERS: [(&str, &str); 8] = [
    ("object answers/", "An answer that no client fetches: the bucket's rule, and the sweeper of `serve`, remove it in a day."),
    (
        "object requests/",
        "The tapes of a run that did not come into being: the bucket's rule, and the sweeper of `serve`, remove it.",
    ),
    ("/rule_set.json ", "The rule set of a run that did not come into being: as its tapes."),
    ("/archive.zip ", "An archive as a ZIP, whole: what it is made of never changes, and the next who asks is given it."),
    ("/decision_workbook.xlsx ", "A decision workbook, whole: as the archive."),
    ("item TRIED_OUT ", "What the table is tried out by: it is always the same, and the next who asks writes it again."),
    ("object health/tried_out ", "The same of the bucket."),
    ("item FAILURES#", "A failed log-in that was counted for the name and not yet for the address: no try goes uncounted."),
];

/// The status that tells a repeating client that its first request took effect, for routes whose second answer differs from the
/// first.
const DONE_BEFORE: [(&str, u16); 6] = [
    ("POST /api/auth/register", 409),
    ("POST /api/sales-teams", 409),
    ("DELETE /api/files/{*path}", 404),
    // The answer says that the folder exists.
    ("POST /api/files/mkdir", 200),
    // A change of the own password invalidates the token.
    ("PUT /api/auth/users/{user_id}", 401),
    ("PUT /api/auth/me", 401),
];

/// The part of an answer that is the same each time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Essence {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Essence {
    fn of(answer: &Answer, before: &State) -> Self {
        const HEADERS: [&str; 8] = [
            "allow",
            "cache-control",
            "content-disposition",
            "content-type",
            "link",
            "location",
            "www-authenticate",
            "x-total-count",
        ];
        let lasting = |text: &str| {
            let text = before.without_new_ids(text);
            // URLs are signed for a moment, tokens have unique ids, and latencies always differ.
            let cuts = [("X-Amz-", '"'), ("\"access_token\":\"", '"'), ("\"latency_ms\":", '}')];
            cuts.into_iter().fold(text, |text, (from, to)| cut_out(&text, from, &[to]))
        };
        let body = match std::str::from_utf8(&answer.bytes) {
            Ok(text) => lasting(text).into_bytes(),
            Err(_) => unpacked(&answer.bytes).unwrap_or_else(|| answer.bytes.to_vec()),
        };
        Self { status: answer.status.as_u16(), headers: HEADERS.map(|name| (name, lasting(answer.header(name)))).into(), body }
    }
}

/// The files of a whole archive or workbook, without the content of the file that says when a workbook was made.
fn unpacked(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut all = Vec::new();
    for at in 0..archive.len() {
        let mut file = archive.by_index(at).ok()?;
        let name = file.name().ok()?.into_owned();
        all.extend_from_slice(name.as_bytes());
        if name != "docProps/core.xml" {
            file.read_to_end(&mut all).ok()?;
        }
    }
    Some(all)
}

fn but_leftovers(told: &BTreeSet<String>) -> BTreeSet<&String> {
    told.iter().filter(|line| !LEFTOVERS.iter().any(|(what, _)| line.contains(what))).collect()
}

/// Sends a request, and then sends it again and again while each of its calls fails in each of the ways.
async fn ask(stage: &Stage, before: &State, wanted: &Wanted, ways: &[Way], which: fn(&Asked) -> bool, tried: &mut Tried) {
    let Scene { app, root, .. } = &stage.scene;
    let calm = app.started_anew(|_| {});
    let (answer, calls) = calls_of(&calm, wanted.send_anyway(&calm, root)).await;
    assert!(!answer.broken_off && answer.status.as_u16() < 500, "{}: {}", wanted.name(), answer.text());
    let (whole, bytes) = (Essence::of(&answer, before), answer.bytes);
    let now = State::of(app).await;
    let effect = now.since(before);
    before.bring_back(app, &now).await;
    assert_eq!(State::of(app).await.since(before), BTreeSet::new());
    let name = format!("{}: {} {}", tried.calls.len(), wanted.name(), whole.status);
    tried.calls.insert(name, calls.made.len());
    let calls: Vec<_> = calls.made.into_iter().filter(|(_, asked)| which(asked)).collect();
    for disturbance in Disturbance::each(&calls, ways) {
        let what = format!("{}: {disturbance:?}", wanted.name());
        let product = disturbance.way.product(app);
        disturbance.begin(&product);
        let answer = wanted.send_anyway(&product, root).await;
        let (failed, changed) = disturbance.end(&product);
        assert!(failed > 0, "the call was not made: {what}");
        tried.faults += failed;
        let now = if changed { State::of(app).await } else { before.clone() };
        let found = now.since(before);
        let route = format!("{} {}", wanted.verb, wanted.route);
        let told_again = |answer: &Answer| DONE_BEFORE.contains(&(route.as_str(), answer.status.as_u16()));
        let (all, nothing) = (but_leftovers(&found) == but_leftovers(&effect), but_leftovers(&found).is_empty());
        assert!(all || nothing, "half of it: {what}\n{}", differences(&found, &effect));
        // The second try of the client may find the effect of its first try.
        let told = all && !effect.is_empty() && disturbance.way.takes_effect() && told_again(&answer);
        let answered = told || Essence::of(&answer, before) == whole;
        if answered {
            assert!(all && found.is_superset(&effect), "nothing of it: {what}\n{}", differences(&found, &effect));
            tried.unnoticed += 1;
        } else if answer.broken_off {
            // The head of the answer had been sent when the store stopped in the middle of a file.
            assert_eq!(disturbance.way.fault(), Fault::CutShort, "{what}");
            assert_eq!(answer.status.as_u16(), whole.status, "{what}");
            assert!(answer.bytes.len() < bytes.len() && bytes.starts_with(&answer.bytes), "{what}");
            tried.refused += 1;
        } else if wanted.route == "/health/ready" {
            assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "2"), "{what}: {}", answer.text());
            tried.refused += 1;
        } else {
            assert_unavailable(&answer, &what);
            // The client gets no error for work that was done, unless the application could not know that it was done.
            assert!(nothing || disturbance.way.takes_effect(), "all of it: {what}");
            tried.refused += 1;
        }
        if matches!(disturbance.way, Way::FirstTry(_)) {
            let text = answer.text();
            assert!(answered || disturbance.nobody_can_know(), "the second try did not make up for the first: {what}: {text}");
        }
        let (again, calls) = calls_of(&product, wanted.send_anyway(&product, root)).await;
        let now = if calls.changed { State::of(app).await } else { now };
        let found = now.since(before);
        let done_before = !effect.is_empty() && all && told_again(&again);
        assert!(done_before || Essence::of(&again, before) == whole, "not healed: {what}: {} {}", again.status, again.text());
        let healed = but_leftovers(&found) == but_leftovers(&effect) && found.len() >= effect.len();
        assert!(healed, "not healed: {what}\n{}", differences(&found, &effect));
        before.bring_back(app, &now).await;
    }
}

/// Calls [`ask`] for each of some requests.
async fn ask_all(stage: &Stage, all: &[Wanted], ways_of: impl Fn(&Wanted) -> &'static [Way], which: fn(&Asked) -> bool) -> Tried {
    let before = State::to_keep(&stage.scene.app).await;
    let mut tried = Tried::default();
    for wanted in all {
        ask(stage, &before, wanted, ways_of(wanted), which, &mut tried).await;
    }
    tried
}

#[tokio::test]
async fn every_call_of_every_read_fails_once() {
    let stage = Stage::new().await;
    ask_all(&stage, &stage.reads(), |_| Way::of_reads(), |_| true).await.at_least(57, 190, 1_131);
}

#[tokio::test]
async fn every_call_of_every_write_fails_once() {
    let stage = Stage::for_writes().await;
    // Hashing a password is slow on purpose.
    let hashes = |wanted: &Wanted| wanted.route == "/api/auth/login" || wanted.route == "/api/auth/register";
    let ways = |wanted: &Wanted| if hashes(wanted) { Way::few() } else { &Way::ALL };
    ask_all(&stage, &stage.writes(), ways, |_| true).await.at_least(29, 99, 988);
}

#[tokio::test]
async fn every_call_that_stores_something_in_parts_fails_once() {
    let mut stage = Stage::for_writes().await;
    // On Lambda a large export goes to the bucket.
    stage.scene.app = stage.scene.app.on_lambda();
    let large = stage.large().await;
    ask_all(&stage, &large, |_| Way::few(), |asked| all() || asked.belongs_to_an_upload()).await.at_least(2, 14, 24);
}

/// The routes that call no store.
const WITHOUT_STORES: [&str; 4] = ["/", "/health", "/openapi.json", "/docs"];

#[tokio::test]
async fn every_route_that_asks_a_store_is_asked() {
    let stage = Stage::new().await;
    let app: &TestApp = &stage.scene.app;
    let all: Vec<Wanted> = stage.reads().into_iter().chain(stage.writes()).collect();
    for route in &app.routes {
        let wanted = all.iter().find(|wanted| (wanted.verb, wanted.route) == (route.verb, &route.path));
        let wanted = wanted.unwrap_or_else(|| panic!("{} {} is missing", route.verb, route.path));
        let (_, calls) = calls_of(app, wanted.send_anyway(app, &stage.scene.root)).await;
        let none = WITHOUT_STORES.contains(&route.path.as_str()) && (route.verb, route.access) == (Verb::Get, Access::Public);
        assert_eq!(calls.made.is_empty(), none, "{} {}", route.verb, route.path);
    }
    assert_eq!(Store::Table.outage(app).end() + Store::Bucket.outage(app).end(), 0);
}
