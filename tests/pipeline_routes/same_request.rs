//! The API compares requests with the same `Idempotency-Key` by their meaning, not by their spelling.

use http::header::HeaderName;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::Value;
use shared::auth::{permission::Role, user::SalesTeam};
use tokio::runtime::Builder;

use crate::support::app::{Answer, Person, Tape, TestApp};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Id of the team that requests name.
const TEAM: &str = "0d9a7c1e-0000-4000-8000-00000000000a";

/// Place of the purchase date among the members.
const PDATE: usize = 1;

/// The members of a request: for each member its meanings, and for each meaning its spellings. An empty spelling leaves the
/// member out.
const MEMBERS: [&[&[&str]]; 6] = [
    &[
        &["", "\"irr_target\": 8.05", "\"irr_target\":8.050", "\"irr_target\": 805e-2", "\"irr_target\": null"],
        &["\"irr_target\": 7.5", "\"irr_target\": 7.500", "\"irr_target\" : 75E-1"],
        &["\"irr_target\": 8.0500001"],
    ],
    &[
        &["", "\"pdate\": null"],
        &["\"pdate\": \"2026-03-31\"", "\"pdate\": \"2026\\u002d03-31\""],
        &["\"pdate\": \"2026-04-01\""],
    ],
    &[
        &["", "\"folder\": \"\"", "\"folder\": null", "\"folder\": \".\"", "\"files\": null"],
        &["\"folder\": \"a\"", "\"folder\": \"a/\"", "\"folder\": \"./a\"", "\"f\\u006flder\": \"\\u0061\""],
        &["\"files\": [\"x.csv\"]", "\"files\": [ \"./x.csv\" ]"],
        &["\"files\": [\"x.csv\", \"a/y.csv\"]", "\"files\": [\"x.csv\",\"a//y.csv\"]", "\"files\": [\"a/y.csv\", \"x.csv\"]"],
    ],
    &[&["", "\"rule_set\": null"], &["\"rule_set\": \"rules.toml\"", "\"rule_set\": \"./rules.toml\""]],
    &[
        &["", "\"sales_team_id\": null"],
        &[
            "\"sales_team_id\": \"0d9a7c1e-0000-4000-8000-00000000000a\"",
            "\"sales_team_id\": \"0D9A7C1E-0000-4000-8000-00000000000A\"",
        ],
    ],
    &[&["", "\"dry_run\": false", "\"dry_run\": null"], &["\"dry_run\": true"]],
];

/// Chooses a meaning for each member.
fn meaning() -> impl Strategy<Value = [usize; 6]> {
    MEMBERS.map(|meanings| 0..meanings.len())
}

/// Chooses how to write a request: a spelling for each member, the order of the members, and the whitespace between them.
fn writing() -> impl Strategy<Value = ([prop::sample::Index; 6], Vec<usize>, &'static str)> {
    let order = Just((0..6).collect::<Vec<usize>>()).prop_shuffle();
    (any::<[prop::sample::Index; 6]>(), order, prop::sample::select(&["", " ", "\n\t"][..]))
}

fn written(meaning: [usize; 6], (ways, order, space): &([prop::sample::Index; 6], Vec<usize>, &'static str)) -> String {
    let member = |at: &usize| *ways[*at].get(MEMBERS[*at][meaning[*at]]);
    let members: Vec<&str> = order.iter().map(member).filter(|member| !member.is_empty()).collect();
    format!("{space}{{{space}{}{space}}}{space}", members.join(&format!("{space},{space}")))
}

async fn start(app: &TestApp, person: &Person, key: &str, body: &str) -> Answer {
    app.post("/api/pipeline/run").by(person).header(KEY, key).body("application/json", body.to_owned()).send().await
}

/// The product with every file and team that requests name.
async fn app() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    for key in ["inputs/x.csv", "inputs/a/y.csv"] {
        app.put(key, Tape::of_good(1).text().to_owned()).await;
    }
    app.put("inputs/rules.toml", "name = \"mine\"\nversion = \"1\"\n").await;
    let team = SalesTeam { id: TEAM.parse().unwrap(), name: "West".to_owned() };
    assert!(app.resources.teams().create(&team).await.unwrap());
    (app, ana)
}

#[test]
fn another_writing_is_the_same_request_and_another_meaning_is_another() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (app, ana) = runtime.block_on(app());
    let key = std::cell::Cell::new(0);
    let config = Config { cases: 96, failure_persistence: None, ..Config::default() };
    let asked = TestRunner::new(config).run(&(meaning(), meaning(), writing(), writing()), |(meant, other, one, two)| {
        key.set(key.get() + 1);
        let key = format!("k-{}", key.get());
        let (first, again, another) = (written(meant, &one), written(meant, &two), written(other, &two));
        runtime.block_on(async {
            let run = start(&app, &ana, &key, &first).await.expect(202)["run_id"].clone();
            prop_assert_eq!(&start(&app, &ana, &key, &again).await.expect(202)["run_id"], &run, "{} {}", first, again);
            let answer = start(&app, &ana, &key, &another).await;
            // A date that is left out is the one that the first request got.
            let same = (0..MEMBERS.len()).all(|at| meant[at] == other[at] || at == PDATE && other[at] == 0);
            if same {
                prop_assert_eq!(&answer.expect(202)["run_id"], &run);
            } else {
                prop_assert_eq!(answer.problem(422), "invalid_input");
                prop_assert_eq!(&answer.json()["errors"][0]["type"], "key_reused", "{} {}", first, another);
            }
            Ok(())
        })
    });
    asked.unwrap();
}

#[tokio::test]
async fn no_body_asks_for_what_an_empty_object_asks_for() {
    let (app, ana) = app().await;
    let none = app.post("/api/pipeline/run").by(&ana).header(KEY, "k").send().await.expect(202);
    for body in ["{}", "{\"dry_run\": false, \"folder\": \"\", \"irr_target\": 8.050}"] {
        assert_eq!(start(&app, &ana, "k", body).await.expect(202)["run_id"], none["run_id"], "{body}");
    }
    let runs: Value = app.read(&ana, "/api/runs").await;
    assert_eq!(runs.as_array().map(Vec::len), Some(1), "{runs}");
    assert_eq!(runs[0]["run_id"], none["run_id"]);
}

#[tokio::test]
async fn a_date_that_is_left_out_is_the_one_that_the_first_request_got() {
    let (app, ana) = app().await;
    let first = |key: &'static str, body: &'static str| start(&app, &ana, key, body);
    let dated = first("dated", r#"{"files": ["x.csv"], "pdate": "2026-03-31"}"#).await.expect(202)["run_id"].clone();
    let today = first("today", r#"{"files": ["x.csv"]}"#).await.expect(202)["run_id"].clone();
    app.clock.advance(jiff::SignedDuration::from_hours(7));
    for (key, body, run) in [
        ("dated", r#"{"files": ["x.csv"]}"#, Some(&dated)),
        ("dated", r#"{"files": ["x.csv"], "pdate": "2026-04-01"}"#, None),
        ("today", r#"{"files": ["x.csv"], "pdate": "2026-02-02"}"#, Some(&today)),
        ("today", r#"{"files": ["x.csv"], "pdate": "2026-02-03"}"#, None),
    ] {
        let answer = start(&app, &ana, key, body).await;
        match run {
            Some(run) => assert_eq!(&answer.expect(202)["run_id"], run, "{key} {body}"),
            None => assert_eq!(answer.problem(422), "invalid_input", "{key} {body}"),
        }
    }
}
