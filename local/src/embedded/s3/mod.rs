//! S3 in this process: one bucket, its index in SQLite and its contents in files.

mod answers;
mod blobs;
mod index;
mod multipart;
mod objects;
mod signed;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use axum::{Router, body::Body, extract::Request, response::Response};
use futures_util::FutureExt as _;
use http::{HeaderValue, header};
use http_body_util::BodyExt as _;
use s3s::{
    S3Error, S3Result,
    auth::SimpleAuth,
    s3_error,
    service::{S3Service, S3ServiceBuilder},
};
use shared::{clock::Clock, error::chain};
use tokio::sync::Notify;

use super::{Credentials, EmbeddedError, Options, presence::Presence};

use self::{blobs::Blobs, index::Index};

pub use self::index::Appeared;

/// A bucket. Clones share it.
#[derive(Clone)]
pub struct Bucket {
    inner: Arc<Inner>,
    credentials: Credentials,
}

struct Inner {
    name: String,
    index: Mutex<Index>,
    blobs: Blobs,
    /// Detects that the index or the folder of contents was moved, deleted or replaced.
    presence: Presence,
    watched_prefix: String,
    appeared: Notify,
    clock: Arc<dyn Clock>,
}

impl Bucket {
    pub(super) fn open(folder: &Path, options: Options) -> Result<Self, EmbeddedError> {
        let failed = |reason: String| EmbeddedError::Database { what: "bucket", reason };
        let (contents, database) = (folder.join("blobs"), folder.join("bucket.sqlite"));
        let blobs = Blobs::open(&contents, options.durable).map_err(|error| failed(error.to_string()))?;
        let index = Index::open(&database, options.durable).map_err(|error| failed(error.to_string()))?;
        let presence = Presence::of([contents, database]).map_err(|error| failed(error.to_string()))?;
        let kept = index.blobs().map_err(|error| failed(error.to_string()))?;
        blobs.remove_all_but(&kept).map_err(|error| failed(error.to_string()))?;
        let inner = Inner {
            name: options.bucket,
            index: Mutex::new(index),
            blobs,
            presence,
            watched_prefix: options.watched_prefix,
            appeared: Notify::new(),
            clock: options.clock,
        };
        Ok(Self { inner: Arc::new(inner), credentials: options.credentials })
    }

    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Key pair that signs requests to the bucket.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    fn service(&self) -> S3Service {
        let mut builder = S3ServiceBuilder::new(self.clone());
        let Credentials { access_key, secret_key } = &self.credentials;
        builder.set_auth(SimpleAuth::from_single(access_key.clone(), secret_key.clone()));
        builder.set_access(signed::AllThatCounts);
        builder.build()
    }

    /// Answers signed requests over HTTP; presigned URLs lead here. The router must get URLs with the bucket's path, because the
    /// signature covers the path.
    pub fn router(&self) -> Router {
        let service = self.service();
        Router::new().fallback(move |request: Request| {
            let service = service.clone();
            async move {
                // Reject a browser's upload: its body would be read into memory before the signature is checked.
                if is_form(&request) {
                    return Response::builder().status(405).header(header::ALLOW, "GET, HEAD, PUT, DELETE").body(Body::empty());
                }
                let request = signed::without_token(request).map(s3s::Body::http_body_unsync);
                match service.call(request).await {
                    Ok(answer) => Ok(answer.map(Body::new)),
                    Err(error) => {
                        tracing::error!(?error, "the bucket in the data folder failed");
                        Response::builder().status(500).body(Body::empty())
                    }
                }
            }
            .map(Result::unwrap_or_default)
        })
    }

    /// Notifications of objects below the watched prefix that are not acknowledged, the oldest first, at most `limit`.
    ///
    /// # Errors
    /// `InternalError` when the index cannot be read.
    pub async fn appeared(&self, limit: u32) -> S3Result<Vec<Appeared>> {
        self.with_index(move |index| index.appeared(limit)).await
    }

    /// Acknowledges a notification, which removes it.
    ///
    /// # Errors
    /// `InternalError` when the index cannot be written, `ServiceUnavailable` when the data folder was moved, deleted or
    /// replaced.
    pub async fn acknowledge(&self, id: i64) -> S3Result<()> {
        self.change_index(move |index| index.acknowledge(id)).await
    }

    /// Waits until an object appears below the watched prefix.
    pub async fn something_appeared(&self) {
        self.inner.appeared.notified().await;
    }

    /// Checks that the data folder is where it was, so that no lost write is acknowledged.
    fn present(&self) -> S3Result<()> {
        self.inner.presence.check().map_err(|error| {
            tracing::error!(%error, "the bucket refused a write");
            s3_error!(error, ServiceUnavailable)
        })
    }

    /// Changes the index, off the async threads.
    async fn change_index<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Index) -> rusqlite::Result<T> + Send + 'static,
    ) -> S3Result<T> {
        // Check before, so that nothing is written in vain, and after, so that no lost write is acknowledged.
        self.present()?;
        let done = self.with_index(work).await?;
        self.present().map(|()| done)
    }

    /// Uses the index, off the async threads.
    async fn with_index<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Index) -> rusqlite::Result<T> + Send + 'static,
    ) -> S3Result<T> {
        let inner = Arc::clone(&self.inner);
        blocking(move || work(&mut inner.index.lock().unwrap_or_else(PoisonError::into_inner))).await
    }
}

/// Whether a request is an upload from a browser's form. S3 accepts one with a signed policy; the product creates no policies.
fn is_form(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    request.method() == http::Method::POST && kind.trim_start().to_ascii_lowercase().starts_with("multipart/")
}

/// Executes `work` off the async threads.
async fn blocking<T: Send + 'static, E: std::error::Error + Send + Sync + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> S3Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(failed(error)),
        Err(error) => Err(failed(error)),
    }
}

/// Logs a failure, and hides its cause from the client: a cause such as a full disk is for the log.
fn failed(error: impl std::error::Error + Send + Sync + 'static) -> S3Error {
    tracing::error!(error = chain(&error), "the bucket in the data folder failed");
    s3_error!(error, InternalError)
}

/// Connects the SDK to the bucket without a socket.
#[derive(Clone)]
pub struct Connector(S3Service);

impl Connector {
    pub(super) fn new(bucket: &Bucket) -> Self {
        Self(bucket.service())
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpClient for Connector {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let service = self.0.clone();
        HttpConnectorFuture::new(async move {
            let failed = |error: Box<dyn std::error::Error + Send + Sync>| ConnectorError::other(error, None);
            let request = request.try_into_http1x().map_err(|error| failed(error.into()))?;
            let head = request.method() == http::Method::HEAD;
            let mut request = request.map(s3s::Body::http_body);
            // The signature covers the host. On the way through a socket the host would have become a header.
            if let Some(host) = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
                request.headers_mut().entry(header::HOST).or_insert(host);
            }
            let answer = service.call(request).await.map_err(|error| failed(error.into()))?;
            // An answer to HEAD has no body on the wire, and the SDK would take a body for the description of an error.
            let answer =
                answer.map(
                    |body| {
                        if head { SdkBody::empty() } else { SdkBody::from_body_1_x(body.map_err(|error| error.to_string())) }
                    },
                );
            HttpResponse::try_from(answer).map_err(|error| failed(error.into()))
        })
    }
}
