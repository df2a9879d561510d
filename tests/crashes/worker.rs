//! The AWS worker, a process whose stores are in another process, is killed in every phase and at any moment. No other worker
//! takes the run before its lease is over. Then the run is completed, and nothing shows that it had been begun before.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::File,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use jiff::SignedDuration;
use runner::execute::{Distribution, Executed};
use serde_json::{Value, json};
use shared::{
    clock::{Clock as _, SystemClock},
    error::Phase,
    manifest::MANIFEST_FILE,
    run::RunStatus,
};
use stores::{
    runs::{Created, LEASE, LEASE_IN_PARTS, RunFilter, StoredRun},
    start_run::{self, RunOrder},
    storage::{StorageBackend as _, collect, s3::S3Storage},
    table::Table,
};
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
};
use uuid::Uuid;

use crate::{
    stores_command,
    support::{
        app::TestApp,
        server::{assert_discreet, signal},
    },
};

use super::{HUNT, MANY, PHASES, SEED, dice::Dice, kills, moment::Functions, of_its_files, tape};

const PROGRAM: &str = env!("CARGO_BIN_EXE_runner-under-test");

/// The Lambda runtime API that the process calls: the events that it asks for, and its answers.
struct Lambda {
    events: Mutex<mpsc::UnboundedReceiver<Value>>,
    answers: mpsc::UnboundedSender<Value>,
}

async fn next(State(lambda): State<Arc<Lambda>>) -> impl IntoResponse {
    // A closed channel means that the test has ended, and the process with it.
    let event = lambda.events.lock().await.recv().await.unwrap_or_default();
    let headers = [("lambda-runtime-aws-request-id", "one"), ("lambda-runtime-deadline-ms", "99999999999999")];
    (headers, Json(event))
}

async fn answer(State(lambda): State<Arc<Lambda>>, answer: String) -> StatusCode {
    // The test does not wait for the answer of a process that it kills, so a failed send is ignored.
    let _ = lambda.answers.send(serde_json::from_str(&answer).unwrap());
    StatusCode::ACCEPTED
}

/// Calls a process and receives its answers.
struct Caller {
    events: mpsc::UnboundedSender<Value>,
    answers: mpsc::UnboundedReceiver<Value>,
}

impl Caller {
    async fn call(&mut self, event: Value) -> Value {
        self.events.send(event).unwrap();
        self.answers.recv().await.unwrap()
    }
}

/// A worker process.
struct Process {
    child: Child,
    caller: Caller,
    lambda: tokio::task::JoinHandle<()>,
}

impl Process {
    async fn start(folder: &Path, stores: &HashMap<String, String>, cut: Distribution) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let ((events, asked), (answers, given)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/one/response", post(answer))
            .route("/2018-06-01/runtime/invocation/one/error", post(answer))
            .with_state(Arc::new(Lambda { events: Mutex::new(asked), answers }));
        let lambda = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let log = || File::options().append(true).create(true).open(folder.join("log")).unwrap();
        let mut command = Command::new(PROGRAM);
        command.env_clear().envs(stores).envs([
            ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "runner"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769"),
            ("LOG_LEVEL", "trace"),
            ("DISTRIBUTE_ABOVE_BYTES", &cut.above_bytes.to_string()),
            ("PART_BYTES", &cut.part_bytes.to_string()),
        ]);
        let child = command.stdin(Stdio::null()).stdout(log()).stderr(log()).spawn().unwrap();
        Self { child, caller: Caller { events, answers: given }, lambda }
    }

    /// Stops the process and kills it then. Returns the phases that its threads were in.
    fn kill(self, functions: &Functions) -> BTreeSet<Phase> {
        signal(&self.child, "-STOP");
        functions.phases_of(self.child.id()).unwrap_or_default()
    }
}

impl Drop for Process {
    /// Kills the process, so that no test leaves one behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.lambda.abort();
    }
}

/// Executes all steps of a run, as the state machine does.
async fn see_through(mut call: impl AsyncFnMut(Value) -> Value, id: Uuid) -> Value {
    let planned = call(json!({"step": "plan", "run_id": id})).await;
    match planned["next"].as_str() {
        Some("execute") => call(json!({"step": "execute", "run_id": id})).await,
        Some("process") => {
            let owner = &planned["owner"];
            for part in planned["parts"].as_array().unwrap() {
                let event = json!({"step": "process", "run_id": id, "owner": owner, "part": part["part"]});
                assert_eq!(call(event).await["part"], part["part"]);
            }
            call(json!({"step": "finish", "run_id": id, "owner": owner})).await
        }
        _ => planned,
    }
}

