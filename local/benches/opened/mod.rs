//! Stores for a bench: in a temporary folder, with one user.

use std::sync::Arc;

use local::embedded::{Credentials, EmbeddedStores, Options};
use shared::{
    auth::{password, permission::Role, secret::Secret, token::Tokens, user::User},
    clock::Clock,
};
use stores::{config::Environment, resources::Resources, users::Users};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

/// Open stores in a temporary folder.
pub struct Opened {
    /// The runtime that answers requests.
    pub runtime: Runtime,
    /// The stores, tokens, clock and limits that the endpoints use.
    pub resources: Resources,
    /// The only user, an analyst.
    pub user: User,
    _folder: TempDir,
}

impl Opened {
    /// Creates empty stores with one user.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (runtime, folder) = (Runtime::new().unwrap(), tempfile::tempdir().unwrap());
        let options = Options {
            durable: false,
            bucket: "loans".to_owned(),
            credentials: Credentials::random(),
            watched_prefix: "inputs/".to_owned(),
            clock: Arc::clone(&clock),
        };
        let stores = EmbeddedStores::open(folder.path(), options).unwrap();
        let tokens = Tokens::new(&Secret::new("0123456789abcdef0123456789abcdef"), 480);
        let resources = stores.resources("http://127.0.0.1:8000", tokens, Environment::Test, Arc::clone(&clock));
        let resources = runtime.block_on(resources).unwrap();
        let user = User {
            id: Uuid::new_v4(),
            email: "somebody@example.com".to_owned(),
            username: "somebody".to_owned(),
            full_name: None,
            role: Role::Analyst,
            sales_team_id: None,
            is_active: true,
            created_at: clock.now(),
            password_hash: password::hash("the right password").unwrap(),
            tokens_valid_from: 0,
            revision: 0,
        };
        runtime.block_on(Users::new(resources.table.clone()).create(&user)).unwrap();
        Self { runtime, resources, user, _folder: folder }
    }
}
