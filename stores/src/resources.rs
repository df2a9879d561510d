//! The resources of a process, built once: the table, the bucket, the key of tokens, the clock. Each function takes the resources
//! that it needs.

use std::sync::Arc;

use shared::{
    auth::token::Tokens,
    clock::{Clock, SystemClock},
};

use crate::{
    clients,
    config::{Config, Environment},
    export_turns::ExportTurns,
    jobs::Jobs,
    runs::Runs,
    storage::{s3::S3Storage, url_origin::UrlOrigin},
    table::Table,
    teams::Teams,
    throttle::Failures,
    users::Users,
};

/// Largest file that a client may upload in a request, in bytes, where no other limit applies to requests.
pub const MAX_UPLOAD_BYTES: u64 = 100 * 1024 * 1024;
/// The same on Lambda, in bytes. A request there has at most 6 MB, in base64.
pub const MAX_UPLOAD_BYTES_ON_LAMBDA: u64 = 4 * 1024 * 1024;
/// Largest body of an answer of a Lambda, in bytes. Clients fetch a larger answer from the storage.
pub const MAX_ANSWER_BYTES_ON_LAMBDA: u64 = 4_000_000;

/// Default of [`Resources::zip_by_job_above_bytes`]: what a function packs well within the time of a request.
pub const ZIP_BY_JOB_ABOVE_BYTES: u64 = 256 * 1024 * 1024;

/// The resources of a process.
#[derive(Clone)]
pub struct Resources {
    pub table: Table,
    /// The bucket.
    pub storage: S3Storage,
    /// Issues and checks tokens.
    pub tokens: Tokens,
    pub clock: Arc<dyn Clock>,
    /// Environment that the product runs in.
    pub environment: Environment,
    /// Largest file that a client may upload in a request, in bytes.
    pub max_upload_bytes: u64,
    /// Largest body of an answer, in bytes; `None` where every answer is streamed.
    pub max_answer_bytes: Option<u64>,
    pub export_turns: ExportTurns,
    /// Size of all files of an archive together, in bytes, above which a job makes the ZIP of the archive.
    pub zip_by_job_above_bytes: u64,
    /// Origin that signed URLs begin with; `None` where it is the storage's own.
    pub url_origin: Option<UrlOrigin>,
}

impl Resources {
    /// The resources of a Lambda function.
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
            zip_by_job_above_bytes: ZIP_BY_JOB_ABOVE_BYTES,
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

    /// The jobs in the table.
    pub fn jobs(&self) -> Jobs {
        Jobs::new(self.table.clone())
    }

    /// The failed log-ins in the table.
    pub fn failures(&self) -> Failures {
        Failures::new(self.table.clone())
    }
}
