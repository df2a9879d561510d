//! Times in answers and in records have one format, which sorts as text.

use std::{collections::BTreeSet, io::Cursor};

use calamine::{Reader as _, Xlsx};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::auth::permission::Role;
use stores::{
    keys::{self, DOC},
    table::{ItemUpdate, json_of, text},
};

use crate::support::app::{PASSWORD, Tape, TestApp, document};

/// Whether a time has the common format.
fn is_exact(time: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd.dddZ";
    time.len() == pattern.len()
        && time.chars().zip(pattern.chars()).all(|(c, wanted)| if wanted == 'd' { c.is_ascii_digit() } else { c == wanted })
}

/// Collects the times in a value, each with the name of its member.
fn times(value: &Value, name: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) if text.contains('T') && text.parse::<Timestamp>().is_ok() => {
            found.push((name.to_owned(), text.clone()));
        }
        Value::Array(items) => items.iter().for_each(|item| times(item, name, found)),
        Value::Object(members) => members.iter().for_each(|(name, member)| times(member, name, found)),
        _ => {}
    }
}

/// Names of the members that the OpenAPI document declares as times.
fn documented() -> BTreeSet<String> {
    let document = serde_json::to_value(document()).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap().values();
    let properties = schemas.filter_map(|schema| schema["properties"].as_object()).flatten();
    properties.filter(|(_, property)| property["format"] == "date-time").map(|(name, _)| name.clone()).collect()
}

#[tokio::test]
async fn every_time_in_every_answer_has_three_decimals() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    app.clock.advance(SignedDuration::from_millis(299));
    let id = app.ended(&root, &Tape::new().with("A", &[("credit_score", "500")])).await;
    let failed = app.ended(&root, &Tape::new()).await;
    let mut found = Vec::new();
    for path in [
        "/health",
        "/health/ready",
        "/api/auth/me",
        "/api/auth/users",
        "/api/runs",
        &format!("/api/runs/{id}"),
        &format!("/api/runs/{failed}"),
        &format!("/api/runs/{id}/notebook-outputs"),
        &format!("/api/runs/{id}/archive"),
        &format!("/api/summary/{id}"),
        "/api/exceptions",
        "/api/files/list?recursive=true",
        "/api/files/list?recursive=true&area=outputs",
    ] {
        let before = found.len();
        times(&app.read(&root, path).await, "", &mut found);
        assert!(found.len() > before || path.contains("summary"), "{path}");
    }
    let log_in = json!({"username": "root", "password": PASSWORD});
    times(&app.post("/api/auth/login").json(&log_in).send().await.expect(200), "", &mut found);
    let path = app.put_tape(&root, &Tape::of_good(1)).await;
    times(&app.start(&root, &json!({"files": [path]})).await.expect(202), "", &mut found);
    for (name, time) in &found {
        assert!(is_exact(time), "{name}: {time}");
    }
    assert_eq!(found.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>(), documented());
    let csv = app.get("/api/exceptions/export").by(&root).send().await.text();
    let created = csv.lines().nth(1).unwrap().rsplit(',').next().unwrap();
    assert!(is_exact(created), "{created}");
    let xlsx = app.get("/api/exceptions/export?format=xlsx").by(&root).send().await.bytes;
    let sheet = Xlsx::new(Cursor::new(xlsx)).unwrap().worksheet_range("Exceptions").unwrap();
    let created = sheet.rows().nth(1).unwrap().last().unwrap().to_string();
    assert!(is_exact(&created), "{created}");
}

#[tokio::test]
async fn every_time_in_a_stored_record_has_three_decimals() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    let id = app.ended(&root, &Tape::of_good(1)).await.parse().unwrap();
    let mut found = Vec::new();
    for key in [keys::run(id), keys::run_request(id), keys::user(root.user.id)] {
        let item = app.resources.table.get(&key).await.unwrap().unwrap();
        times(&serde_json::from_str(&json_of(&item).unwrap()).unwrap(), "", &mut found);
    }
    assert_eq!(found.len(), 5);
    assert!(found.iter().all(|(_, time)| is_exact(time)), "{found:?}");
}

#[tokio::test]
async fn records_of_before_are_read_and_shown_as_all_are() {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    let id = app.ended(&root, &Tape::of_good(1)).await;
    let now = app.read(&root, &format!("/api/runs/{id}")).await;
    for key in [keys::run(id.parse().unwrap()), keys::run_request(id.parse().unwrap()), keys::user(root.user.id)] {
        let item = app.resources.table.get(&key).await.unwrap().unwrap();
        // Earlier versions wrote as many decimals as a time needed, or more.
        let old = json_of(&item).unwrap().replace("00.000Z\"", "00Z\"").replace("00.001Z\"", "00.001000Z\"");
        assert_ne!(old, json_of(&item).unwrap());
        let change = ItemUpdate::new(format!("SET {DOC} = :doc")).with(":doc", text(old));
        app.resources.table.update(&key, change, None).await.unwrap();
    }
    let app = app.started_anew(|_| {});
    assert_eq!(app.read(&root, &format!("/api/runs/{id}")).await, now);
    let details = ["column_mapping", "notices"].map(|name| (name.to_owned(), Value::Null));
    let listed = Value::Object(now.as_object().unwrap().clone().into_iter().chain(details).collect());
    assert_eq!(app.read(&root, "/api/runs").await, json!([listed]));
    assert!(is_exact(app.read(&root, "/api/auth/me").await["created_at"].as_str().unwrap()));
}
