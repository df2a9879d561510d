//! Stores that fail when a test says so. Requests go through the SDK's own client up to where they would leave the process.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
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
    /// It takes requests and says nothing, and the client waits.
    Hanging,
    /// It takes requests and says nothing until the client's own patience ends.
    Silent,
    /// It has too much to do.
    Throttled,
    /// It answers with an error of its own.
    Broken,
    /// It does what it is asked for, and its answer does not arrive.
    AnswerLost,
}

impl Fault {
    /// Every fault in which the store does nothing and the client learns that it failed.
    pub const ENDING: [Self; 4] = [Self::Unreachable, Self::Silent, Self::Throttled, Self::Broken];
}

/// Which requests fail.
#[derive(Debug, Clone, Copy)]
struct Plan {
    fault: Fault,
    /// How many pass before.
    spared: usize,
    /// What the description of a request that fails has in it.
    only: &'static str,
}

#[derive(Debug, Default)]
struct Switch {
    plan: Option<Plan>,
    failed: usize,
}

/// Whether a store fails, and how. Clones are the same switch.
#[derive(Debug, Clone, Default)]
pub struct Outage(Arc<Mutex<Switch>>);

impl Outage {
    fn set(&self, plan: Plan) {
        *self.0.lock().unwrap() = Switch { plan: Some(plan), failed: 0 };
    }

    /// From now on the store fails.
    pub fn begin(&self, fault: Fault) {
        self.begin_after(0, fault);
    }

    /// After some more requests the store fails.
    pub fn begin_after(&self, spared: usize, fault: Fault) {
        self.set(Plan { fault, spared, only: "" });
    }

    /// From now on requests fail that are described by what has `only` in it: of the table an operation, of the bucket a
    /// method and an address.
    pub fn begin_for(&self, only: &'static str, fault: Fault) {
        self.set(Plan { fault, spared: 0, only });
    }

    /// From now on the store works. How many requests failed.
    pub fn end(&self) -> usize {
        std::mem::take(&mut *self.0.lock().unwrap()).failed
    }

    /// What a request meets.
    fn meets(&self, described: &str) -> Option<Fault> {
        let mut switch = self.0.lock().unwrap();
        let plan = switch.plan.as_mut().filter(|plan| described.contains(plan.only))?;
        if plan.spared > 0 {
            plan.spared -= 1;
            return None;
        }
        let fault = plan.fault;
        switch.failed += 1;
        Some(fault)
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
        let operation = request.headers().get("x-amz-target").map(str::to_owned);
        let described = operation.clone().unwrap_or_else(|| format!("{} {}", request.method(), request.uri()));
        let (status, code) = match (self.outage.meets(&described), operation.is_some()) {
            (None, _) => return self.way.call(request),
            (Some(Fault::Hanging), _) => return HttpConnectorFuture::new(std::future::pending()),
            (Some(Fault::Unreachable), _) => return HttpConnectorFuture::ready(Err(ConnectorError::io(INSIDE.into()))),
            (Some(Fault::Silent), _) => return HttpConnectorFuture::ready(Err(ConnectorError::timeout(INSIDE.into()))),
            (Some(Fault::AnswerLost), _) => {
                let answer = self.way.call(request);
                return HttpConnectorFuture::new(async {
                    answer.await?;
                    Err(ConnectorError::timeout(INSIDE.into()))
                });
            }
            (Some(Fault::Throttled), true) => (400, "ThrottlingException"),
            (Some(Fault::Throttled), false) => (503, "SlowDown"),
            (Some(Fault::Broken), true) => (500, "InternalServerError"),
            (Some(Fault::Broken), false) => (500, "InternalError"),
        };
        let body = match operation {
            Some(_) => format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"{INSIDE}"}}"#),
            None => format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{INSIDE}</Message></Error>"),
        };
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))))
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
