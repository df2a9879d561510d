//! `Idempotency-Key`: a request that is sent twice makes one run.

use futures_util::future::join_all;
use http::header::HeaderName;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::auth::permission::Role;

use crate::{
    pipeline_routes::{app, runs, starting::one_tape},
    support::app::{Answer, Person, TestApp},
};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

async fn start(app: &TestApp, person: &Person, key: &str, wanted: &Value) -> Answer {
    app.post("/api/pipeline/run").by(person).header(KEY, key).json(wanted).send().await
}

#[tokio::test]
async fn the_same_key_and_body_gives_the_first_run_again() {
    let (app, ana) = app().await;
    let wanted = one_tape(&app, &ana).await;
    let first = start(&app, &ana, "k-1", &wanted).await.expect(202);
    let again = start(&app, &ana, "k-1", &wanted).await;
    assert_eq!(again.expect(202), first);
    assert_eq!(again.header("location"), format!("/api/runs/{}", first["run_id"].as_str().unwrap()));
    app.work().await;
    let ended = start(&app, &ana, "k-1", &wanted).await.expect(202);
    assert_eq!((&ended["run_id"], &ended["status"]), (&first["run_id"], &"completed".into()));
    assert_eq!(runs(&app, &ana).await, 1);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let (app, ana) = app().await;
    let (wanted, other) = (one_tape(&app, &ana).await, one_tape(&app, &ana).await);
    start(&app, &ana, "k-1", &wanted).await.expect(202);
    let answer = start(&app, &ana, "k-1", &other).await;
    assert_eq!(answer.problem(422), "invalid_input");
    let error = &answer.json()["errors"][0];
    assert_eq!((&error["loc"], &error["type"]), (&json!(["header", "Idempotency-Key"]), &"key_reused".into()));
    assert_eq!(runs(&app, &ana).await, 1);
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let (app, ana) = app().await;
    let wanted = one_tape(&app, &ana).await;
    start(&app, &ana, "k-1", &wanted).await.expect(202);
    app.clock.advance(SignedDuration::from_secs(24 * 3600 - 1));
    let token = app.resources.tokens.issue(&ana.user, app.resources.clock.now()).unwrap();
    let ana = Person { token, ..ana };
    start(&app, &ana, "k-1", &wanted).await.expect(202);
    assert_eq!(runs(&app, &ana).await, 1);
    app.clock.advance(SignedDuration::from_secs(1));
    start(&app, &ana, "k-1", &wanted).await.expect(202);
    assert_eq!(runs(&app, &ana).await, 2);
}

#[tokio::test]
async fn a_key_belongs_to_its_user() {
    let (app, ana) = app().await;
    let bob = app.person("bob", Role::Analyst, None).await;
    let (of_ana, of_bob) = (one_tape(&app, &ana).await, one_tape(&app, &bob).await);
    start(&app, &ana, "k-1", &of_ana).await.expect(202);
    start(&app, &bob, "k-1", &of_bob).await.expect(202);
    start(&app, &bob, "k-1", &of_ana).await.problem(422);
    assert_eq!(runs(&app, &ana).await, 2);
}

#[tokio::test]
async fn a_refused_request_does_not_use_a_key_up() {
    let (app, ana) = app().await;
    start(&app, &ana, "k-1", &json!({"files": ["absent.csv"]})).await.problem(404);
    start(&app, &ana, "k-1", &json!({"irr_target": 31})).await.problem(422);
    let wanted = one_tape(&app, &ana).await;
    start(&app, &ana, "k-1", &wanted).await.expect(202);
    assert_eq!(runs(&app, &ana).await, 1);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let (app, ana) = app().await;
    let wanted = one_tape(&app, &ana).await;
    for key in ["", "a b", &"x".repeat(256)] {
        let answer = start(&app, &ana, key, &wanted).await;
        assert_eq!(answer.problem(422), "invalid_input", "{key:?}");
        assert_eq!(answer.json()["errors"][0]["loc"], json!(["header", "Idempotency-Key"]));
    }
    let twice = app.post("/api/pipeline/run").by(&ana).header(KEY, "a").header(KEY, "b").json(&wanted).send().await;
    assert_eq!(twice.problem(422), "invalid_input");
    start(&app, &ana, &"x".repeat(255), &wanted).await.expect(202);
}

#[tokio::test]
async fn many_requests_at_once_with_one_key_make_one_run() {
    let (app, ana) = app().await;
    let wanted = one_tape(&app, &ana).await;
    let answers = join_all((0..8).map(|_| start(&app, &ana, "k-1", &wanted))).await;
    let ids: Vec<Value> = answers.iter().map(|answer| answer.expect(202)["run_id"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(runs(&app, &ana).await, 1);
}
