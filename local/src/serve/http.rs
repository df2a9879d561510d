//! Routing of the one port: paths below the bucket's name lead to the bucket, all others to the API.

use std::{convert::Infallible, net::SocketAddr, time::Instant};

use api::{extract::ClientAddress, layers::secure};
use axum::{
    Router,
    extract::{ConnectInfo, Request},
    response::Response,
};
use http::{HeaderValue, header};
use tower::ServiceExt as _;

use crate::embedded::s3::Bucket;

/// Sends requests below the bucket's path to the bucket, and all others to the API. The bucket gets the whole path, because the
/// signature covers it.
pub fn router(api: Router, bucket: &Bucket, address: SocketAddr) -> Router {
    let (root, below) = (format!("/{}", bucket.name()), format!("/{}/", bucket.name()));
    let bucket = bucket.router();
    let host = HeaderValue::try_from(address.to_string()).ok();
    Router::new().fallback(move |request: Request| {
        let path = request.uri().path();
        let (is_object, host) = (path == root || path.starts_with(&below), host.clone());
        let (api, bucket) = (api.clone(), bucket.clone());
        async move {
            let answered =
                if is_object { ask_bucket(bucket, request, host).await } else { api.oneshot(with_address(request)).await };
            answered.unwrap_or_else(|never| match never {})
        }
    })
}

async fn ask_bucket(bucket: Router, mut request: Request, host: Option<HeaderValue>) -> Result<Response, Infallible> {
    // A presigned URL is signed for the address that `serve` listens on, no matter which origin the URL has: a client may reach
    // the port as `localhost`, through a forwarded port, or as PUBLIC_URL. So check the signature for the listening address. The
    // client's own `Host` may be dropped: it signs nothing, and the bucket is found by the path, which is signed.
    let presigned = request.uri().query().is_some_and(|query| query.contains("X-Amz-Signature="));
    if let Some(host) = host.filter(|_| presigned) {
        request.headers_mut().insert(header::HOST, host);
    }
    let (method, started) = (request.method().clone(), Instant::now());
    let mut answer = bucket.oneshot(request).await?;
    // Objects come from the same origin as the API, and other users wrote their content: add the security headers.
    secure(answer.headers_mut());
    let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::info!(%method, status = answer.status().as_u16(), presigned, duration_us, "the bucket answered");
    Ok(answer)
}

/// Adds the client's IP address, because the API counts failed log-ins by IP address.
fn with_address(mut request: Request) -> Request {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied() {
        request.extensions_mut().insert(ClientAddress(peer.ip().to_string()));
    }
    request
}
