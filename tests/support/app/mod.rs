//! The application in one process: every router, the worker, and stores in a temporary folder. It opens no sockets, and its clock
//! moves only when a test moves it.

mod call;
mod contract;
mod outage;
mod pausing;
mod people;
mod started;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use api::{layers, routes::Route};
use axum::Router;
use jiff::{SignedDuration, Timestamp};
use local::embedded::{Credentials, EmbeddedStores, Options};
use runner::execute::{Executed, Worker};
use shared::{
    auth::{secret::Secret, token::Tokens},
    clock::Clock,
    engine::Tuning,
    tape::request::ReadingRequest,
};
use stores::{
    config::Environment,
    resources::{MAX_ANSWER_BYTES_ON_LAMBDA, Resources},
    runs::TapeRef,
    start_run::{Wanted, find_tapes},
    storage::{StorageBackend as _, stream_of},
};
use tempfile::TempDir;

pub use self::{
    call::{Answer, form_of},
    contract::{document, misfit, operation, resolved},
    outage::{Asked, Fault, INSIDE, Outage, Recorded, with_retries, without_ids},
    pausing::{Interleaved, Pausing},
    people::{PASSWORD, Person},
    started::{Tape, documented, each, members},
};

/// The base URL of the bucket in presigned URLs. No server listens there.
pub const ADDRESS: &str = "http://127.0.0.1:8000";
/// The secret that signs tokens.
pub const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A clock that a test moves.
pub struct TestClock(Mutex<Timestamp>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl TestClock {
    /// Moves the clock. A negative duration moves it back.
    pub fn advance(&self, by: SignedDuration) {
        *self.0.lock().unwrap() += by;
    }
}

/// The application under test.
pub struct TestApp {
    /// The table, the bucket and the other resources.
    pub resources: Resources,
    /// The clock of the routers, the worker and the stores.
    pub clock: Arc<TestClock>,
    /// Executes the runs.
    pub worker: Worker,
    pub routes: Vec<Route>,
    /// Makes the table fail.
    pub table_outage: Outage,
    /// Makes the bucket fail.
    pub bucket_outage: Outage,
    /// Pauses an operation between its requests to the stores.
    pub pausing: Pausing,
    router: Router,
    bucket: Router,
    folder: Arc<TempDir>,
}

/// The part of the OpenAPI document that each function contributes. The later parts are merged into the first one.
impl TestApp {
    /// The application without users, on Monday, 2 February 2026.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same, with a change to its resources before it starts.
    pub async fn with(change: impl FnOnce(&mut Resources)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock(Mutex::new("2026-02-02T10:00:00Z".parse().unwrap())));
        let options = Options {
            durable: false,
            bucket: "loans".to_owned(),
            credentials: Credentials::random(),
            watched_prefix: "inputs/".to_owned(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
        };
        let stores = EmbeddedStores::open(folder.path(), options).unwrap();
        let tokens = Tokens::new(&Secret::new(SECRET), 480);
        let time = Arc::clone(&clock) as Arc<dyn Clock>;
        let mut resources = stores.resources(ADDRESS, tokens, Environment::Test, time).await.unwrap();
        let (table_outage, bucket_outage) = outage::outages(&mut resources);
        let pausing = pausing::pausing(&mut resources);
        change(&mut resources);
        let worker = Worker::new(&resources, Tuning { threads: 2, block_bytes: 64 * 1024 });
        let api = local::api(&resources);
        let routes = api.table.clone();
        let (router, bucket, folder) = (layers::serve(api), stores.s3.router(), Arc::new(folder));
        Self { resources, clock, worker, routes, table_outage, bucket_outage, pausing, router, bucket, folder }
    }

    /// Restarts the application on the same stores, with a change to its resources: nothing remains in memory. The clock and the
    /// switches stay the same.
    pub fn started_anew(&self, change: impl FnOnce(&mut Resources)) -> Self {
        let mut resources = self.resources.clone();
        change(&mut resources);
        let worker = Worker { distribution: self.worker.distribution, ..Worker::new(&resources, self.worker.tuning) };
        let api = local::api(&resources);
        Self {
            clock: Arc::clone(&self.clock),
            worker,
            routes: api.table.clone(),
            table_outage: self.table_outage.clone(),
            bucket_outage: self.bucket_outage.clone(),
            pausing: self.pausing.clone(),
            router: layers::serve(api),
            bucket: self.bucket.clone(),
            folder: Arc::clone(&self.folder),
            resources,
        }
    }

    /// The OpenAPI document, generated from the code.
    pub fn fresh_document(&self) -> serde_json::Value {
        let api = local::api(&self.resources);
        api::document::complete(api.document(), &api.table).unwrap()
    }

    /// The application on the same stores as it runs on Lambda, where the size of an answer is limited.
    pub fn on_lambda(&self) -> Self {
        self.started_anew(|resources| resources.max_answer_bytes = Some(MAX_ANSWER_BYTES_ON_LAMBDA))
    }

    /// The folder of the stores.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stores a file in the bucket.
    pub async fn put(&self, key: &str, bytes: impl Into<bytes::Bytes>) {
        self.resources.storage.put(key, stream_of(bytes), "text/csv", u64::MAX).await.unwrap();
    }

    /// The tapes in a folder of the bucket.
    pub async fn tapes_of(&self, folder: &str) -> Vec<TapeRef> {
        tapes_of(&self.resources, folder).await
    }

    /// Every object below a folder of the bucket: its key and its bytes.
    pub async fn objects(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let mut objects = BTreeMap::new();
        for entry in self.resources.storage.list(folder, true).await.unwrap().into_iter().filter(|entry| entry.file.is_some()) {
            let download = self.resources.storage.get(&entry.key, None, None).await.unwrap();
            objects.insert(entry.key, stores::storage::collect(download.body, usize::MAX).await.unwrap());
        }
        objects
    }

    /// A file of the bucket as text.
    pub async fn text(&self, key: &str) -> String {
        let download = self.resources.storage.get(key, None, None).await.unwrap();
        String::from_utf8(stores::storage::collect(download.body, usize::MAX).await.unwrap()).unwrap()
    }

    /// Executes the runs that wait for a worker (at most 100), as the worker does.
    pub async fn work(&self) -> Vec<Executed> {
        let mut ended = Vec::new();
        for run in self.worker.runs.waiting(self.clock.now(), 100).await.unwrap() {
            ended.push(self.worker.execute(run.run_id).await.unwrap());
        }
        ended
    }
}

/// The tapes in a folder of a bucket.
pub async fn tapes_of(resources: &Resources, folder: &str) -> Vec<TapeRef> {
    let wanted = Wanted::Folder(String::new());
    find_tapes(&resources.storage, folder, &wanted, &[], ReadingRequest::default()).await.unwrap().tapes
}
