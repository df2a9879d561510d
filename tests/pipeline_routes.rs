//! The endpoints of runs: starting a run, showing it, and downloading what it leaves behind.

mod archives;
mod described;
mod guides;
mod in_force;
mod outputs;
mod reading;
mod rule_sets;
mod same_request;
mod showing;
mod starting;
mod starting_once;

use shared::auth::{permission::Role, user::SalesTeam};

use crate::support::app::{Person, TestApp};

/// The product with an analyst.
async fn app() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    (app, ana)
}

/// A team with a member.
async fn team(app: &TestApp, name: &str) -> (SalesTeam, Person) {
    let team = app.team(name).await;
    let member = app.person(&format!("of_{name}"), Role::SalesTeam, Some(team.id)).await;
    (team, member)
}

/// Number of runs that a person sees, up to 1,000.
async fn runs(app: &TestApp, person: &Person) -> usize {
    app.read(person, "/api/runs?limit=1000").await.as_array().unwrap().len()
}
