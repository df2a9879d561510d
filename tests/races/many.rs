//! Many operations at once, on several threads.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::future::join_all;
use http::{HeaderName, Method};
use runner::{execute::Executed, incoming::Arrival};
use serde_json::{Value, json};
use shared::auth::permission::Role;
use stores::{storage::StorageBackend as _, users::UserFilter};
use uuid::Uuid;

use crate::support::app::{Answer, Tape, TestApp};

/// Sends `count` requests at once, each from its own task.
async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    app: &Arc<TestApp>,
    count: usize,
    send: impl Fn(Arc<TestApp>, usize) -> F,
) -> Vec<T> {
    // Every task waits until all tasks are ready.
    let barrier = Arc::new(tokio::sync::Barrier::new(count));
    let tasks = (0..count).map(|at| {
        let (barrier, sent) = (Arc::clone(&barrier), send(Arc::clone(app), at));
        tokio::spawn(async move {
            barrier.wait().await;
            sent.await
        })
    });
    join_all(tasks.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect()
}

fn with_status(answers: &[Answer], status: u16) -> Vec<Value> {
    answers.iter().filter(|answer| answer.status == status).map(Answer::json).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_registrations_of_one_name_one_succeeds() {
    let app = Arc::new(TestApp::new().await);
    let root = Arc::new(app.person("root", Role::Admin, None).await);
    let mut users = 1;
    for shared_username in [true, false] {
        let answers = at_once(&app, 50, |app, at| {
            let (username, email) = match shared_username {
                // Usernames that differ only in case are the same username.
                true => (["newcomer", "NEWCOMER", "NewComer"][at % 3].to_owned(), format!("n{at}@example.com")),
                false => (format!("user_{at}"), ["same@example.com", "Same@Example.COM"][at % 2].to_owned()),
            };
            let (new, root) = (json!({"username": username, "email": email, "password": "long enough"}), Arc::clone(&root));
            async move { app.post("/api/auth/register").by(&root).json(&new).send().await }
        })
        .await;
        let (made, refused) = (with_status(&answers, 201), with_status(&answers, 409));
        assert_eq!((made.len(), refused.len()), (1, 49));
        let code = if shared_username { "username_taken" } else { "email_taken" };
        assert!(refused.iter().all(|problem| problem["code"] == code), "{refused:?}");
        // Rejected requests leave nothing behind: the email or username that only they asked for is free.
        let loser = (0..50).find(|at| answers[*at].status == 409).unwrap();
        let again = match shared_username {
            true => json!({"username": "other", "email": format!("n{loser}@example.com"), "password": "long enough"}),
            false => json!({"username": format!("user_{loser}"), "email": "z@example.com", "password": "long enough"}),
        };
        app.post("/api/auth/register").by(&root).json(&again).send().await.expect(201);
        users += 2;
        let stored = app.resources.users().list(UserFilter::default(), None, 0, 1000).await.unwrap().0;
        assert_eq!(stored.len(), users);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_teams_of_one_name_one_is_made() {
    let app = Arc::new(TestApp::new().await);
    let root = Arc::new(app.person("root", Role::Admin, None).await);
    let answers = at_once(&app, 50, |app, at| {
        let (name, root) = (["West", "WEST", " west "][at % 3], Arc::clone(&root));
        async move { app.post("/api/sales-teams").by(&root).json(&json!({"name": name})).send().await }
    })
    .await;
    assert_eq!((with_status(&answers, 201).len(), with_status(&answers, 409).len()), (1, 49));
    assert_eq!(app.read(&root, "/api/sales-teams").await.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_requests_with_one_key_make_one_run() {
    let app = Arc::new(TestApp::new().await);
    let ana = Arc::new(app.person("ana", Role::Analyst, None).await);
    app.put("inputs/tape.csv", Tape::of_good(1).text().to_owned()).await;
    for bodies in [1, 2] {
        let answers = at_once(&app, 50, |app, at| {
            let (wanted, ana) = (json!({"files": ["tape.csv"], "dry_run": at % bodies == 1}), Arc::clone(&ana));
            async move {
                let call = app
                    .post("/api/pipeline/run")
                    .by(&ana)
                    .header(HeaderName::from_static("idempotency-key"), &format!("k{bodies}"));
                call.json(&wanted).send().await
            }
        })
        .await;
        let (made, refused) = (with_status(&answers, 202), with_status(&answers, 422));
        assert_eq!((made.len(), refused.len()), (50 / bodies, 50 - 50 / bodies));
        let ids: BTreeSet<&str> = made.iter().map(|run| run["run_id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 1);
        assert!(refused.iter().all(|problem| problem["errors"][0]["type"] == "key_reused"));
        assert_eq!(app.read(&ana, "/api/runs").await.as_array().unwrap().len(), bodies);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tape_that_is_told_of_a_hundred_times_makes_one_run() {
    let app = Arc::new(TestApp::new().await);
    let ana = app.person("ana", Role::Analyst, None).await;
    let key = "inputs/incoming/tape.csv";
    app.put(key, Tape::of_good(5).text().to_owned()).await;
    let etag = app.resources.storage.info(key).await.unwrap().unwrap().etag;
    let arrival = Arrival { key: key.to_owned(), version: "1".to_owned(), etag };
    let made = at_once(&app, 100, |app, _| {
        let arrival = arrival.clone();
        async move { app.worker.receive(&arrival).await.unwrap() }
    })
    .await;
    let made: Vec<Uuid> = made.into_iter().flatten().collect();
    assert_eq!(made.len(), 1);
    let runs = app.read(&ana, "/api/runs").await;
    assert_eq!((runs.as_array().unwrap().len(), &runs[0]["run_id"]), (1, &json!(made[0])));
    // The same arrival makes no second run after the first one has ended, either.
    assert_eq!(app.work().await, [Executed::Completed]);
    assert_eq!(app.worker.receive(&arrival).await.unwrap(), None);
    assert_eq!(app.work().await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_workers_one_has_the_run() {
    let app = Arc::new(TestApp::new().await);
    let ana = app.person("ana", Role::Analyst, None).await;
    let run: Uuid = app.pending(&ana, &Tape::of_good(50).with("bad", &[("ltv_ratio", "99")])).await.parse().unwrap();
    let mut ended = at_once(&app, 20, |app, _| async move { app.worker.execute(run).await.unwrap() }).await;
    ended.retain(|ended| *ended != Executed::NotOurs);
    assert_eq!(ended, [Executed::Completed]);
    let stored = app.worker.runs.get(run).await.unwrap().unwrap();
    assert_eq!((stored.attempt, stored.total_loans), (1, 51));
    assert_eq!(app.read(&ana, &format!("/api/loans?run_id={run}")).await.as_array().unwrap().len(), 51);
    assert_eq!(app.resources.storage.list(&format!("outputs/{run}"), true).await.unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_edits_of_one_user_each_is_whole_or_refused() {
    let app = Arc::new(TestApp::with(|resources| resources.table.known_users = Some(Arc::default())).await);
    let root = Arc::new(app.person("root", Role::Admin, None).await);
    let ana = app.person("ana", Role::Analyst, None).await;
    let id = ana.user.id;
    let answers = at_once(&app, 20, |app, at| {
        let root = Arc::clone(&root);
        let changes =
            json!({"username": format!("ana_{at}"), "email": format!("ana_{at}@example.com"), "full_name": format!("ana_{at}")});
        async move { app.call(Method::PUT, &format!("/api/auth/users/{id}")).by(&root).json(&changes).send().await }
    })
    .await;
    let (made, refused) = (with_status(&answers, 200), with_status(&answers, 409));
    assert_eq!(made.len() + refused.len(), 20);
    assert!(!made.is_empty() && refused.iter().all(|problem| problem["code"] == "user_changed"), "{refused:?}");
    let after = app.read(&ana, "/api/auth/me").await;
    let name = after["username"].as_str().unwrap();
    assert_eq!((&after["full_name"], &after["email"]), (&name.into(), &format!("{name}@example.com").into()));
    // The user keeps one of the usernames that it had in between, and the others are free again.
    let users = app.resources.users();
    let stored = users.get(id).await.unwrap().unwrap();
    assert_eq!(stored.revision, made.len() as u64);
    let mut taken = Vec::new();
    for at in 0..20 {
        if users.by_username(&format!("ana_{at}")).await.unwrap().is_some() {
            taken.push(format!("ana_{at}"));
        }
    }
    assert_eq!(taken, [name]);
}
