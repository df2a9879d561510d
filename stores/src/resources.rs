//! What a process has, built once: the table, the bucket, the key of tokens, the clock. Each function takes from it what
//! it needs.

use std::sync::Arc;

use shared::{
    auth::token::Tokens,
    clock::{Clock, SystemClock},
};

use crate::{
    clients,
    config::{Config, Environment},
    export_turns::ExportTurns,
    runs::Runs,
    storage::{s3::S3Storage, url_origin::UrlOrigin},
    table::Table,
    teams::Teams,
    throttle::Failures,
    users::Users,
};

/// The largest file that is taken as a form, in bytes, where nothing else limits a request.
pub const MAX_UPLOAD_BYTES: u64 = 100 * 1024 * 1024;
/// The same on Lambda, whose requests have at most 6 MB, in base64.
pub const MAX_UPLOAD_BYTES_ON_LAMBDA: u64 = 4 * 1024 * 1024;
/// The largest body of an answer of a Lambda, in bytes: a larger one is fetched from the storage itself.
pub const MAX_ANSWER_BYTES_ON_LAMBDA: u64 = 4_000_000;

/// What a process has.
#[derive(Clone)]
pub struct Resources {
    /// The table.
    pub table: Table,
    /// The bucket.
    pub storage: S3Storage,
    /// Issues and checks tokens.
    pub tokens: Tokens,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where the product runs.
    pub environment: Environment,
    /// The largest file that is taken as a form, in bytes.
    pub max_upload_bytes: u64,
    /// The largest body of an answer, in bytes; `None` where every answer is streamed.
    pub max_answer_bytes: Option<u64>,
    /// The turns of exports.
    pub export_turns: ExportTurns,
    /// The origin that signed URLs begin with, where it is not the storage's own.
    pub url_origin: Option<UrlOrigin>,
}

impl Resources {
    /// Those of a Lambda.
    pub async fn of_lambda(config: &Config) -> Self {
        let sdk = clients::sdk_config().await;
        Self {
            table: Table { client: clients::dynamodb(&sdk), name: config.table_name.clone(), known_users: None },
            storage: S3Storage { client: clients::s3(&sdk, config.s3_path_style), bucket: config.bucket_name.clone() },
            tokens: Tokens::new(&config.jwt_secret, config.access_token_minutes),
            clock: Arc::new(SystemClock),
            environment: config.environment,
            max_upload_bytes: MAX_UPLOAD_BYTES_ON_LAMBDA,
            max_answer_bytes: Some(MAX_ANSWER_BYTES_ON_LAMBDA),
            export_turns: ExportTurns::default(),
            url_origin: None,
        }
    }

    /// The users in the table.
    pub fn users(&self) -> Users {
        Users::new(self.table.clone())
    }

    /// The sales teams in the table.
    pub fn teams(&self) -> Teams {
        Teams::new(self.table.clone())
    }

    /// The runs in the table, and what of them is in the bucket.
    pub fn runs(&self) -> Runs {
        Runs::new(self.table.clone(), self.storage.clone())
    }

    /// The failed log-ins in the table.
    pub fn failures(&self) -> Failures {
        Failures::new(self.table.clone())
    }
}
