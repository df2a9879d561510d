//! What a log-in costs: one hash of the password, whether the user exists or not.
//!
//! `cargo bench -p local --bench log_in` prints the medians of tries in turn first, then what Criterion says of each.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench, which stops when something is amiss")]

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use criterion::Criterion;
use jiff::Timestamp;
use local::embedded::{Credentials, EmbeddedStores, Options};
use shared::{
    api::layers,
    auth::{password, permission::Role, token::Tokens, user::User},
    clock::Clock,
    config::{Environment, Secret},
    stores::users::Users,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;
use uuid::Uuid;

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

/// The endpoint on a table in memory, in which there is one user.
struct Door {
    runtime: Runtime,
    router: Router,
    clock: Arc<Hasty>,
    hash: String,
    _folder: TempDir,
}

impl Door {
    fn new() -> Self {
        let (runtime, folder) = (Runtime::new().unwrap(), tempfile::tempdir().unwrap());
        let clock = Arc::new(Hasty(AtomicI64::new(1_800_000_000)));
        let options = Options {
            durable: false,
            bucket: "loans".to_owned(),
            credentials: Credentials::random(),
            watched_prefix: "inputs/".to_owned(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
        };
        let stores = EmbeddedStores::open(folder.path(), options).unwrap();
        let tokens = Tokens::with(&Secret::new("0123456789abcdef0123456789abcdef"), 480);
        let time = Arc::clone(&clock) as Arc<dyn Clock>;
        let resources = stores.resources("http://127.0.0.1:8000", tokens, Environment::Test, time);
        let resources = runtime.block_on(resources).unwrap();
        let hash = password::hash_now("the right password").unwrap();
        let user = User {
            id: Uuid::new_v4(),
            email: "somebody@example.com".to_owned(),
            username: NAMES[0].to_owned(),
            full_name: None,
            role: Role::Analyst,
            sales_team_id: None,
            is_active: true,
            created_at: clock.now(),
            password_hash: hash.clone(),
            tokens_valid_from: 0,
            revision: 0,
        };
        runtime.block_on(Users::new(resources.table.clone()).create(&user)).unwrap();
        password::prepare();
        let router = layers::serve(auth::api(auth::State::new(&resources)));
        Self { runtime, router, clock, hash, _folder: folder }
    }

    /// A try with a wrong password.
    fn knock(&self, name: &str) {
        self.clock.0.fetch_add(15 * 60, Ordering::Relaxed);
        let request = Request::post("/api/auth/login").header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(format!(r#"{{"username":"{name}","password":"a wrong password"}}"#))).unwrap();
        let answer = self.runtime.block_on(self.router.clone().oneshot(request)).unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }

    /// A hash of a password, and nothing else.
    fn hash(&self) {
        assert!(!password::verify_now(black_box("a wrong password"), Some(&self.hash)));
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