/// The target of a kill.
#[derive(Debug, Clone, Copy)]
enum Aim {
    /// Any moment.
    Moment,
    /// A moment after this folder of the run has so many objects.
    Stored(&'static str, usize),
    /// A moment at which a thread is in one of these phases.
    Phases(&'static [Phase]),
}

/// The application on stores that are in another process.
struct Story {
    app: TestApp,
    functions: Functions,
    dice: Dice,
    hits: BTreeMap<Phase, u64>,
}

impl Story {
    async fn new(stores: &HashMap<String, String>) -> Self {
        let app = TestApp::with(|resources| {
            let name = stores["TABLE_NAME"].clone();
            resources.table = Table { client: stores_command::dynamodb(stores), name, known_users: None };
            resources.storage = S3Storage { client: stores_command::s3(stores), bucket: stores["BUCKET_NAME"].clone() };
        });
        let functions = Functions::of(Path::new(PROGRAM)).unwrap();
        Self { app: app.await, functions, dice: Dice(SEED), hits: BTreeMap::new() }
    }

    /// Sets the clock to the time of the processes plus `more`.
    fn now_and(&self, more: SignedDuration) {
        let clock = &self.app.clock;
        clock.advance(SystemClock.now().duration_since(self.app.resources.clock.now()) + more);
    }

    async fn start(&self) -> Uuid {
        let tapes = self.app.tapes_of("inputs").await;
        let request = start_run::request(Uuid::new_v4(), RunOrder::default(), tapes, self.app.resources.clock.now());
        assert_eq!(self.app.worker.runs.create(&request.run(), &request, None).await.unwrap(), Created::Done);
        request.run_id
    }

    /// Completes a run in this process.
    async fn end(&self, id: Uuid) -> Value {
        let call = async |event| {
            let handled = self.app.worker.handle(serde_json::from_value(event).unwrap()).await.unwrap();
            serde_json::to_value(handled).unwrap()
        };
        Box::pin(see_through(call, id)).await
    }

    /// The keys of all objects that contain a text in their keys.
    async fn keys(&self, text: &str) -> Vec<String> {
        let entries = self.app.resources.storage.list("", true).await.unwrap();
        entries.into_iter().filter(|entry| entry.file.is_some() && entry.key.contains(text)).map(|entry| entry.key).collect()
    }

    async fn run(&self, id: Uuid) -> StoredRun {
        self.app.worker.runs.get(id).await.unwrap().unwrap()
    }

    /// A run after its worker was killed. Requests that the worker had sent may take effect a moment later, so wait until nothing
    /// changes.
    async fn left(&self, id: Uuid) -> StoredRun {
        let mut before = (self.run(id).await, self.keys("").await);
        loop {
            let now = (self.run(id).await, self.keys("").await);
            if now.1 == before.1 && (now.0.status, now.0.attempt) == (before.0.status, before.0.attempt) {
                return now.0;
            }
            before = now;
        }
    }

    /// Counts the phases of a run at the moment at which its worker was killed. `threads` are the phases of the worker's threads.
    async fn note(&mut self, id: Uuid, threads: BTreeSet<Phase>) {
        let archived = !self.keys(&format!("archive/{id}/")).await.is_empty();
        let stored = archived || !self.keys(&format!("outputs/{id}/")).await.is_empty();
        let phases = if archived {
            BTreeSet::from([Phase::Archive])
        } else if stored {
            BTreeSet::from([Phase::Output])
        } else {
            threads
        };
        println!("{phases:?}");
        phases.into_iter().for_each(|phase| *self.hits.entry(phase).or_default() += 1);
    }

    /// Every object of a run, without the parts that contain times. The manifest has the hashes of all other objects.
    async fn stored(&self, id: Uuid) -> BTreeMap<String, Vec<u8>> {
        let id = id.to_string();
        let mut stored = BTreeMap::new();
        for key in self.keys(&id).await {
            let download = self.app.resources.storage.get(&key, None, None).await.unwrap();
            let mut bytes = collect(download.body, usize::MAX).await.unwrap();
            if key.ends_with(MANIFEST_FILE) {
                bytes = of_its_files(&bytes);
            }
            stored.insert(key.replace(&id, "ID"), bytes);
        }
        stored
    }

    /// The next target: any moment, or a phase that was hit least.
    fn aim(&mut self) -> Aim {
        if self.dice.one_in(3) {
            return Aim::Moment;
        }
        let hits = |phase: &Phase| self.hits.get(phase).copied().unwrap_or_default();
        let judging =
            || if kills() < MANY { PHASES[..5].iter().map(hits).sum() } else { PHASES[..5].iter().map(hits).min().unwrap() };
        match (judging(), hits(&Phase::Output), hits(&Phase::Archive)) {
            (judging, output, archive) if output <= judging.min(archive) => Aim::Stored("outputs", 1),
            // On a busy machine the worker may reach its archive late, and end the run soon after.
            (judging, _, archive) if archive <= judging => {
                if self.dice.one_in(2) {
                    Aim::Stored("archive", 1)
                } else {
                    Aim::Stored("outputs", 4)
                }
            }
            _ if kills() < MANY => Aim::Phases(&PHASES[..5]),
            _ => {
                let least = (0..5).min_by_key(|at| hits(&PHASES[*at])).unwrap();
                Aim::Phases(&PHASES[least..=least])
            }
        }
    }

    /// Waits until the target of a kill is reached.
    async fn approach(&mut self, process: &Child, aim: Aim, id: Uuid, takes: Duration) {
        let begun = Instant::now();
        match aim {
            Aim::Moment => tokio::time::sleep(self.dice.micros(takes.as_micros() as u64)).await,
            Aim::Stored(folder, count) => {
                let folder = format!("{folder}/{id}");
                while self.app.resources.storage.list(&folder, true).await.unwrap().len() < count && begun.elapsed() < HUNT {}
                tokio::time::sleep(self.dice.micros(15_000)).await;
            }
            Aim::Phases(wanted) => {
                // Let the process start: on a busy machine, a process that is stopped again and again gets nowhere.
                while self.run(id).await.status == RunStatus::Pending && begun.elapsed() < HUNT {}
                let begun = Instant::now();
                while begun.elapsed() < HUNT {
                    signal(process, "-STOP");
                    let phases = self.functions.phases_of(process.id()).unwrap_or_default();
                    if wanted.iter().any(|phase| phases.contains(phase)) {
                        return;
                    }
                    signal(process, "-CONT");
                    tokio::time::sleep(self.dice.micros(1_000)).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_run_whose_worker_is_killed_is_ended_by_the_next_one_and_by_nobody_before_its_lease_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let (process, stores) = stores_command::start(folder.path());
    let mut story = Story::new(&stores).await;
    let tape = tape(if kills() < MANY { 1_000 } else { 6_000 });
    let whole = story.app.worker.distribution;
    let in_parts = Distribution { above_bytes: 1, part_bytes: tape.len() as u64 / 4 };
    story.app.put("inputs/long.csv", tape).await;

    // The objects that undisturbed runs leave.
    let (mut expected, mut takes) = (BTreeMap::new(), Duration::ZERO);
    for cut in [in_parts, whole] {
        story.now_and(SignedDuration::ZERO);
        let id = story.start().await;
        let mut worker = Process::start(folder.path(), &stores, cut).await;
        let begun = Instant::now();
        let ended = see_through(async |event| worker.caller.call(event).await, id).await;
        assert_eq!(ended["ended"], "completed", "{ended}");
        takes = takes.max(begun.elapsed());
        worker.kill(&story.functions);
        let stored = story.stored(id).await;
        assert!(expected.is_empty() || stored == expected);
        expected = stored;
    }

    let missed = |story: &Story| {
        let hit = |phases: &[Phase]| phases.iter().filter(|phase| story.hits.contains_key(phase)).count();
        hit(&PHASES[..5]) < if kills() < MANY { 1 } else { 5 } || hit(&PHASES[5..]) < 2
    };
    let (rounds, mut round, mut interrupted) = (kills().div_ceil(2), 0, 0);
    while round < rounds || (missed(&story) && round < rounds + 60) {
        let (cut, lease) = if round % 2 == 0 { (whole, LEASE) } else { (in_parts, LEASE_IN_PARTS) };
        story.app.worker.distribution = cut;
        story.now_and(SignedDuration::ZERO);
        let id = story.start().await;
        let mut worker = Process::start(folder.path(), &stores, cut).await;
        let aim = story.aim();
        round += 1;
        print!("kill {round}, aimed at {aim:?}: ");
        let (child, caller) = (&worker.child, &mut worker.caller);
        let told = tokio::select! {
            ended = see_through(async |event| caller.call(event).await, id) => Some(ended),
            () = story.approach(child, aim, id, takes) => None,
        };
        let threads = worker.kill(&story.functions);

        let found = story.left(id).await;
        let begun = found.status == RunStatus::Running;
        if begun {
            story.note(id, threads).await;
            // The worker renewed its lease at most two seconds ago, or a little longer on a busy machine.
            for after in [SignedDuration::ZERO, lease - SignedDuration::from_secs(20)] {
                story.now_and(after);
                assert_eq!(story.app.worker.execute(id).await.unwrap(), Executed::NotOurs);
            }
            story.now_and(lease + SignedDuration::from_secs(1));
        } else {
            println!("{}", found.status.as_str());
        }
        interrupted += u32::from(begun);
        // If the worker has answered, the run is completed, as the answer says.
        let completed = found.status == RunStatus::Completed;
        assert!(told.is_none_or(|told| completed && told["ended"] == "completed"), "{}", found.status.as_str());
        assert_eq!(story.end(id).await["ended"], if completed { "not_ours" } else { "completed" });
        let run = story.run(id).await;
        assert_eq!((run.status, run.attempt), (RunStatus::Completed, 1 + u32::from(begun)));
        let mut stored = story.stored(id).await;
        if completed {
            // The kill may have come after the end of the run and before the worker removed the intermediate data of its steps.
            // Nothing refers to these objects, and the bucket's lifecycle rule for results removes them.
            stored.retain(|key, _| !key.contains("/parts/"));
        }
        assert_eq!(stored.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        assert!(stored == expected, "{id} is another run than undisturbed");
    }
    let (runs, more) = story.app.worker.runs.list(RunFilter::default(), None, 0, 1_000).await.unwrap();
    assert_eq!((runs.len() as u64, more), (round + 2, false));
    println!("{round} kills of a worker, {interrupted} of them in a run: {:?}", story.hits);
    assert!(!missed(&story), "phases that no kill has hit: {:?}", story.hits);
    assert_eq!(process.stop().0, Some(0));
    assert_discreet(folder.path());
}
