//! The contract of the table: users, teams and runs, in the embedded table and in a table over a socket.

use jiff::SignedDuration;
use shared::{
    auth::{permission::Role, user::User},
    run::RunStatus,
};
use stores::{
    runs::{Created, IdempotencyKey, LEASE, Lease, RunFilter, RunRequest, Runs},
    start_run::{self, RunOrder},
    throttle::Whose,
    users::{UserFilter, UserWritten},
};
use uuid::Uuid;

use crate::{live::Live, support::app::TestApp};

fn request(app: &TestApp, terms: RunOrder) -> RunRequest {
    start_run::request(Uuid::new_v4(), terms, Vec::new(), app.resources.clock.now())
}

async fn create(app: &TestApp, terms: RunOrder) -> RunRequest {
    let request = request(app, terms);
    let created = app.worker.runs.create(&request.run(), &request, None).await.unwrap();
    assert_eq!(created, Created::Done);
    app.clock.advance(SignedDuration::from_secs(1));
    request
}

async fn ids(runs: &Runs, filter: RunFilter, skip: u64, limit: u64) -> (Vec<Uuid>, bool) {
    let (runs, more) = runs.list(filter, None, skip, limit).await.unwrap();
    (runs.iter().map(|run| run.run_id).collect(), more)
}

async fn a_user_comes_back_as_it_was_stored(app: &TestApp) {
    let users = app.resources.users();
    let ana = app.person("Ana", Role::Analyst, None).await.user;
    assert_eq!(users.get(ana.id).await.unwrap(), Some(ana.clone()));
    assert_eq!(users.by_username("aNA").await.unwrap(), Some(ana.clone()));
    assert_eq!(users.by_username("nobody").await.unwrap(), None);
    assert_eq!(users.by_username(&"x".repeat(5000)).await.unwrap(), None);
    let twin = |username: &str, email: &str| User {
        id: Uuid::new_v4(),
        username: username.to_owned(),
        email: email.to_owned(),
        ..ana.clone()
    };
    assert_eq!(users.create(&twin("ANA", "x@example.com")).await.unwrap(), UserWritten::UsernameTaken);
    assert_eq!(users.create(&twin("ben", "ANA@example.com")).await.unwrap(), UserWritten::EmailTaken);
    let nowhere = User { sales_team_id: Some(Uuid::new_v4()), ..twin("ben", "ben@example.com") };
    assert_eq!(users.create(&nowhere).await.unwrap(), UserWritten::NoSuchTeam);
    assert_eq!(users.by_username("ben").await.unwrap(), None);
}

async fn a_user_changes_once_at_a_time_and_names_become_free(app: &TestApp) {
    let users = app.resources.users();
    let ana = app.person("ana", Role::Analyst, None).await.user;
    let renamed = User { username: "anna".to_owned(), ..ana.clone() };
    assert_eq!(users.replace(&ana, &renamed).await.unwrap(), UserWritten::Done);
    assert_eq!(users.replace(&ana, &renamed).await.unwrap(), UserWritten::Outdated);
    assert_eq!(users.by_username("ana").await.unwrap(), None);
    let stored = users.by_username("anna").await.unwrap().unwrap();
    assert_eq!(stored.revision, 1);
    app.person("ana2", Role::Admin, None).await;
    let (all, more) = users.list(UserFilter::default(), None, 0, 1).await.unwrap();
    assert_eq!((all[0].id, more), (ana.id, true));
    let admins = UserFilter { role: Some(Role::Admin), ..UserFilter::default() };
    let (found, more) = users.list(admins, None, 0, 100).await.unwrap();
    assert_eq!((found.len(), more), (1, false));
    assert_eq!(users.list(admins, None, 1, 100).await.unwrap().0, []);
}

async fn teams_are_listed_by_name_and_names_are_unique(app: &TestApp) {
    let (west, east) = (app.team("West").await, app.team("east").await);
    let teams = app.resources.teams();
    assert_eq!(teams.list(None, 0, 100).await.unwrap(), (vec![east.clone(), west.clone()], false));
    assert_eq!(teams.list(None, 1, 1).await.unwrap(), (vec![west.clone()], false));
    assert_eq!(teams.list(Some(&east), 0, 1).await.unwrap(), (vec![west.clone()], false));
    let again = shared::auth::user::SalesTeam { id: Uuid::new_v4(), name: "EAST ".to_owned() };
    assert!(!teams.create(&again).await.unwrap());
    assert_eq!(teams.get(east.id).await.unwrap(), Some(east));
}

async fn runs_are_listed_the_newest_first_by_every_filter(app: &TestApp) {
    let (team, runs) = (app.team("West").await, &app.worker.runs);
    let mut created = Vec::new();
    for at in 0..5 {
        let sales_team_id = (at % 2 == 0).then_some(team.id);
        created.insert(0, create(app, RunOrder { sales_team_id, ..RunOrder::default() }).await.run_id);
    }
    let all = RunFilter::default();
    assert_eq!(ids(runs, all, 0, 100).await, (created.clone(), false));
    assert_eq!(ids(runs, all, 1, 2).await, (created[1..3].to_vec(), true));
    assert_eq!(ids(runs, all, 5, 2).await, (Vec::new(), false));
    let own = RunFilter { sales_team_id: Some(team.id), ..all };
    assert_eq!(ids(runs, own, 0, 100).await.0, [created[0], created[2], created[4]]);
    assert_eq!(ids(runs, RunFilter { status: Some(RunStatus::Failed), ..own }, 0, 100).await, (Vec::new(), false));
    let monday = RunFilter { run_weekday: Some(0), ..all };
    assert_eq!(ids(runs, monday, 1, 3).await, (created[1..4].to_vec(), true));
    assert_eq!(ids(runs, RunFilter { run_weekday: Some(1), ..all }, 0, 3).await, (Vec::new(), false));
    let (first, _) = runs.list(all, None, 0, 2).await.unwrap();
    let after = Some((first[1].created_at, first[1].run_id));
    let (next, more) = runs.list(all, after, 0, 2).await.unwrap();
    assert_eq!((next[0].run_id, next[1].run_id, more), (created[2], created[3], true));
}

