//! The settings for `cargo lambda watch`: which function answers which path, and in which environment.

use std::collections::{BTreeMap, BTreeSet};

use local::FUNCTIONS;
use stores::config::Config;

use crate::support::app::TestApp;

const WORKSPACE: &str = include_str!("../Cargo.toml");
const EXAMPLE: &str = include_str!("../.env.example");

/// The first segment of a path, or the first two of the API's.
fn front(path: &str) -> String {
    let segments = if path.starts_with("/api/") { 2 } else { 1 };
    path.split('/').take(segments + 1).collect::<Vec<_>>().join("/")
}

/// The routes that the settings name, each with its function.
fn told() -> BTreeMap<String, String> {
    let workspace: toml::Table = WORKSPACE.parse().unwrap();
    let router = workspace["workspace"]["metadata"]["lambda"]["watch"]["router"].as_table().unwrap();
    router.iter().map(|(path, function)| (path.clone(), function.as_str().unwrap().to_owned())).collect()
}

/// The front that two functions share: `pipeline` has the runs, `data` the questions about one of them.
const SHARED: (&str, &str) = ("/api/runs", "pipeline");

#[tokio::test]
async fn the_router_names_every_path_and_no_other() {
    let app = TestApp::new().await;
    let mut expected = BTreeMap::new();
    for (function, api) in FUNCTIONS {
        for route in api(&app.resources).table {
            let front = front(&route.path);
            if front == SHARED.0 {
                // A path of the other function is named in full; a wildcard takes the rest of the paths of a run.
                if function == SHARED.1 {
                    expected.insert(format!("{front}/{{run_id}}"), function.to_owned());
                    expected.insert(format!("{front}/{{run_id}}/{{*rest}}"), function.to_owned());
                } else {
                    expected.insert(route.path.clone(), function.to_owned());
                    continue;
                }
            } else if front.starts_with("/api/") || front.len() < route.path.len() {
                expected.insert(format!("{front}/{{*rest}}"), function.to_owned());
            }
            expected.insert(front, function.to_owned());
        }
    }
    assert_eq!(told(), expected);
}

#[tokio::test]
async fn the_router_sends_every_path_to_the_function_that_has_its_route() {
    let app = TestApp::new().await;
    let mut router = axum::Router::new();
    for (path, function) in told() {
        router = router.route(&path, axum::routing::any(move || std::future::ready(function)));
    }
    for (function, api) in FUNCTIONS {
        for route in api(&app.resources).table {
            let part = |part: &'static str| if part.starts_with('{') { "7" } else { part };
            let path: &'static str = route.path.clone().leak();
            let path = path.split('/').map(part).collect::<Vec<_>>().join("/");
            let request = http::Request::get(&path).body(axum::body::Body::empty()).unwrap();
            let answer = tower::ServiceExt::oneshot(router.clone(), request).await.unwrap();
            let told = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            assert_eq!(told, function, "{path}");
        }
    }
}

#[tokio::test]
async fn no_two_functions_share_the_front_of_a_path_but_that_of_runs() {
    let app = TestApp::new().await;
    let mut owners: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (function, api) in FUNCTIONS {
        for route in api(&app.resources).table {
            owners.entry(front(&route.path)).or_default().insert(function);
        }
    }
    assert_eq!(owners.remove(SHARED.0), Some(BTreeSet::from(["data", SHARED.1])));
    assert!(owners.values().all(|functions| functions.len() == 1), "{owners:?}");
}

#[test]
fn the_functions_are_among_what_cargo_runs_by_name() {
    let workspace: toml::Table = WORKSPACE.parse().unwrap();
    let members: Vec<&str> =
        workspace["workspace"]["default-members"].as_array().unwrap().iter().map(|m| m.as_str().unwrap()).collect();
    assert_eq!(members, ["cli", "functions/*"]);
}

#[test]
fn the_example_of_an_environment_is_a_configuration() {
    let pairs: Vec<(&str, &str)> =
        EXAMPLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')).collect();
    let look_up = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let config = Config::from_lookup(look_up).unwrap();
    assert!(config.s3_path_style);
}
