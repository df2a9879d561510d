//! What the product does while DynamoDB or S3 fails: it says so, and leaves nothing half-made.

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

use crate::app::{Answer, INSIDE, Person, Tape, TestApp};

/// A product with something in it.
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
        Self { app, root, team, run }
    }

    /// Everything that is stored, as text.
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
        // The list of tapes of a run that did not come into being does no harm, and goes by itself.
        files.retain(|file| !file.key.starts_with(keys::REQUESTS));
        format!("{users:?}\n{teams:?}\n{runs}\n{files:?}")
    }
}

/// Checks that an answer says that a store fails, when to ask again, and nothing of the inside.
pub fn assert_unavailable(answer: &Answer, what: &str) {
    assert_eq!(answer.status.as_u16(), 503, "{what}: {}", answer.text());
    assert_eq!(answer.problem(503), "unavailable", "{what}");
    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0), "{what}: {:?}", answer.headers);
    for word in [INSIDE, "loan-engine", "loans/", "Exception", "SlowDown", "InternalError", "dispatch"] {
        assert!(!answer.text().contains(word), "{what}: {word}: {}", answer.text());
    }
}
