//! Files in a bucket that fails: what the storage reports, what it retries, and that it leaves nothing half-made.

use std::time::Duration;

use api::problem::ApiError;
use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Config, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig},
    error::SdkError,
    operation::{
        abort_multipart_upload::AbortMultipartUploadOutput, complete_multipart_upload::CompleteMultipartUploadOutput,
        copy_object::CopyObjectOutput, create_multipart_upload::CreateMultipartUploadOutput, get_object::GetObjectOutput,
        head_object::HeadObjectOutput, list_objects_v2::ListObjectsV2Output, put_object::PutObjectOutput,
        upload_part::UploadPartOutput,
    },
    primitives::ByteStream as SdkStream,
    types::Object,
};
use aws_smithy_mocks::{MockResponseInterceptor, Rule, RuleMode, create_mock_http_client, mock};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures_util::stream;
use http::Method;
use http_body_util::{Full, Limited};
use stores::{
    StoreError,
    storage::{
        ByteStream, StorageBackend as _, StorageError, collect,
        s3::{PART_BYTES, S3Storage},
        stream_of,
    },
};

use crate::support::app::{Fault, TestApp};

const CSV: &str = "text/csv; charset=utf-8";

/// A bucket that answers by rules, with a client that retries as often as the product's own client.
fn bucket(rules: &[&Rule]) -> S3Storage {
    let interceptor = MockResponseInterceptor::new().rule_mode(RuleMode::MatchAny);
    let interceptor = rules.iter().fold(interceptor, |interceptor, rule| interceptor.with_rule(rule));
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .retry_config(retries)
        .http_client(create_mock_http_client())
        .interceptor(interceptor);
    S3Storage { client: Client::from_conf(config.build()), bucket: "loans".to_owned() }
}

/// An error response of S3, in XML.
fn refusal(status: u16, code: &str) -> HttpResponse {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>told to nobody</Message></Error>");
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}

fn unavailable<T>(outcome: Result<T, StorageError>) -> bool {
    matches!(outcome, Err(StorageError::Store(StoreError::Unavailable(_))))
}

/// Content that is larger than one part.
fn large() -> ByteStream {
    Box::pin(stream::iter([Ok(Bytes::from(vec![b'x'; PART_BYTES])), Ok(Bytes::from_static(b"rest"))]))
}

fn begun() -> Rule {
    mock!(Client::create_multipart_upload).then_output(|| CreateMultipartUploadOutput::builder().upload_id("u").build())
}

fn aborted() -> Rule {
    mock!(Client::abort_multipart_upload).then_output(|| AbortMultipartUploadOutput::builder().build())
}

#[tokio::test]
async fn throttling_is_tried_again_and_succeeds() {
    let put = mock!(Client::put_object)
        .sequence()
        .http_response(|| refusal(503, "SlowDown"))
        .times(2)
        .output(|| PutObjectOutput::builder().e_tag("\"tag\"").build())
        .build();
    let stored = bucket(&[&put]).put("a.csv", stream_of("hello"), CSV, 9).await.unwrap();
    assert_eq!((stored.size, stored.etag.as_str(), put.num_calls()), (5, "tag", 3));
}

#[tokio::test]
async fn throttling_that_does_not_end_is_an_outage() {
    let put = mock!(Client::put_object).sequence().http_response(|| refusal(503, "SlowDown")).repeatedly().build();
    assert!(unavailable(bucket(&[&put]).put("a.csv", stream_of("x"), CSV, 9).await));
    assert_eq!(put.num_calls(), 3);
}

#[tokio::test]
async fn every_failure_of_the_service_is_an_outage() {
    for (status, code) in [(500, "InternalError"), (503, "ServiceUnavailable"), (503, "SlowDown"), (502, "Other"), (504, "x")] {
        let rule = mock!(Client::get_object).sequence().http_response(move || refusal(status, code)).repeatedly().build();
        let got = bucket(&[&rule]).get("a.csv", None, None).await;
        assert!(unavailable(got), "{status} {code}");
    }
}

