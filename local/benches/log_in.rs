//! What a log-in costs: one hash of the password, whether the user exists or not.
//!
//! `cargo bench -p local --bench log_in` prints the medians of tries in turn first, then what Criterion says of each.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench, which stops when something is amiss")]

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

/// How many tries of each kind the medians are of.
const TRIES: usize = 300;
/// Whose password is tried wrongly: somebody's and nobody's.
const NAMES: [&str; 2] = ["somebody", "nobody"];

/// So much time passes between two tries that no failure is held against the next one.
struct Hasty(AtomicI64);

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

/// The endpoint, with one user.
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

    /// A try with a wrong password.
    fn knock(&self, name: &str) {
        self.clock.0.fetch_add(15 * 60, Ordering::Relaxed);
        let request = Request::post("/api/auth/login").header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(format!(r#"{{"username":"{name}","password":"a wrong password"}}"#))).unwrap();
        let answer = self.opened.runtime.block_on(self.router.clone().oneshot(request)).unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }

    /// A hash of a password, and nothing else.
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

/// Tries in turn, so that whatever else the machine does is shared out alike.
fn compare(door: &Door) {
    let mut times = [const { Vec::new() }; 3];
    for turn in 0..TRIES {
        // None of them always comes after the same other one.
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
