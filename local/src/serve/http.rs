//! The one port: the bucket under its path, the API everywhere else.

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

/// Whatever lies below the bucket's path goes to the bucket, with its whole path, because that is signed. All else goes to
/// the API.
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
    // A presigned URL is signed for the address that we listen on, whatever origin it begins with: a client may reach us as
    // `localhost`, through a forwarded port, or as PUBLIC_URL. So the signature is checked for that address, too. The name that
    // the client called counts for nothing: it signs nothing, and the bucket is found by the path, which is signed.
    let presigned = request.uri().query().is_some_and(|query| query.contains("X-Amz-Signature="));
    if let Some(host) = host.filter(|_| presigned) {
        request.headers_mut().insert(header::HOST, host);
    }
    let (method, started) = (request.method().clone(), Instant::now());
    let mut answer = bucket.oneshot(request).await?;
    // It comes from the same origin as the API, and what is in it was written by others.
    secure(answer.headers_mut());
    let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::info!(%method, status = answer.status().as_u16(), presigned, duration_us, "the bucket answered");
    Ok(answer)
}

/// The API counts failed log-ins by the address that they come from.
fn with_address(mut request: Request) -> Request {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied() {
        request.extensions_mut().insert(ClientAddress(peer.ip().to_string()));
    }
    request
}
