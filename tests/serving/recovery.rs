//! The next start finds what a crash left. A process that gets a signal to stop finishes its run first.

use std::{fs, path::Path, sync::Arc};

use local::embedded::{Credentials, EmbeddedStores, Options};
use serde_json::json;
use shared::{
    auth::{secret::Secret, token::Tokens},
    clock::{Clock as _, SystemClock},
};
use stores::{
    StoreError,
    config::Environment,
    jobs::{JobClaim, JobFound, JobLease, JobRequest},
    keys,
    resources::Resources,
    runs::{Created, Lease, MAX_ATTEMPTS},
    start_run::{self, RunOrder},
    storage::{StorageBackend as _, StorageError, stream_of},
    throttle::Whose,
};
use uuid::Uuid;

use crate::support::{
    app::{SECRET, tapes_of},
    server::{ADMIN_PASSWORD, Server},
    shell::{HEADER, good, small_tape},
};

/// The stores in the data folder of a server, while no server uses it.
pub async fn stores(data: &Path) -> (EmbeddedStores, Resources) {
    let options = Options {
        durable: true,
        bucket: "loans".to_owned(),
        credentials: Credentials::random(),
        watched_prefix: "inputs/".to_owned(),
        clock: Arc::new(SystemClock),
    };
    let stores = EmbeddedStores::open(data, options).unwrap();
    let tokens = Tokens::new(&Secret::new(SECRET), 480);
    let resources = stores.resources("http://127.0.0.1:1", tokens, Environment::Test, Arc::new(SystemClock)).await.unwrap();
    (stores, resources)
}

fn start(folder: &Path) -> Server {
    Server::start(folder, &[("LOAN_ENGINE_ADMIN_PASSWORD", ADMIN_PASSWORD)])
}

#[tokio::test]
async fn a_run_whose_worker_died_is_taken_up_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (stores, resources) = stores(&folder.path().join("data")).await;
    resources.storage.put("inputs/tape.csv", stream_of(small_tape()), "text/csv", u64::MAX).await.unwrap();
    let tapes = tapes_of(&resources, "inputs").await;
    let request = start_run::request(Uuid::new_v4(), RunOrder::default(), tapes, SystemClock.now());
    let (runs, mut run) = (resources.runs(), request.run());
    assert_eq!(runs.create(&run, &request, None).await.unwrap(), Created::Done);
    run.start(SystemClock.now()).unwrap();
    assert!(runs.claim(&Lease::of_one(run.run_id(), Uuid::new_v4()), &run, SystemClock.now()).await.unwrap().is_some());
    drop((stores, resources, runs));
    let server = start(folder.path());
    assert_eq!(server.admin().wait_for_the_run()["run_id"], request.run_id.to_string());
}

#[tokio::test]
async fn a_job_whose_worker_died_is_taken_up_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let archived = Uuid::new_v4();
    let job = JobRequest::ArchiveZip { run_id: archived };
    {
        let (_stores, resources) = stores(&data).await;
        resources.storage.put("inputs/tape.csv", stream_of(small_tape()), "text/csv", u64::MAX).await.unwrap();
        let tapes = tapes_of(&resources, "inputs").await;
        let request = start_run::request(Uuid::new_v4(), RunOrder::default(), tapes, SystemClock.now());
        assert_eq!(resources.runs().create(&request.run(), &request, None).await.unwrap(), Created::Done);
        resources
            .storage
            .put_bytes(&format!("{}/manifest.json", keys::archive(archived)), "{}".into(), "application/json")
            .await
            .unwrap();
        assert_eq!(resources.jobs().ask(&job, SystemClock.now()).await.unwrap(), JobFound::Preparing);
        let lease = JobLease { job_id: job.id(), owner: Uuid::new_v4() };
        assert!(matches!(resources.jobs().claim(lease, SystemClock.now()).await.unwrap(), JobClaim::Ours(..)));
    }
    let server = start(folder.path());
    // The worker begins the job together with this run, and finishes it before it stops.
    server.admin().wait_for_the_run();
    assert_eq!(server.process.stop().0, Some(0));
    let (_stores, resources) = stores(&data).await;
    let JobFound::Made(file) = resources.jobs().ask(&job, SystemClock.now()).await.unwrap() else { panic!("not made") };
    assert_eq!(resources.storage.info(&file.key).await.unwrap().map(|info| info.etag), Some(file.etag));
}

