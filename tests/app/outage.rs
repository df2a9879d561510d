//! Stores that fail when a test says so. Requests go through the SDK's own client up to where they would leave the process.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::{
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use shared::resources::Resources;

/// What stands in the errors of a failing store, and must not get into an answer.
pub const INSIDE: &str = "host 10.0.0.7 of the inside";

/// How a store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nobody is there.
    Unreachable,
    /// It takes requests and says nothing until the client's own patience ends.
    Silent,
    /// It takes requests and says nothing, and the client waits.
    Hanging,
    /// It answers with an error of its own.
    Broken,
}

/// Whether a store fails, and how. Clones are the same switch.
#[derive(Debug, Clone, Default)]
pub struct Outage(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    fault: Option<Fault>,
    failed: usize,
}

impl Outage {
    /// From now on the store fails.
    pub fn begin(&self, fault: Fault) {
        *self.0.lock().unwrap() = State { fault: Some(fault), failed: 0 };
    }

    /// From now on the store works. Tells how many requests have failed.
    pub fn end(&self) -> usize {
        std::mem::take(&mut *self.0.lock().unwrap()).failed
    }

    /// How the next request fails, if it does.
    fn next(&self) -> Option<Fault> {
        let mut state = self.0.lock().unwrap();
        state.failed += usize::from(state.fault.is_some());
        state.fault
    }
}

/// A client's way out, with a switch in it.
#[derive(Debug, Clone)]
struct Switched<T> {
    way: T,
    outage: Outage,
}

impl HttpClient for Switched<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let way = self.way.http_connector(settings, components);
        SharedHttpConnector::new(Switched { way, outage: self.outage.clone() })
    }
}

impl HttpConnector for Switched<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.outage.next() {
            None => self.way.call(request),
            Some(Fault::Unreachable) => HttpConnectorFuture::ready(Err(ConnectorError::io(INSIDE.into()))),
            Some(Fault::Silent) => HttpConnectorFuture::ready(Err(ConnectorError::timeout(INSIDE.into()))),
            Some(Fault::Hanging) => HttpConnectorFuture::new(std::future::pending()),
            Some(Fault::Broken) => {
                let status = StatusCode::try_from(500).unwrap();
                HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(INSIDE))))
            }
        }
    }
}

/// Puts switches into the clients of the table and of the bucket.
pub fn outages(resources: &mut Resources) -> (Outage, Outage) {
    let (table, bucket) = (Outage::default(), Outage::default());
    let config = resources.table.client.config();
    let way = Switched { way: config.http_client().unwrap(), outage: table.clone() };
    let config = config.to_builder().http_client(SharedHttpClient::new(way)).build();
    resources.table.client = aws_sdk_dynamodb::Client::from_conf(config);
    let config = resources.storage.client.config();
    let way = Switched { way: config.http_client().unwrap(), outage: bucket.clone() };
    let config = config.to_builder().http_client(SharedHttpClient::new(way)).build();
    resources.storage.client = aws_sdk_s3::Client::from_conf(config);
    (table, bucket)
}
