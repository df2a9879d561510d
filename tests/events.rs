//! Every payload in `events/` has the effect on the real handler that its name says.

use std::{collections::BTreeSet, fs, path::Path};

use api::{
    layers,
    routes::{Access, Api},
};
use axum::Router;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt as _;
use local::FUNCTIONS;
use runner::{events::Event, execute::Distribution};
use serde_json::{Value, json};
use shared::{
    auth::{
        permission::Role,
        user::{SalesTeam, User},
    },
    run::RunStatus,
};
use stores::{
    jobs::{JobFound, JobRequest},
    resources::Resources,
    runs::Created,
    start_run::{self, RunOrder},
    storage::StorageBackend as _,
};
use tower::ServiceExt as _;
use uuid::{Uuid, uuid};

use crate::support::app::{Person, Tape, TestApp};

/// The ids that the files use for things that exist.
const RUN: Uuid = uuid!("5f0c8d1e-3a77-4b52-9c1e-2f6d8a90b3c4");
const TEAM: Uuid = uuid!("8d3f6a52-0b1c-4e7d-a9f4-61c2b7e5d083");
const USER: Uuid = uuid!("c1a7e9b4-52d8-4f36-8e0b-97f3d2a6c518");

/// The requests of API Gateway, in one folder per function, with the status that a logged-in administrator gets.
const REQUESTS: &[(&str, u16)] = &[
    ("auth/get_me.json", 200),
    ("auth/list_users.json", 200),
    ("auth/log_in.json", 200),
    ("auth/log_in_with_a_wrong_password.json", 401),
    ("auth/log_in_with_json.json", 200),
    ("auth/register_user.json", 201),
    ("auth/update_me.json", 200),
    ("auth/update_user.json", 200),
    ("data/ask_what_if.json", 200),
    ("data/create_sales_team.json", 201),
    ("data/export_exceptions.json", 200),
    ("data/export_loans.json", 200),
    ("data/get_compare.json", 202),
    ("data/get_config.json", 200),
    ("data/get_loan_history.json", 200),
    ("data/get_reasons.json", 200),
    ("data/get_report.json", 200),
    ("data/get_purchase_advice.json", 200),
    ("data/get_seller_return.json", 202),
    ("data/get_summary.json", 200),
    ("data/list_exceptions.json", 200),
    ("data/list_loans.json", 200),
    ("data/list_sales_teams.json", 200),
    ("files/delete_file.json", 200),
    ("files/download_file.json", 200),
    ("files/get_file_url.json", 200),
    ("files/list_files.json", 200),
    ("files/make_folder.json", 200),
    ("files/upload_file.json", 200),
    ("health/get_document.json", 200),
    ("health/get_health.json", 200),
    ("health/get_readiness.json", 200),
    ("health/get_root.json", 200),
    ("health/show_docs.json", 200),
    ("pipeline/check_rule_set.json", 200),
    ("pipeline/download_archive.json", 200),
    ("pipeline/download_output.json", 200),
    ("pipeline/download_workbook.json", 200),
    ("pipeline/get_rule_set.json", 200),
    ("pipeline/get_run.json", 200),
    ("pipeline/inspect_tape.json", 200),
    ("pipeline/list_archive.json", 200),
    ("pipeline/list_outputs.json", 200),
    ("pipeline/list_runs.json", 200),
    ("pipeline/start_run.json", 202),
];

/// The notifications of S3, with the files whose runs they create.
const NOTIFICATIONS: &[(&str, &[&str])] = &[
    ("runner/file_that_is_no_tape.json", &["inputs/incoming/offer.pdf"]),
    ("runner/new_version_of_a_tape.json", &["inputs/incoming/march.csv", "inputs/incoming/march.csv"]),
    ("runner/other_prefixes.json", &[]),
    ("runner/tape_came_in.json", &["inputs/incoming/march.csv"]),
    ("runner/tape_in_parts.json", &["inputs/incoming/large.csv"]),
    ("runner/tape_of_a_team.json", &["inputs/teams/8d3f6a52-0b1c-4e7d-a9f4-61c2b7e5d083/incoming/march.csv"]),
    ("runner/tape_that_is_gone.json", &[]),
    ("runner/tape_told_twice.json", &["inputs/incoming/march.csv"]),
    ("runner/tape_with_an_encoded_name.json", &["inputs/incoming/new tapes/100% Müller+Sons.csv"]),
];