async fn an_idempotency_key_makes_one_run_and_is_forgotten_after_a_day(app: &TestApp) {
    let (runs, user) = (&app.worker.runs, Uuid::new_v4());
    let key = IdempotencyKey {
        user,
        key_hash: "k".to_owned(),
        request_hash: "b".to_owned(),
        dated_hash: "d".to_owned(),
        pdate: "2026-02-02".parse().unwrap(),
    };
    let first = request(app, RunOrder::default());
    let unknown = request(app, RunOrder { sales_team_id: Some(Uuid::new_v4()), ..RunOrder::default() });
    assert_eq!(runs.create(&unknown.run(), &unknown, Some(&key)).await.unwrap(), Created::NoSuchTeam);
    assert_eq!(runs.create(&first.run(), &first, Some(&key)).await.unwrap(), Created::Done);
    assert_eq!(runs.create(&first.run(), &first, None).await.unwrap(), Created::Exists);
    let second = request(app, RunOrder::default());
    assert_eq!(runs.create(&second.run(), &second, Some(&key)).await.unwrap(), Created::KeyUsed);
    assert_eq!(runs.get(second.run_id).await.unwrap().map(|run| run.run_id), None);
    let used = runs.used_key(user, "k", app.resources.clock.now()).await.unwrap().unwrap();
    assert_eq!((used.run_id, used.request_hash.as_str()), (first.run_id, "b"));
    app.clock.advance(SignedDuration::from_hours(24));
    assert_eq!(runs.used_key(user, "k", app.resources.clock.now()).await.unwrap(), None);
    let third = request(app, RunOrder::default());
    assert_eq!(runs.create(&third.run(), &third, Some(&key)).await.unwrap(), Created::Done);
}

async fn a_run_is_one_workers_until_its_lease_runs_out(app: &TestApp) {
    let runs = &app.worker.runs;
    let request = create(app, RunOrder::default()).await;
    let mut run = request.run();
    run.start(app.resources.clock.now()).unwrap();
    let [first, second, other] = [(); 3].map(|()| Lease::of_one(run.run_id(), Uuid::new_v4()));
    let claim = async |lease: &Lease| runs.claim(lease, &run, app.resources.clock.now()).await.unwrap().is_some();
    assert!(claim(&first).await);
    assert!(!claim(&other).await);
    assert!(runs.report(&first, None, app.resources.clock.now()).await.unwrap());
    app.clock.advance(LEASE + SignedDuration::from_secs(1));
    assert!(claim(&second).await);
    assert!(!runs.report(&first, None, app.resources.clock.now()).await.unwrap());
    let mut ended = run.clone();
    ended.complete(app.resources.clock.now()).unwrap();
    assert!(!runs.end(&first, &ended).await.unwrap());
    assert!(runs.end(&second, &ended).await.unwrap());
    assert!(!runs.end(&second, &ended).await.unwrap());
    let stored = runs.get(run.run_id()).await.unwrap().unwrap();
    assert_eq!((stored.status, stored.attempt, stored.lease_until), (RunStatus::Completed, 2, None));
    assert_eq!(runs.whole(&stored).await.unwrap().get(), serde_json::to_string(&ended).unwrap());
    let completed = RunFilter { status: Some(RunStatus::Completed), ..RunFilter::default() };
    assert_eq!(ids(runs, completed, 0, 10).await.0, [run.run_id()]);
}

async fn failures_block_for_a_quarter_of_an_hour(app: &TestApp) {
    let failures = app.resources.failures();
    let ana = Whose::Username("Ana");
    for _ in 0..10 {
        assert_eq!(failures.add(ana, app.resources.clock.now()).await.unwrap(), None);
    }
    assert_eq!(failures.add(ana, app.resources.clock.now()).await.unwrap(), Some(15 * 60));
    assert_eq!(failures.blocked(Whose::Username("ana"), app.resources.clock.now()).await.unwrap(), Some(15 * 60));
    assert_eq!(failures.blocked(Whose::Address("ana"), app.resources.clock.now()).await.unwrap(), None);
    app.clock.advance(SignedDuration::from_mins(15));
    assert_eq!(failures.blocked(ana, app.resources.clock.now()).await.unwrap(), None);
}

macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod embedded {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                super::$name(&TestApp::new().await).await;
            })*
        }

        mod live {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                let Some(live) = Live::open().await else { return };
                super::$name(&live.app).await;
                live.remove().await;
            })*
        }
    };
}

contract!(
    a_user_comes_back_as_it_was_stored,
    a_user_changes_once_at_a_time_and_names_become_free,
    teams_are_listed_by_name_and_names_are_unique,
    runs_are_listed_the_newest_first_by_every_filter,
    an_idempotency_key_makes_one_run_and_is_forgotten_after_a_day,
    a_run_is_one_workers_until_its_lease_runs_out,
    failures_block_for_a_quarter_of_an_hour,
);