#[tokio::test]
async fn a_failure_without_a_body_is_an_outage_and_no_absence() {
    let failure = || HttpResponse::new(503.try_into().unwrap(), SdkBody::empty());
    let head = mock!(Client::head_object).sequence().http_response(failure).repeatedly().build();
    assert!(unavailable(bucket(&[&head]).info("a.csv").await));
    let absent = mock!(Client::head_object).then_http_response(|| HttpResponse::new(404.try_into().unwrap(), SdkBody::empty()));
    assert_eq!(bucket(&[&absent]).info("a.csv").await.unwrap(), None);
}

#[tokio::test]
async fn what_the_bucket_refuses_is_our_fault() {
    for code in ["AccessDenied", "NoSuchBucket", "InvalidAccessKeyId"] {
        let rule = mock!(Client::get_object).sequence().http_response(move || refusal(403, code)).repeatedly().build();
        let Err(error) = bucket(&[&rule]).get("a.csv", None, None).await else { panic!("{code}") };
        assert!(matches!(ApiError::from(error), ApiError::Internal(_)), "{code}");
    }
}

#[tokio::test]
async fn silence_is_an_outage() {
    let app = TestApp::new().await;
    for fault in [Fault::Silent, Fault::Unreachable] {
        app.bucket_outage.begin(fault);
        let storage = &app.resources.storage;
        assert!(unavailable(storage.get("a.csv", None, None).await), "{fault:?}");
        assert!(unavailable(storage.put("a.csv", stream_of("x"), CSV, 9).await), "{fault:?}");
        assert!(unavailable(storage.list("", true).await), "{fault:?}");
        assert!(unavailable(storage.try_out().await), "{fault:?}");
        assert_eq!(app.bucket_outage.end(), 4);
    }
}

/// Connections that never get an answer.
#[derive(Debug)]
struct Never;

impl HttpClient for Never {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Self)
    }
}

impl HttpConnector for Never {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(std::future::pending())
    }
}

#[tokio::test]
async fn a_time_limit_of_the_client_is_an_outage() {
    let timeouts = TimeoutConfig::builder().operation_timeout(Duration::from_millis(1)).build();
    let app = TestApp::with(|resources| {
        let config = resources.storage.client.config().to_builder().timeout_config(timeouts).http_client(Never);
        resources.storage.client = Client::from_conf(config.build());
    })
    .await;
    let ping = app.resources.storage.client.head_bucket().bucket("loans").send().await;
    assert!(matches!(ping, Err(SdkError::TimeoutError(_))), "{ping:?}");
    assert!(unavailable(app.resources.storage.try_out().await));
    assert!(unavailable(app.resources.storage.put("a.csv", stream_of("x"), CSV, 9).await));
}

#[tokio::test]
async fn a_part_that_fails_gives_the_whole_file_up() {
    let part = mock!(Client::upload_part).sequence().http_response(|| refusal(500, "InternalError")).repeatedly().build();
    let (begun, aborted) = (begun(), aborted());
    assert!(unavailable(bucket(&[&begun, &part, &aborted]).put("a.csv", large(), CSV, u64::MAX).await));
    assert_eq!((begun.num_calls(), aborted.num_calls()), (1, 1));
}

#[tokio::test]
async fn a_completion_that_fails_gives_the_whole_file_up() {
    let part = mock!(Client::upload_part).then_output(|| UploadPartOutput::builder().e_tag("\"p\"").build());
    let complete = mock!(Client::complete_multipart_upload).sequence();
    let complete = complete.http_response(|| refusal(503, "SlowDown")).repeatedly().build();
    let (begun, aborted) = (begun(), aborted());
    let storage = bucket(&[&begun, &part, &complete, &aborted]);
    assert!(unavailable(storage.put("a.csv", large(), CSV, u64::MAX).await));
    assert_eq!((part.num_calls(), aborted.num_calls()), (2, 1));
}

