//! The endpoints of files: what they answer, what they store, and what they leave unchanged.

mod addresses;
mod damaged;
mod deleting;
mod downloading;
mod folders;
mod listing;
mod teams;
mod uploading;

use serde_json::Value;
use shared::auth::permission::Role;
use stores::{
    runs::Created,
    start_run::{self, RunOrder},
    storage::StorageBackend as _,
};
use uuid::Uuid;

use crate::support::{
    app::{Answer, Person, TestApp},
    runs::{GOOD_CELLS, HEADER},
};

/// The application with an administrator.
async fn app() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let admin = app.person("root", Role::Admin, None).await;
    (app, admin)
}

/// Uploads a file. `query` includes its question mark.
async fn upload(app: &TestApp, person: &Person, query: &str, name: &str, bytes: &str) -> Answer {
    app.post(&format!("/api/files/upload{query}")).by(person).file(name, bytes).send().await
}

/// The paths of a list. Folders end with a slash.
async fn listed(app: &TestApp, person: &Person, query: &str) -> Vec<String> {
    let list = app.get(&format!("/api/files/list{query}")).by(person).send().await.expect(200);
    let files = list["files"].as_array().unwrap();
    assert_eq!(list["count"], files.len());
    let path = |file: &Value| {
        let slash = if file["type"] == "directory" { "/" } else { "" };
        format!("{}{slash}", file["path"].as_str().unwrap())
    };
    files.iter().map(path).collect()
}

/// The keys of everything in the bucket.
pub async fn everything(app: &TestApp) -> Vec<String> {
    app.resources.storage.list("", true).await.unwrap().into_iter().map(|entry| entry.key).collect()
}

/// Creates and executes a run of a tape, of a team or of no team. Returns its id.
pub async fn completed_run(app: &TestApp, team: Option<Uuid>) -> Uuid {
    let folder = format!("inputs/for_runs/{}", Uuid::new_v4());
    app.put(&format!("{folder}/tape.csv"), format!("{HEADER}\n001,{GOOD_CELLS}\n")).await;
    let tapes = app.tapes_of(&folder).await;
    let terms = RunOrder { sales_team_id: team, ..RunOrder::default() };
    let request = start_run::request(Uuid::new_v4(), terms, tapes, app.resources.clock.now());
    assert_eq!(app.worker.runs.create(&request.run(), &request, None).await.unwrap(), Created::Done);
    app.work().await;
    request.run_id
}
