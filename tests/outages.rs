//! Behaviour while DynamoDB or S3 fails: the product reports the failure and leaves nothing half-made.

mod executing;
mod reading;
pub mod requests;
mod writing;

use shared::auth::{permission::Role, user::SalesTeam};
use stores::{
    keys,
    runs::{RunFilter, Runs},
    storage::StorageBackend as _,
    teams::Teams,
    users::{UserFilter, Users},
};

use crate::support::app::{Answer, INSIDE, Person, Tape, TestApp};

/// The product with a team, a completed run and a tape.
pub struct Scene {
    pub app: TestApp,
    pub root: Person,
    /// A team without members.
    pub team: SalesTeam,
    /// A run that has completed.
    pub run: String,
}

impl Scene {
    pub async fn new() -> Self {
        let app = TestApp::new().await;
        let root = app.person("root", Role::Admin, None).await;
        let team = app.team("West").await;
        let run = app.ended(&root, &Tape::of_good(3).with("bad", &[("ltv_ratio", "99")])).await;
        app.put("inputs/folder/tape.csv", Tape::of_good(1).text().to_owned()).await;
        app.put("inputs/rules/strict.toml", "name = \"strict\"\n").await;
        Self { app, root, team, run }
    }

    /// All users, teams, runs and files, as text.
    async fn stored(&self) -> String {
        let table = &self.app.resources.table;
        let users = Users::new(table.clone()).list(UserFilter::default(), None, 0, 1000).await.unwrap();
        let teams = Teams::new(table.clone()).list(None, 0, 1000).await.unwrap();
        let runs = Runs::new(table.clone(), self.app.resources.storage.clone())
            .list(RunFilter::default(), None, 0, 1000)
            .await
            .unwrap()
            .0;
        let runs = serde_json::to_string(&runs).unwrap();
        let mut files = self.app.resources.storage.list("", true).await.unwrap();
        // The tape list of a run that was never created does no harm and expires by itself.
        files.retain(|file| !file.key.starts_with(keys::REQUESTS));
        format!("{users:?}\n{teams:?}\n{runs}\n{files:?}")
    }
}

/// Asserts that an answer says that a store fails and when to retry, and shows no internals.
pub fn assert_unavailable(answer: &Answer, what: &str) {
    assert_eq!(answer.status.as_u16(), 503, "{what}: {}", answer.text());
    assert_eq!(answer.problem(503), "unavailable", "{what}");
    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0), "{what}: {:?}", answer.headers);
    for word in [INSIDE, "loan-engine", "loans/", "Exception", "SlowDown", "InternalError", "dispatch"] {
        assert!(!answer.text().contains(word), "{what}: {word}: {}", answer.text());
    }
}