#[tokio::test]
async fn a_run_that_is_given_up_leaves_no_files_of_its_tries() {
    let folder = tempfile::tempdir().unwrap();
    let (stores, resources) = stores(&folder.path().join("data")).await;
    resources.storage.put("inputs/tape.csv", stream_of(small_tape()), "text/csv", u64::MAX).await.unwrap();
    let tapes = tapes_of(&resources, "inputs").await;
    let request = start_run::request(Uuid::new_v4(), RunOrder::default(), tapes, SystemClock.now());
    let (id, runs, mut run) = (request.run_id, resources.runs(), request.run());
    assert_eq!(runs.create(&run, &request, None).await.unwrap(), Created::Done);
    run.start(SystemClock.now()).unwrap();
    for _ in 0..MAX_ATTEMPTS {
        let lease = Lease::of_one(id, Uuid::new_v4());
        assert!(runs.claim(&lease, &run, SystemClock.now()).await.unwrap().is_some());
        runs.release(&lease).await.unwrap();
    }
    // The last attempt was killed between two of its files.
    for key in [format!("outputs/{id}/purchase_tape.csv"), format!("archive/{id}/input/tape.csv")] {
        resources.storage.put_bytes(&key, "part of it".into(), "text/csv").await.unwrap();
    }
    drop((stores, resources, runs));
    let server = start(folder.path());
    let admin = server.admin();
    let run = admin.wait_for(&format!("/api/runs/{id}"), |run| run["status"] == "failed");
    assert_eq!(run["error"]["code"], "worker_lost");
    assert_eq!(admin.get("/api/files/list?area=outputs&recursive=true").expect(200)["count"], 0);
    let archive = admin.get(&format!("/api/runs/{id}/archive")).expect(200);
    assert_eq!(archive, json!({ "input": [], "output": [], "manifest": null }));
}

#[tokio::test]
async fn a_tape_that_came_in_before_a_crash_starts_its_run_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let (stores, resources) = stores(&folder.path().join("data")).await;
    resources.storage.put("inputs/incoming/tape.csv", stream_of(small_tape()), "text/csv", u64::MAX).await.unwrap();
    drop((stores, resources));
    let server = start(folder.path());
    let run = server.admin().wait_for_the_run();
    assert_eq!(run["total_loans"], 2);
    assert_eq!(server.process.stop().0, Some(0));
    // The next start does not run the tape again.
    let server = start(folder.path());
    assert_eq!(server.admin().get("/api/runs").expect(200), json!([run]));
}

#[test]
fn what_runs_is_finished_when_the_process_is_told_to_stop() {
    let (folder, server) = Server::new();
    let loans: String = (0..30_000).map(|at| good(&format!("{at:06}"))).collect();
    let admin = server.admin();
    assert_eq!(admin.put_presigned("tape.csv", format!("{HEADER}{loans}").as_bytes(), |url| url).status, 200);
    let run = admin.post("/api/pipeline/run", &[], &json!({})).expect(202);
    let path = format!("/api/runs/{}", run["run_id"].as_str().unwrap());
    admin.wait_for(&path, |run| run["status"] != "pending");
    assert_eq!(server.process.stop(), (Some(0), String::new()));
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains(r#""message":"a run has ended""#) && !log.contains("taken up again"), "{log}");
    let server = start(folder.path());
    assert_eq!(server.admin().get(&path).expect(200)["total_loans"], 30_000);
}

#[tokio::test]
async fn items_whose_time_is_over_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (stores, resources) = stores(&folder.path().join("data")).await;
    let failures = resources.failures();
    failures.add(Whose::Username("ana"), "2026-01-01T00:00:00Z".parse().unwrap()).await.unwrap();
    failures.add(Whose::Username("bob"), SystemClock.now()).await.unwrap();
    assert_eq!(stores.dynamodb.sweep_expired().unwrap(), 1);
}

#[tokio::test]
async fn a_content_that_is_lost_from_the_folder_is_an_outage_and_no_endless_search() {
    let folder = tempfile::tempdir().unwrap();
    let (_stores, resources) = stores(&folder.path().join("data")).await;
    resources.storage.put_bytes("inputs/a.csv", "a".into(), "text/csv").await.unwrap();
    for blob in fs::read_dir(folder.path().join("data/blobs")).unwrap() {
        fs::remove_file(blob.unwrap().path()).unwrap();
    }
    let got = resources.storage.get("inputs/a.csv", None, None).await.map(drop);
    assert!(matches!(got, Err(StorageError::Store(StoreError::Unavailable(_)))), "{got:?}");
}
