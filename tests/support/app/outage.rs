//! Stores that fail on command. Requests pass through the SDK's own client and are intercepted where they would leave the
//! process.
//!
//! A store fails either from a given request on or in a single call. To choose that call, a test first records which calls there
//! are.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::Value;
use stores::resources::Resources;
use uuid::Uuid;

/// Internal details in the errors of a failing store. They must not get into an answer.
pub const INSIDE: &str = "host 10.0.0.7 of the inside";

/// How a store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection to the store fails.
    Unreachable,
    /// The store accepts requests and never answers, and the client keeps waiting.
    Hanging,
    /// The store accepts requests and never answers, and the client times out.
    Silent,
    /// The store is overloaded and throttles requests.
    Throttled,
    /// The store answers with an internal error.
    Broken,
    /// The store executes the request, but its answer does not arrive.
    AnswerLost,
    /// The store executes the request, but its answer breaks off in the middle.
    CutShort,
    /// The store cancels a transaction because it conflicts with other transactions in progress.
    Contended,
    /// The store cancels a transaction because one of its items is too large.
    Oversized,
    /// The store answers 200 with an error in the body, as S3 does for requests that take long.
    BrokenInside,
}

impl Fault {
    /// Every fault in which the store does nothing and the client learns that the request failed.
    pub const ENDING: [Self; 4] = [Self::Unreachable, Self::Silent, Self::Throttled, Self::Broken];
}

/// Which requests fail.
#[derive(Debug, Clone, Copy)]
struct Plan {
    fault: Fault,
    /// The number of requests that pass first.
    spared: usize,
    /// A text that the description of a failing request contains.
    only: &'static str,
}

/// A call to a store. All tries of a call count as one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asked {
    /// The kind of call: an operation and the kinds of its keys, or a method and a path. Ids are left out.
    pub shape: String,
    /// The number of earlier calls with the same shape.
    pub nth: usize,
}

impl Asked {
    /// Whether the call begins or completes a multipart upload, or uploads its first part.
    pub fn belongs_to_an_upload(&self) -> bool {
        self.shape.starts_with("BEGIN ") || self.shape.starts_with("COMPLETE ") || self.shape.ends_with(" partNumber=1")
    }
}

impl Fault {
    /// Whether a call can fail in this way.
    pub fn fits(self, asked: &Asked) -> bool {
        let how = asked.shape.split(' ').next().unwrap_or_default();
        match self {
            Self::Contended | Self::Oversized => how == "TransactWriteItems",
            Self::BrokenInside => ["COPY", "COMPLETE"].contains(&how),
            // The answer to these calls is only a head, so there is no body that could break off.
            Self::CutShort => !["HEAD", "PUT", "DELETE", "ABORT"].contains(&how),
            _ => true,
        }
    }
}

/// The single call that fails.
#[derive(Debug)]
struct One {
    asked: Asked,
    fault: Fault,
    /// Whether every try of the call fails, and not only the first.
    every_try: bool,
}

/// The state of a recording.
#[derive(Debug, Default)]
struct Recording {
    one: Option<One>,
    asked: Vec<Asked>,
    /// The index of the call for each invocation id of the SDK.
    invocations: HashMap<String, usize>,
    /// The number of multipart uploads that have begun and not ended.
    unfinished: isize,
    /// Whether the store received a request that may have changed something.
    changed: bool,
}

/// The result of a recording.
#[derive(Debug)]
pub struct Recorded {
    /// The calls, in order.
    pub asked: Vec<Asked>,
    /// The number of tries of the single call that failed.
    pub failed: usize,
    /// The number of multipart uploads that have begun and not ended.
    pub unfinished: isize,
    /// Whether the store received a request that may have changed something.
    pub changed: bool,
}

#[derive(Debug, Default)]
struct Switch {
    plan: Option<Plan>,
    failed: usize,
    recording: Option<Recording>,
}

/// The switch that decides whether and how a store fails. Clones share one switch.
#[derive(Debug, Clone, Default)]
pub struct Outage(Arc<Mutex<Switch>>);

impl Outage {
    fn set(&self, plan: Plan) {
        *self.0.lock().unwrap() = Switch { plan: Some(plan), ..Switch::default() };
    }

    /// Makes the store fail from now on.
    pub fn begin(&self, fault: Fault) {
        self.begin_after(0, fault);
    }

    /// Makes the store fail after `spared` more requests.
    pub fn begin_after(&self, spared: usize, fault: Fault) {
        self.set(Plan { fault, spared, only: "" });
    }

    /// Makes requests fail whose description contains `only`. The description is the operation for the table, and the method and
    /// the URL for the bucket.
    pub fn begin_for(&self, only: &'static str, fault: Fault) {
        self.set(Plan { fault, spared: 0, only });
    }

