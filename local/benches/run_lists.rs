//! Cost of a page of runs out of ten thousand: the last page costs no more than the first.
//!
//! `cargo bench -p local --bench run_lists` follows the links from the newest run to the oldest, and prints the medians of
//! the first and the last pages.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints its results and may panic on an error")]

mod opened;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use api::layers;
use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use jiff::{SignedDuration, Timestamp};
use shared::clock::Clock;
use stores::{
    runs::{Created, Runs},
    start_run::{self, RunOrder},
};
use tower::ServiceExt as _;
use uuid::Uuid;

use self::opened::Opened;

const RUNS: usize = 10_000;
/// Runs per page.
const PAGE: usize = 100;
/// How often the bench lists all runs.
const WALKS: usize = 9;
/// Pages compared at either end of the list.
const COMPARED: usize = 10;

/// A clock that does not advance.
struct Still(Timestamp);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn create_runs(opened: &Opened, now: Timestamp) {
    let runs = Runs::new(opened.resources.table.clone(), opened.resources.storage.clone());
    for at in 0..RUNS {
        let created_at = now - SignedDuration::from_secs(at as i64);
        let terms = RunOrder { created_by: Some(opened.user.id), ..RunOrder::default() };
        let request = start_run::request(Uuid::new_v4(), terms, Vec::new(), created_at);
        let created = opened.runtime.block_on(runs.create(&request.run(), &request, None)).unwrap();
        assert_eq!(created, Created::Done);
    }
}

/// Requests one page. Returns the time it took and the URL of the next page.
fn page(opened: &Opened, router: &Router, token: &str, address: &str) -> (Duration, Option<String>) {
    let request = Request::get(address).header(header::AUTHORIZATION, format!("Bearer {token}"));
    let (request, begun) = (request.body(Body::empty()).unwrap(), Instant::now());
    let answer = opened.runtime.block_on(router.clone().oneshot(request)).unwrap();
    let took = begun.elapsed();
    assert_eq!(answer.status(), StatusCode::OK);
    let links = answer.headers().get(header::LINK).map_or("", |links| links.to_str().unwrap());
    let next = links.split(", ").find_map(|link| link.strip_suffix("; rel=\"next\""));
    (took, next.map(|next| next.trim_matches(['<', '>']).to_owned()))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let opened = Opened::new(Arc::new(Still(now)));
    create_runs(&opened, now);
    let router = layers::serve(pipeline::api(&opened.resources));
    let token = opened.resources.tokens.issue(&opened.user, now).unwrap();
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for _ in 0..WALKS {
        let (mut times, mut next) = (Vec::new(), Some(format!("/api/runs?limit={PAGE}")));
        while let Some(address) = next {
            let (took, following) = page(&opened, &router, &token, &address);
            times.push(took);
            next = following;
        }
        assert_eq!(times.len(), RUNS / PAGE);
        first.extend(&times[..COMPARED]);
        last.extend(&times[times.len() - COMPARED..]);
    }
    let (first, last) = (median(first), median(last));
    let permille = last.as_micros() * 1000 / first.as_micros();
    println!("{RUNS} runs, {PAGE} a page: one of the first {COMPARED} pages takes {first:?}");
    println!("one of the last {COMPARED} takes {last:?}, {}.{} % of that", permille / 10, permille % 10);
}
