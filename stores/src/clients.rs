//! The AWS clients, built once in each process.

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

/// Time limits for one attempt of a request, and for all attempts together. Both are shorter than the timeout of API Gateway.
const TRY: Duration = Duration::from_secs(5);
const ALL_TRIES: Duration = Duration::from_secs(12);

/// The SDK configuration from the environment: region, credentials, endpoints.
pub async fn sdk_config() -> SdkConfig {
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await
}

/// The DynamoDB client, with time limits and retries.
pub fn dynamodb(config: &SdkConfig) -> aws_sdk_dynamodb::Client {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(TRY).operation_timeout(ALL_TRIES).build();
    let builder = aws_sdk_dynamodb::config::Builder::from(config).timeout_config(timeouts).retry_config(RetryConfig::standard());
    aws_sdk_dynamodb::Client::from_conf(builder.build())
}

/// The S3 client. With `path_style`, the name of the bucket is in the path of URLs, as endpoints other than AWS expect. Parts of
/// large objects may take long, so requests have no overall time limit; only connecting and a stalled transfer are limited.
pub fn s3(config: &SdkConfig, path_style: bool) -> aws_sdk_s3::Client {
    let timeouts = TimeoutConfig::builder().connect_timeout(TRY).read_timeout(4 * TRY).build();
    let builder = aws_sdk_s3::config::Builder::from(config)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .force_path_style(path_style);
    aws_sdk_s3::Client::from_conf(builder.build())
}