    /// Makes the store work again. Returns the number of requests that failed.
    pub fn end(&self) -> usize {
        std::mem::take(&mut *self.0.lock().unwrap()).failed
    }

    /// Starts a recording of calls.
    pub fn record(&self) {
        *self.0.lock().unwrap() = Switch { recording: Some(Recording::default()), ..Switch::default() };
    }

    /// Starts a recording of calls in which one call fails: only its first try, or every try.
    pub fn fail_one(&self, asked: &Asked, fault: Fault, every_try: bool) {
        let one = Some(One { asked: asked.clone(), fault, every_try });
        let recording = Recording { one, ..Recording::default() };
        *self.0.lock().unwrap() = Switch { recording: Some(recording), ..Switch::default() };
    }

    /// Ends the recording and returns its result.
    pub fn recorded(&self) -> Recorded {
        let Switch { failed, recording, .. } = std::mem::take(&mut *self.0.lock().unwrap());
        let Recording { asked, unfinished, changed, .. } = recording.unwrap_or_default();
        Recorded { asked, failed, unfinished, changed }
    }

    /// Records a request. Returns the fault if the request has to fail.
    fn note(&self, request: &HttpRequest) -> Option<Fault> {
        let mut switch = self.0.lock().unwrap();
        let Switch { recording: Some(Recording { one, asked, invocations, .. }), failed, .. } = &mut *switch else { return None };
        let invocation = request.headers().get("amz-sdk-invocation-id").unwrap_or_default().to_owned();
        let (call, again) = match invocations.get(&invocation) {
            Some(at) => (asked[*at].clone(), true),
            None => {
                let shape = shape(request);
                let nth = asked.iter().filter(|other| other.shape == shape).count();
                invocations.insert(invocation, asked.len());
                asked.push(Asked { shape, nth });
                (asked[asked.len() - 1].clone(), false)
            }
        };
        let one = one.as_ref().filter(|one| one.asked == call && (one.every_try || !again))?;
        *failed += 1;
        Some(one.fault)
    }

    /// Records that the store has executed a request. `how` is the first word of the request's shape.
    fn done(&self, how: &str, status: u16) {
        let mut switch = self.0.lock().unwrap();
        let Some(recording) = &mut switch.recording else { return };
        recording.changed |= !["GetItem", "Query", "GET", "HEAD", "LIST"].contains(&how);
        if (200..300).contains(&status) {
            recording.unfinished += match how {
                "BEGIN" => 1,
                "COMPLETE" | "ABORT" => -1,
                _ => 0,
            };
        }
    }

