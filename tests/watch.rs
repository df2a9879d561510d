//! The settings for `cargo lambda watch`: which function answers which path, and in which environment.

use std::collections::BTreeMap;

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

/// The function that owns each front: the one with most of its routes.
fn owners(app: &TestApp) -> BTreeMap<String, &'static str> {
    let mut counts: BTreeMap<String, BTreeMap<&'static str, usize>> = BTreeMap::new();
    for (function, api) in FUNCTIONS {
        for route in api(&app.resources).table {
            *counts.entry(front(&route.path)).or_default().entry(function).or_default() += 1;
        }
    }
    let most = |functions: BTreeMap<&'static str, usize>| {
        let largest = *functions.values().max().unwrap();
        let mut largest = functions.into_iter().filter(|(_, count)| *count == largest);
        let owner = largest.next().unwrap().0;
        assert!(largest.next().is_none(), "two functions have as many routes of one front");
        owner
    };
    counts.into_iter().map(|(front, functions)| (front, most(functions))).collect()
}

#[tokio::test]
async fn the_router_sends_every_path_to_the_function_that_has_its_route_and_no_other() {
    let app = TestApp::new().await;
    let owners = owners(&app);
    let mut expected = BTreeMap::new();
    for (function, api) in FUNCTIONS {
        for route in api(&app.resources).table {
            let front = front(&route.path);
            if owners[&front] != function {
                // A path of another function under the front is named in full.
                expected.insert(route.path, function.to_owned());
                continue;
            }
            if front.starts_with("/api/") || front.len() < route.path.len() {
                expected.insert(format!("{front}/{{*rest}}"), function.to_owned());
            }
            expected.insert(front, function.to_owned());
        }
    }
    let workspace: toml::Table = WORKSPACE.parse().unwrap();
    let router = workspace["workspace"]["metadata"]["lambda"]["watch"]["router"].as_table().unwrap();
    let told: BTreeMap<String, String> =
        router.iter().map(|(path, function)| (path.clone(), function.as_str().unwrap().to_owned())).collect();
    assert_eq!(told, expected);
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