/// The objects that the notifications name, except for the one that is gone.
const OBJECTS: &[&str] = &[
    "archive/5f0c8d1e-3a77-4b52-9c1e-2f6d8a90b3c4/input/incoming/march.csv",
    "inputs/2026/incoming/march.csv",
    "inputs/incoming/large.csv",
    "inputs/incoming/march.csv",
    "inputs/incoming/new tapes/100% Müller+Sons.csv",
    "inputs/incoming/offer.pdf",
    "inputs/incoming/profile.toml",
    "inputs/march/tape 1.csv",
    "inputs/teams/7/incoming/march.csv",
    "inputs/teams/8d3f6a52-0b1c-4e7d-a9f4-61c2b7e5d083/incoming/march.csv",
    "outputs/incoming/march.csv",
];

/// The steps of the state machine that end a pending run on their own: the file, the reported end, and the status of the run
/// afterwards.
const STEPS: &[(&str, &str, RunStatus)] = &[
    ("runner/step_execute.json", "completed", RunStatus::Completed),
    ("runner/step_give_up.json", "given_up", RunStatus::Failed),
];

/// The steps of a run in parts, in order.
const STEPS_IN_PARTS: [&str; 3] = ["runner/step_plan.json", "runner/step_process.json", "runner/step_finish.json"];
/// The step of a job.
const STEP_OF_A_JOB: &str = "runner/step_make.json";
/// The id that this file uses for the job.
const JOB: &str = "0d9f3b6e-52c8-4a17-8e4b-7c1a96d2f058";
/// The id that these files use for the owner of the planned run.
const OWNER: &str = "6b9e2c74-18d5-4a3f-b0c6-d47f5e8a1923";

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("events")
}

fn text(file: &str) -> String {
    fs::read_to_string(folder().join(file)).unwrap()
}

/// An application that has what the files name: a pending run, its tape, a team, a user, and an administrator.
async fn product() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let admin = app.person("admin", Role::Admin, None).await;
    let ana = User { id: USER, username: "ana".to_owned(), email: "ana@example.com".to_owned(), ..admin.user.clone() };
    app.resources.users().create(&ana).await.unwrap();
    let team = SalesTeam { id: TEAM, name: "West".to_owned() };
    assert!(app.resources.teams().create(&team).await.unwrap());
    app.put("inputs/march/tape.csv", Tape::of_good(2).text().to_owned()).await;
    let tapes = app.tapes_of("inputs/march").await;
    let request = start_run::request(RUN, RunOrder::default(), tapes, app.resources.clock.now());
    assert_eq!(app.worker.runs.create(&request.run(), &request, None).await.unwrap(), Created::Done);
    (app, admin)
}

/// The answer of a function to a request of API Gateway.
async fn answer(api: Api, event: &str) -> (StatusCode, Bytes) {
    let request = lambda_http::request::from_str(event).unwrap();
    let router: Router = layers::serve(api);
    let answer = router.oneshot(request).await.unwrap();
    (answer.status(), answer.into_body().collect().await.unwrap().to_bytes())
}

#[test]
fn every_file_is_in_one_of_the_lists() {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let function = entry.unwrap().file_name().into_string().unwrap();
        for file in fs::read_dir(folder().join(&function)).unwrap() {
            found.insert(format!("{function}/{}", file.unwrap().file_name().to_str().unwrap()));
        }
    }
    let (requests, steps) = (REQUESTS.iter().map(|(file, _)| *file), STEPS.iter().map(|(file, ..)| *file));
    let notifications = NOTIFICATIONS.iter().map(|(file, _)| *file);
    let listed = requests.chain(notifications).chain(steps).chain(STEPS_IN_PARTS).chain([STEP_OF_A_JOB]).map(str::to_owned);
    assert_eq!(found, listed.collect());
}

#[tokio::test]
async fn every_route_has_a_request() {
    let app = TestApp::new().await;
    let keys: BTreeSet<String> = REQUESTS
        .iter()
        .map(|(file, _)| serde_json::from_str::<Value>(&text(file)).unwrap()["routeKey"].as_str().unwrap().to_owned())
        .collect();
    let routes = app.routes.iter().map(|route| format!("{} {}", route.verb, route.path.replace("{*path}", "{proxy+}")));
    assert_eq!(keys, routes.collect());
}

/// The routes of the function in whose folder a file is.
fn api_of(file: &str, resources: &Resources) -> Api {
    let (folder, _) = file.split_once('/').unwrap();
    let (_, api) = FUNCTIONS.into_iter().find(|(function, _)| *function == folder).unwrap();
    api(resources)
}

#[tokio::test]
async fn every_request_is_answered_by_the_function_of_its_folder() {
    for (file, status) in REQUESTS {
        let (app, admin) = product().await;
        app.work().await;
        let event = text(file).replace("TOKEN", &admin.token);
        let (got, body) = answer(api_of(file, &app.resources), &event).await;
        assert_eq!(got, *status, "{file}: {}", String::from_utf8_lossy(&body));
        assert!(!body.is_empty(), "{file}");
    }
}