    /// The fault that the current plan gives to a request, if any.
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

/// An HTTP client or connector with a switch in front of it.
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

/// A text in which `instead` replaces every UUID.
pub fn without_ids(text: &str, instead: impl Fn(&str) -> String) -> String {
    const LENGTH: usize = Uuid::nil().as_bytes().len() * 2 + 4;
    let (mut without, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(next) = rest.chars().next() {
        match rest.get(..LENGTH).filter(|id| id.as_bytes()[8] == b'-' && Uuid::try_parse(id).is_ok()) {
            Some(id) => {
                without += &instead(id);
                rest = &rest[LENGTH..];
            }
            None => {
                without.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    without
}

/// The operation of a request to the table; `None` for a request to the bucket.
fn operation(request: &HttpRequest) -> Option<&str> {
    request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next())
}

/// The shape of a request, as in [`Asked::shape`].
fn shape(request: &HttpRequest) -> String {
    let kind = |key: &Value| {
        let [pk, sk] = ["pk", "sk"].map(|name| key[name]["S"].as_str().unwrap_or("?"));
        let kind = pk.split('#').next().unwrap_or_default();
        if kind == sk { kind.to_owned() } else { format!("{kind}/{sk}") }
    };
    if let Some(operation) = operation(request) {
        let body: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
        let keys = match (&body["TransactItems"], &body["IndexName"]) {
            (Value::Array(writes), _) => {
                let writes = writes.iter().filter_map(|write| write.as_object()?.iter().next());
                let key = |write: &Value| kind(write.get("Item").unwrap_or(&write["Key"]));
                writes.map(|(how, write)| format!("{how} {}", key(write))).collect::<Vec<_>>().join(", ")
            }
            (_, Value::String(index)) => index.clone(),
            _ => kind(&body["Key"]),
        };
        return format!("{operation} {keys}");
    }
    let uri: http::Uri = request.uri().parse().unwrap();
    let asks = |name: &str| uri.query().unwrap_or_default().split('&').find(|part| part.split('=').next() == Some(name));
    let method = match request.method() {
        "PUT" if request.headers().get("x-amz-copy-source").is_some() => "COPY",
        "POST" if asks("uploads").is_some() => "BEGIN",
        "POST" => "COMPLETE",
        "DELETE" if asks("uploadId").is_some() => "ABORT",
        "GET" if asks("list-type").is_some() => "LIST",
        method => method,
    };
    let part = ["prefix", "partNumber"].into_iter().find_map(asks).unwrap_or_default();
    without_ids(&format!("{method} {} {part}", uri.path()), |_| "{id}".to_owned()).trim_end().to_owned()
}

impl HttpConnector for Switched<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").map(str::to_owned);
        let described = operation.clone().unwrap_or_else(|| format!("{} {}", request.method(), request.uri()));
        let fault = self.outage.note(&request).or_else(|| self.outage.meets(&described));
        let (way, outage, shape) = (self.way.clone(), self.outage.clone(), shape(&request));
        let done = async move {
            let answer = way.call(request).await?;
            outage.done(shape.split(' ').next().unwrap_or_default(), answer.status().as_u16());
            Ok::<_, ConnectorError>(answer)
        };
        let (status, code) = match (fault, operation.is_some()) {
            (None, _) => return HttpConnectorFuture::new(done),
            (Some(Fault::Hanging), _) => return HttpConnectorFuture::new(std::future::pending()),
            (Some(Fault::Unreachable), _) => return HttpConnectorFuture::ready(Err(ConnectorError::io(INSIDE.into()))),
            (Some(Fault::Silent), _) => return HttpConnectorFuture::ready(Err(ConnectorError::timeout(INSIDE.into()))),
            (Some(Fault::AnswerLost), _) => {
                return HttpConnectorFuture::new(async {
                    done.await?;
                    Err(ConnectorError::timeout(INSIDE.into()))
                });
            }
            (Some(Fault::CutShort), _) => return HttpConnectorFuture::new(async { cut_short(done.await?).await }),
            (Some(Fault::Throttled), true) => (400, "ThrottlingException"),
            (Some(Fault::Throttled), false) => (503, "SlowDown"),
            (Some(Fault::Broken), true) => (500, "InternalServerError"),
            (Some(Fault::Broken), false) => (500, "InternalError"),
            (Some(Fault::BrokenInside), _) => (200, "InternalError"),
            (Some(Fault::Contended | Fault::Oversized), _) => (400, "TransactionCanceledException"),
        };
        let body = match operation {
            Some(_) => {
                let name = format!("com.amazonaws.dynamodb.v20120810#{code}");
                let reason = match fault {
                    Some(Fault::Oversized) => ("ValidationError", "Item size to update has exceeded the maximum allowed size"),
                    _ => ("TransactionConflict", INSIDE),
                };
                let reasons = [serde_json::json!({"Code": reason.0, "Message": reason.1})];
                serde_json::json!({"__type": name, "message": INSIDE, "CancellationReasons": reasons}).to_string()
            }
            None => format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{INSIDE}</Message></Error>"),
        };
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))))
    }
}

/// Makes the body of an answer break off in the middle.
async fn cut_short(answer: HttpResponse) -> Result<HttpResponse, ConnectorError> {
    let broken = |error: Box<dyn std::error::Error + Send + Sync>| ConnectorError::other(error, None);
    let mut answer = answer;
    let body = answer.take_body().collect().await.map_err(broken)?.to_bytes();
    let pieces: [Result<_, String>; 2] = [Ok(Frame::data(body.slice(..body.len() / 2))), Err(INSIDE.to_owned())];
    *answer.body_mut() = SdkBody::from_body_1_x(StreamBody::new(stream::iter(pieces)));
    Ok(answer)
}

/// Makes the clients retry like those of a Lambda function, but with an initial backoff of only a microsecond.
pub fn with_retries(resources: &mut Resources) {
    // Clients in one retry partition share a budget of retries, so each application gets its own partition.
    static CLIENTS: AtomicUsize = AtomicUsize::new(0);
    let partition = RetryPartition::new(format!("clients {}", CLIENTS.fetch_add(1, Ordering::Relaxed)));
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_micros(1));
    let config = resources.table.client.config().to_builder();
    let config = config.retry_config(retries.clone()).retry_partition(partition.clone()).build();
    resources.table.client = aws_sdk_dynamodb::Client::from_conf(config);
    let config = resources.storage.client.config().to_builder().retry_config(retries).retry_partition(partition).build();
    resources.storage.client = aws_sdk_s3::Client::from_conf(config);
}

/// Installs a switch in the client of the table and one in the client of the bucket.
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