#[tokio::test]
async fn a_body_that_breaks_off_gives_the_whole_file_up() {
    let part = mock!(Client::upload_part).then_output(|| UploadPartOutput::builder().e_tag("\"p\"").build());
    let (begun, aborted) = (begun(), aborted());
    let body = stream::iter([Ok(Bytes::from(vec![b'x'; PART_BYTES])), Err(StorageError::Broken)]);
    let put = bucket(&[&begun, &part, &aborted]).put("a.csv", Box::pin(body), CSV, u64::MAX).await;
    assert!(matches!(put, Err(StorageError::Broken)));
    assert_eq!((begun.num_calls(), aborted.num_calls()), (1, 1));
}

#[tokio::test]
async fn what_is_over_the_limit_is_given_up_while_it_comes() {
    let part = mock!(Client::upload_part).then_output(|| UploadPartOutput::builder().e_tag("\"p\"").build());
    let (begun, aborted) = (begun(), aborted());
    let limit = PART_BYTES as u64 + 3;
    let put = bucket(&[&begun, &part, &aborted]).put("a.csv", large(), CSV, limit).await;
    assert!(matches!(put, Err(StorageError::TooLarge { limit: told }) if told == limit));
    assert_eq!((part.num_calls(), aborted.num_calls()), (1, 1));
}

#[tokio::test]
async fn what_cannot_even_be_given_up_keeps_its_first_failure() {
    let part = mock!(Client::upload_part).sequence().http_response(|| refusal(500, "InternalError")).repeatedly().build();
    let abort = mock!(Client::abort_multipart_upload).sequence().http_response(|| refusal(403, "AccessDenied")).build();
    let begun = begun();
    assert!(unavailable(bucket(&[&begun, &part, &abort]).put("a.csv", large(), CSV, u64::MAX).await));
}

#[tokio::test]
async fn parts_are_completed_in_their_order() {
    let part = mock!(Client::upload_part)
        .then_compute_output(|part| UploadPartOutput::builder().e_tag(format!("tag {}", part.part_number().unwrap())).build());
    let complete = mock!(Client::complete_multipart_upload)
        .match_requests(|request| {
            let parts = request.multipart_upload().unwrap().parts();
            let told: Vec<_> = parts.iter().map(|part| (part.part_number().unwrap(), part.e_tag().unwrap())).collect();
            told == [(1, "tag 1"), (2, "tag 2")] && request.upload_id() == Some("u")
        })
        .then_output(|| CompleteMultipartUploadOutput::builder().e_tag("\"whole\"").build());
    let begun = begun();
    let stored = bucket(&[&begun, &part, &complete]).put("a.csv", large(), CSV, u64::MAX).await.unwrap();
    assert_eq!((stored.size, stored.etag.as_str()), (PART_BYTES as u64 + 4, "whole"));
}

#[tokio::test]
async fn a_list_is_read_to_its_last_page() {
    let page = |token: Option<&'static str>, key: &'static str, next: Option<&'static str>| {
        mock!(Client::list_objects_v2).match_requests(move |request| request.continuation_token() == token).then_output(
            move || {
                let object = Object::builder().key(key).size(1).build();
                ListObjectsV2Output::builder().contents(object).set_next_continuation_token(next.map(str::to_owned)).build()
            },
        )
    };
    let [first, second] = [page(None, "in/a.csv", Some("t")), page(Some("t"), "in/b.csv", None)];
    let listed = bucket(&[&first, &second]).list("in", false).await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["in/a.csv", "in/b.csv"]);
}

#[tokio::test]
async fn a_list_that_breaks_off_is_no_shorter_list() {
    let first = mock!(Client::list_objects_v2).match_requests(|request| request.continuation_token().is_none());
    let first = first.then_output(|| ListObjectsV2Output::builder().next_continuation_token("t").build());
    let second = mock!(Client::list_objects_v2).match_requests(|request| request.continuation_token() == Some("t"));
    let second = second.sequence().http_response(|| refusal(500, "InternalError")).repeatedly().build();
    assert!(unavailable(bucket(&[&first, &second]).list("in", true).await));
}