#[tokio::test]
async fn no_request_carries_a_token_that_is_good() {
    let (app, _) = product().await;
    let public: BTreeSet<String> = app
        .routes
        .iter()
        .filter(|route| route.access == Access::Public)
        .map(|route| format!("{} {}", route.verb, route.path))
        .collect();
    for (file, _) in REQUESTS {
        let event = text(file);
        let key = serde_json::from_str::<Value>(&event).unwrap()["routeKey"].as_str().unwrap().to_owned();
        if !public.contains(&key) {
            assert_eq!(answer(api_of(file, &app.resources), &event).await.0, StatusCode::UNAUTHORIZED, "{file}");
        }
    }
}

/// The answer of the worker to an event.
async fn handled(app: &TestApp, event: &str) -> Value {
    let event: Event = serde_json::from_slice(event.as_bytes()).unwrap();
    serde_json::to_value(app.worker.handle(event).await.unwrap()).unwrap()
}

#[tokio::test]
async fn every_notification_creates_the_runs_of_its_tapes() {
    for (file, tapes) in NOTIFICATIONS {
        let (app, _) = product().await;
        for key in OBJECTS {
            app.put(key, Tape::of_good(1).text().to_owned()).await;
        }
        let etag = app.resources.storage.info(OBJECTS[0]).await.unwrap().unwrap().etag;
        let answer = handled(&app, &text(file).replace("ETAG", &etag)).await;
        let mut keys = Vec::new();
        for id in answer["created"].as_array().unwrap() {
            let id = id.as_str().unwrap().parse().unwrap();
            let request = app.worker.runs.request(id).await.unwrap().unwrap();
            assert_eq!(request.sales_team_id, tapes[0].contains("/teams/").then_some(TEAM), "{file}");
            keys.extend(app.worker.runs.tapes(&request).await.unwrap().into_iter().map(|tape| tape.key));
        }
        assert_eq!(keys, *tapes, "{file}");
        let again = handled(&app, &text(file).replace("ETAG", &etag)).await;
        assert_eq!(again, json!({"created": []}), "{file}");
    }
}

#[tokio::test]
async fn an_object_that_was_replaced_since_creates_no_run() {
    let (app, _) = product().await;
    app.put("inputs/incoming/march.csv", Tape::of_good(1).text().to_owned()).await;
    assert_eq!(handled(&app, &text("runner/tape_came_in.json")).await, json!({"created": []}));
}

#[tokio::test]
async fn every_step_ends_as_it_should() {
    for (file, ended, status) in STEPS {
        let (app, _) = product().await;
        assert_eq!(handled(&app, &text(file)).await, json!({"run_id": RUN, "ended": ended}), "{file}");
        assert_eq!(app.worker.runs.get(RUN).await.unwrap().unwrap().status, *status, "{file}");
        assert_eq!(handled(&app, &text(file)).await["ended"], "not_ours", "{file}");
    }
}

#[tokio::test]
async fn the_steps_of_a_run_in_parts_complete_it() {
    let (mut app, _) = product().await;
    app.worker.distribution = Distribution { above_bytes: 1, part_bytes: 1_000_000 };
    let [plan, process, finish] = STEPS_IN_PARTS.map(text);
    let planned = handled(&app, &plan).await;
    let owner = planned["owner"].as_str().unwrap();
    assert_eq!(planned, json!({"run_id": RUN, "next": "process", "owner": owner, "parts": [{"part": 0}]}));
    // A step is refused unless it names the owner that planned the run.
    assert_eq!(handled(&app, &finish).await["ended"], "not_ours");
    assert_eq!(handled(&app, &process.replace(OWNER, owner)).await, json!({"run_id": RUN, "part": 0}));
    assert_eq!(handled(&app, &finish.replace(OWNER, owner)).await, json!({"run_id": RUN, "ended": "completed"}));
    assert_eq!(app.worker.runs.get(RUN).await.unwrap().unwrap().total_loans, 2);
}

#[tokio::test]
async fn the_step_of_a_job_makes_its_file() {
    let (app, _) = product().await;
    app.work().await;
    let zip = JobRequest::ArchiveZip { run_id: RUN };
    let now = app.resources.clock.now();
    assert_eq!(app.resources.jobs().ask(&zip, now).await.unwrap(), JobFound::Preparing);
    let id = zip.id().to_string();
    let made = handled(&app, &text(STEP_OF_A_JOB).replace(JOB, &id)).await;
    assert_eq!(made, json!({"job_id": id, "ended": "completed"}));
    assert!(matches!(app.resources.jobs().ask(&zip, now).await.unwrap(), JobFound::Made(_)));
}

#[test]
fn a_step_that_the_worker_does_not_know_is_refused() {
    let unknown = text(STEPS_IN_PARTS[0]).replace("plan", "dream");
    assert!(serde_json::from_str::<Event>(&unknown).is_err());
}
