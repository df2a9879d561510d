//! What a run says about itself: its tapes, its user, its decisions; and the lists that these make.

use serde_json::{Value, json};
use shared::{auth::permission::Role, run::NAMED_TAPES};
use stores::{
    keys,
    runs::{MOST_LOOKED_AT, RunFilter, RunSearch},
    start_run::{self, RunOrder},
    table::{ItemUpdate, text},
};
use uuid::Uuid;

use crate::{
    pipeline_routes::{app, team},
    support::app::{Person, Tape, TestApp, documented, each, members},
};

async fn run_of(app: &TestApp, person: &Person, id: &str) -> Value {
    app.read(person, &format!("/api/runs/{id}")).await
}

async fn ids(app: &TestApp, person: &Person, query: &str) -> Vec<String> {
    let runs = app.read(person, &format!("/api/runs{query}")).await;
    each(&runs, "run_id").into_iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_run_names_its_tapes_and_the_user_as_they_were() {
    let (app, ana) = app().await;
    let root = app.person("root", Role::Admin, None).await;
    for name in ["b.csv", "a.csv"] {
        app.put(&format!("inputs/feb/{name}"), Tape::new().good(name).text().to_owned()).await;
    }
    let expected: Vec<Value> = app
        .tapes_of("inputs/feb")
        .await
        .into_iter()
        .map(|tape| json!({"path": format!("feb/{}", tape.source_file), "size": tape.size, "etag": tape.etag}))
        .collect();
    let started = app.start(&ana, &json!({"folder": "feb"})).await.expect(202);
    assert_eq!((&started["tapes"], &started["tapes_count"]), (&json!(expected), &json!(2)));
    assert_eq!(
        (&started["created_by_username"], &started["dry_run"], &started["dispositions"]),
        (&json!("ana"), &json!(false), &Value::Null)
    );
    app.call(http::Method::PUT, &format!("/api/auth/users/{}", ana.user.id))
        .by(&root)
        .json(&json!({"username": "anna"}))
        .send()
        .await
        .expect(200);
    app.work().await;
    let run = run_of(&app, &ana, started["run_id"].as_str().unwrap()).await;
    assert_eq!((&run["tapes"], &run["created_by_username"]), (&started["tapes"], &json!("ana")));
    assert_eq!(app.read(&ana, "/api/runs").await[0]["tapes"], run["tapes"]);
    assert_eq!(documented("RunTape"), members(&run["tapes"][0]));
}

#[tokio::test]
async fn only_the_first_hundred_tapes_are_named() {
    let (app, ana) = app().await;
    for at in 0..=NAMED_TAPES {
        app.put(&format!("inputs/many/tape-{at:03}.csv"), Tape::new().good(&at.to_string()).text().to_owned()).await;
    }
    let run = app.start(&ana, &json!({"folder": "many"})).await.expect(202);
    assert_eq!((run["tapes"].as_array().map(Vec::len), &run["tapes_count"]), (Some(NAMED_TAPES), &json!(NAMED_TAPES + 1)));
    assert_eq!(run["tapes"][99]["path"], "many/tape-099.csv");
}

#[tokio::test]
async fn a_team_sees_its_tapes_by_the_paths_that_it_uses() {
    let (app, ana) = app().await;
    let (west, wes) = team(&app, "West").await;
    app.put(&format!("inputs/teams/{}/feb/a.csv", west.id), Tape::of_good(1).text().to_owned()).await;
    let started = app.start(&wes, &json!({"folder": "feb"})).await.expect(202);
    let id = started["run_id"].as_str().unwrap();
    assert_eq!(started["tapes"][0]["path"], "feb/a.csv");
    assert_eq!(run_of(&app, &wes, id).await["tapes"][0]["path"], "feb/a.csv");
    assert_eq!(app.read(&wes, "/api/runs?tape=a.csv").await[0]["tapes"][0]["path"], "feb/a.csv");
    assert_eq!(run_of(&app, &ana, id).await["tapes"][0]["path"], format!("teams/{}/feb/a.csv", west.id));
}

#[tokio::test]
async fn a_completed_run_says_what_it_decided_as_its_summary_does() {
    let (app, ana) = app().await;
    let id = app.populated_run(&ana).await;
    let (run, summary) = (run_of(&app, &ana, &id).await, app.read(&ana, &format!("/api/summary/{id}")).await);
    for (disposition, count) in [("to_purchase", 70), ("projected", 10), ("rejected", 20)] {
        let (shown, counted) = (&run["dispositions"][disposition], &summary["dispositions"][disposition]);
        assert_eq!((&shown["count"], &shown["balance"]), (&counted["count"], &counted["balance"]), "{disposition}");
        assert_eq!(shown["count"], count);
    }
    assert_eq!(documented("RunDispositions"), members(&run["dispositions"]));
    let dry = app.start(&ana, &json!({"files": [run["tapes"][0]["path"]], "dry_run": true})).await.expect(202);
    app.work().await;
    let dry = run_of(&app, &ana, dry["run_id"].as_str().unwrap()).await;
    assert_eq!((&dry["dry_run"], &dry["dispositions"]["to_purchase"]["count"]), (&json!(true), &json!(80)));
    let failed = app.ended(&ana, &Tape::new()).await;
    assert_eq!(run_of(&app, &ana, &failed).await["dispositions"], Value::Null);
}

/// Rewrites the record of a run as an earlier version stored it: without the members from `dry_run` on.
async fn make_older(app: &TestApp, id: &str) {
    let key = keys::run(id.parse().unwrap());
    let item = app.resources.table.get(&key).await.unwrap().unwrap();
    let doc = stores::table::json_of(&item).unwrap();
    let (before, rest) = doc.split_once(r#","dry_run":"#).unwrap();
    let details = &rest[rest.find(r#","column_mapping":"#).unwrap()..];
    let older = ItemUpdate::new("SET doc = :doc").with(":doc", text(format!("{before}{details}")));
    app.resources.table.update(&key, older, None).await.unwrap();
}

#[tokio::test]
async fn a_run_of_an_earlier_version_is_read_and_says_what_it_does_not_know() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::of_good(1)).await;
    let known = run_of(&app, &ana, &id).await;
    make_older(&app, &id).await;
    let older = run_of(&app, &ana, &id).await;
    assert_eq!(members(&older), members(&known));
    let unknown = ["created_by_username", "tapes", "tapes_count", "dispositions"];
    assert!(unknown.iter().all(|name| older[name].is_null()), "{older}");
    assert_eq!(
        (&older["dry_run"], &older["total_loans"], &older["column_mapping"]),
        (&json!(false), &json!(1), &known["column_mapping"])
    );
    assert_eq!(ids(&app, &ana, "?dry_run=false").await, [id.as_str()]);
    assert_eq!(ids(&app, &ana, "?created_by=me").await, [id]);
    assert_eq!(ids(&app, &ana, "?tape=csv").await, [""; 0]);
}

#[tokio::test]
async fn runs_are_listed_by_kind_user_and_tape() {
    let (app, ana) = app().await;
    let bob = app.person("bob", Role::Analyst, None).await;
    for name in ["February pool.csv", "MARCH.csv"] {
        app.put(&format!("inputs/{name}"), Tape::of_good(1).text().to_owned()).await;
    }
    let start = async |person: &Person, file: &str, dry_run: bool| {
        let run = app.start(person, &json!({"files": [file], "dry_run": dry_run})).await.expect(202);
        app.clock.advance(jiff::SignedDuration::from_millis(1));
        run["run_id"].as_str().unwrap().to_owned()
    };
    let february = start(&ana, "February pool.csv", false).await;
    let dry = start(&ana, "MARCH.csv", true).await;
    let of_bob = start(&bob, "MARCH.csv", false).await;
    for (query, expected) in [
        ("dry_run=true".to_owned(), vec![&dry]),
        ("dry_run=false".to_owned(), vec![&of_bob, &february]),
        ("created_by=me".to_owned(), vec![&dry, &february]),
        (format!("created_by={}", bob.user.id), vec![&of_bob]),
        (format!("created_by={}", Uuid::new_v4()), vec![]),
        ("tape=march".to_owned(), vec![&of_bob, &dry]),
        ("tape=Y%20POOL".to_owned(), vec![&february]),
        ("tape=inputs".to_owned(), vec![]),
        ("tape=.csv&created_by=me&dry_run=false&status=pending&run_weekday=0".to_owned(), vec![&february]),
        ("tape=march&status=failed".to_owned(), vec![]),
        ("dry_run=false&skip=1".to_owned(), vec![&february]),
    ] {
        assert_eq!(ids(&app, &ana, &format!("?{query}")).await, expected.into_iter().cloned().collect::<Vec<_>>(), "{query}");
    }
    for (query, name) in
        [("dry_run=yes", "dry_run"), ("created_by=ana", "created_by"), ("tape=", "tape"), ("tape=%20", "tape"), ("tap=x", "tap")]
    {
        let answer = app.get(&format!("/api/runs?{query}")).by(&ana).send().await;
        assert_eq!(answer.problem(422), "invalid_input", "{query}");
        assert_eq!(answer.json()["errors"][0]["loc"], json!(["query", name]), "{query}");
    }
}

#[tokio::test]
async fn filters_show_no_run_of_another_team() {
    let (app, ana) = app().await;
    let ((_, wes), (_, eve)) = (team(&app, "West").await, team(&app, "East").await);
    let of_west = app.pending(&wes, &Tape::of_good(1)).await;
    app.pending(&ana, &Tape::of_good(1)).await;
    let query = format!("?created_by={}&tape=csv&dry_run=false", wes.user.id);
    assert_eq!(ids(&app, &wes, &query).await, [of_west]);
    assert_eq!(ids(&app, &eve, &query).await, [""; 0]);
}

#[tokio::test]
async fn a_filtered_page_looks_at_two_thousand_runs_and_its_link_goes_on() {
    let (app, ana) = app().await;
    let runs = &app.worker.runs;
    let mut dry = Vec::new();
    for at in 0..MOST_LOOKED_AT + 200 {
        // The two oldest runs are dry runs, and so is one among the newest.
        let dry_run = at < 2 || at == MOST_LOOKED_AT;
        let request = start_run::request(
            Uuid::new_v4(),
            RunOrder { dry_run, ..RunOrder::default() },
            Vec::new(),
            app.resources.clock.now(),
        );
        runs.create(&request.run(), &request, None).await.unwrap();
        app.clock.advance(jiff::SignedDuration::from_millis(1));
        if dry_run {
            dry.insert(0, request.run_id.to_string());
        }
    }
    let mut next = Some("/api/runs?dry_run=true&limit=2".to_owned());
    let mut pages = Vec::new();
    while let Some(address) = next {
        let page = app.get(&address).by(&ana).send().await;
        let listed = page.expect(200);
        let found = each(&listed, "run_id").into_iter().map(|id| id.as_str().unwrap().to_owned());
        pages.push(found.collect::<Vec<_>>());
        next = page.next();
    }
    assert_eq!(pages, [vec![dry[0].clone()], vec![dry[1].clone(), dry[2].clone()]]);
    // What is skipped is counted over all pages.
    let first = app.get("/api/runs?dry_run=true&skip=2").by(&ana).send().await;
    assert_eq!(first.expect(200), json!([]));
    assert_eq!(each(&app.read(&ana, &first.next().unwrap()).await, "run_id"), [dry[2].as_str()]);
    let search = RunSearch { filter: RunFilter::default(), dry_run: Some(true), ..RunSearch::default() };
    let (none, place) = runs.search(&search, None, 3, 1).await.unwrap();
    assert_eq!((none.len(), place.map(|place| place.2)), (0, Some(2)));
}