#[tokio::test]
async fn a_file_that_was_replaced_is_told_from_an_outage() {
    let get = mock!(Client::get_object).then_http_response(|| refusal(412, "PreconditionFailed"));
    assert!(matches!(bucket(&[&get]).get("a.csv", None, Some("tag")).await, Err(StorageError::Changed)));
    let head = mock!(Client::head_object).then_output(|| HeadObjectOutput::builder().content_length(1).e_tag("\"tag\"").build());
    let copy = mock!(Client::copy_object).then_http_response(|| refusal(412, "PreconditionFailed"));
    assert!(matches!(bucket(&[&head, &copy]).copy("a.csv", "b.csv", Some("tag")).await, Err(StorageError::Changed)));
}

#[tokio::test]
async fn a_key_is_encoded_where_a_copy_names_it() {
    let head = mock!(Client::head_object).then_output(|| HeadObjectOutput::builder().content_length(1).e_tag("\"tag\"").build());
    let copy = mock!(Client::copy_object)
        .match_requests(|request| {
            request.copy_source() == Some("loans/in/%C3%BC%20%26%2B.csv") && request.copy_source_if_match() == Some("\"tag\"")
        })
        .then_output(|| CopyObjectOutput::builder().build());
    bucket(&[&head, &copy]).copy("in/ü &+.csv", "out/b.csv", None).await.unwrap();
    assert_eq!(copy.num_calls(), 1);
}

#[tokio::test]
async fn a_body_that_breaks_off_on_its_way_here_is_an_outage() {
    let get = mock!(Client::get_object).then_output(|| {
        let broken = Limited::new(Full::new(Bytes::from_static(b"hello")), 3);
        GetObjectOutput::builder().content_length(5).body(SdkStream::new(SdkBody::from_body_1_x(broken))).build()
    });
    let download = bucket(&[&get]).get("a.csv", None, None).await.unwrap();
    assert!(unavailable(collect(download.body, 100).await));
}

#[tokio::test]
async fn an_address_is_made_without_asking_the_bucket() {
    let app = TestApp::new().await;
    app.bucket_outage.begin(Fault::Broken);
    let storage = &app.resources.storage;
    let get = storage.url_to_get("inputs/a.csv", 60, "inline").await.unwrap();
    let put = storage.url_to_put("inputs/a.csv", 60, CSV).await.unwrap();
    assert_eq!(app.bucket_outage.end(), 0);
    assert_eq!(app.fetch(Method::PUT, &put.url, &put.headers, "x").await.status.as_u16(), 200);
    assert_eq!(app.fetch(Method::GET, &get.url, &get.headers, "").await.text(), "x");
}

#[tokio::test]
async fn the_same_content_has_the_same_tag_whoever_writes_it() {
    let app = TestApp::new().await;
    let storage = &app.resources.storage;
    let put = async |key: &str, content: &'static str| storage.put_bytes(key, content.into(), CSV).await.unwrap().etag;
    let first = put("results/a/facts.parquet", "content").await;
    // A worker that has lost its run may still write, and what the run refers to must not change.
    assert_eq!(put("results/a/facts.parquet", "content").await, first);
    assert_eq!(put("results/b/facts.parquet", "content").await, first);
    assert_ne!(put("results/a/facts.parquet", "other").await, first);
    // With this suffix, no tool takes the ETag for an MD5.
    assert!(first.ends_with("-1"), "{first}");
}

#[tokio::test]
async fn a_content_with_another_md5_than_was_said_is_not_taken() {
    let app = TestApp::new().await;
    let S3Storage { client, bucket } = &app.resources.storage;
    let put = |md5: &str| {
        client.put_object().bucket(bucket).key("inputs/a.csv").content_md5(md5).body(SdkStream::from_static(b"content"))
    };
    for wrong in ["1B2M2Y8AsgTpgAmY7PhCfg==", "no base64"] {
        assert!(put(wrong).send().await.is_err(), "{wrong}");
        assert!(app.resources.storage.find("inputs/a.csv").await.unwrap().is_none());
    }
    put("mgNkuembtIDdJeHwKEyFVQ==").send().await.unwrap();
    assert_eq!(app.text("inputs/a.csv").await, "content");
}
