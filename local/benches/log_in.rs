//! Cost of a log-in: one password hash, whether the user exists or not.
//!
//! `cargo bench -p local --bench log_in` first prints the medians of interleaved attempts, then Criterion's report on each kind.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints its results and may panic on an error")]

mod opened;

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use api::layers;
use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use criterion::Criterion;
use jiff::Timestamp;
use shared::{auth::password, clock::Clock};
use tower::ServiceExt as _;

use self::opened::Opened;

/// Attempts of each kind behind a median.
const TRIES: usize = 300;
/// Usernames tried with a wrong password: an existing user and an unknown one.
const NAMES: [&str; 2] = ["somebody", "nobody"];

/// A clock that each attempt moves forward, far enough that the throttle no longer counts earlier failures.
struct Hasty(AtomicI64);

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

/// The log-in endpoint with one registered user.
struct Door {
    opened: Opened,
    router: Router,
    clock: Arc<Hasty>,
}

impl Door {
    fn new() -> Self {
        let clock = Arc::new(Hasty(AtomicI64::new(1_800_000_000)));
        let opened = Opened::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let router = layers::serve(auth::api(&opened.resources));
        Self { opened, router, clock }
    }

    /// Tries to log in with a wrong password.
    fn knock(&self, name: &str) {
        self.clock.0.fetch_add(15 * 60, Ordering::Relaxed);
        let request = Request::post("/api/auth/login").header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(format!(r#"{{"username":"{name}","password":"a wrong password"}}"#))).unwrap();
        let answer = self.opened.runtime.block_on(self.router.clone().oneshot(request)).unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }

    /// Verifies one password hash, without the endpoint.
    fn hash(&self) {
        assert!(!password::verify(black_box("a wrong password"), Some(&self.opened.user.password_hash)));
    }
}

fn time(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Interleaves the kinds, so that other load on the machine affects all of them alike.
fn compare(door: &Door) {
    let mut times = [const { Vec::new() }; 3];
    for turn in 0..TRIES {
        // Vary the order, so that no kind always follows the same other kind.
        for place in 0..3 {
            let kind = if turn % 2 == 0 { (turn + place) % 3 } else { (turn + 3 - place) % 3 };
            times[kind].push(time(|| NAMES.get(kind).map_or_else(|| door.hash(), |name| door.knock(name))));
        }
    }
    let [somebody, nobody, hash] = times.map(median);
    let percent = |of: Duration, to: Duration| (of.as_micros() * 1000 / to.as_micros()) as u64;
    let shown = |permille: u64| format!("{}.{} %", permille / 10, permille % 10);
    println!("a wrong password of a user:  {somebody:?}");
    println!("a wrong password of nobody:  {nobody:?}, {} of that", shown(percent(nobody, somebody)));
    println!("one hash and nothing else:   {hash:?}, {} of that", shown(percent(hash, somebody)));
}

fn main() {
    let door = Door::new();
    compare(&door);
    let mut criterion = Criterion::default().sample_size(50).configure_from_args();
    for name in NAMES {
        criterion.bench_function(&format!("log in/{name}"), |bencher| bencher.iter(|| door.knock(name)));
    }
    criterion.bench_function("log in/one hash", |bencher| bencher.iter(|| door.hash()));
    criterion.final_summary();
}
