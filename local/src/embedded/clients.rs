//! Clients of the AWS SDK for the stores in this process.

use std::sync::Arc;

use aws_sdk_dynamodb::config::{Credentials as SdkCredentials, Region};
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use shared::{auth::token::Tokens, clock::Clock};
use stores::{
    StoreError,
    config::Environment,
    export_turns::ExportTurns,
    resources::{MAX_UPLOAD_BYTES, Resources, ZIP_BY_JOB_ABOVE_BYTES},
    schema,
    storage::{s3::S3Storage, url_origin::UrlOrigin},
    table::Table,
};
use uuid::Uuid;

use super::{Credentials, EmbeddedStores, s3};

pub const TABLE: &str = "loan-engine";
/// Region in all signatures, which must name one.
pub const REGION_NAME: &str = "us-east-1";
const REGION: Region = Region::from_static(REGION_NAME);

impl Credentials {
    /// Generates random credentials.
    pub fn random() -> Self {
        let [access_key, secret_key] = [(); 2].map(|()| Uuid::new_v4().simple().to_string());
        Self { access_key, secret_key }
    }

    fn for_sdk(&self) -> SdkCredentials {
        SdkCredentials::new(&self.access_key, &self.secret_key, None, None, "embedded")
    }
}

impl EmbeddedStores {
    /// A client of DynamoDB.
    pub fn dynamodb_client(&self) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
            .region(REGION)
            .credentials_provider(self.s3.credentials().for_sdk())
            .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
            .http_client(SharedHttpClient::new(self.dynamodb.clone()));
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    /// A client of the bucket. Presigned URLs begin with `address`, the URL at which [`s3::Bucket::router`] is served.
    pub fn s3_client(&self, address: &str) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
            .region(REGION)
            .credentials_provider(self.s3.credentials().for_sdk())
            .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
            .endpoint_url(address)
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .http_client(SharedHttpClient::new(s3::Connector::new(&self.s3)));
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// The table. Creates it when it is missing or incomplete.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be created, completed or removed.
    pub async fn table(&self) -> Result<Table, StoreError> {
        let (dynamodb, unfinished) = (self.dynamodb.clone(), |error| StoreError::Damaged(format!("the table: {error}")));
        let looked = tokio::task::spawn_blocking(move || dynamodb.finish_or_remove(TABLE)).await;
        looked.map_err(|error| StoreError::Damaged(error.to_string()))?.map_err(unfinished)?;
        let table = Table { client: self.dynamodb_client(), name: TABLE.to_owned(), known_users: None };
        schema::create_table(&table.client, &table.name).await?;
        Ok(table)
    }

    /// The resources of a process on these stores. Creates the table when it is missing. Answers have no size limit, because this
    /// process streams them.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be created, completed or removed.
    pub async fn resources(
        &self,
        address: &str,
        tokens: Tokens,
        environment: Environment,
        clock: Arc<dyn Clock>,
    ) -> Result<Resources, StoreError> {
        let table = self.table().await?;
        let storage = S3Storage { client: self.s3_client(address), bucket: self.s3.name().to_owned() };
        Ok(Resources {
            table,
            storage,
            tokens,
            clock,
            environment,
            max_upload_bytes: MAX_UPLOAD_BYTES,
            max_answer_bytes: None,
            export_turns: ExportTurns::default(),
            zip_by_job_above_bytes: ZIP_BY_JOB_ABOVE_BYTES,
            url_origin: Some(UrlOrigin::new(address.to_owned(), None)),
        })
    }
}
