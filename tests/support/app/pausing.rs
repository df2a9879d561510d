//! Runs two operations, one of which pauses at a chosen request to a store until the other has ended. The interleaving is the
//! same in every test run, instead of one that the machine may happen to produce.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};
use stores::resources::Resources;
use tokio::sync::Notify;

/// The point where the next operation pauses.
#[derive(Debug)]
struct Stop {
    /// The number of requests that pass first.
    spared: usize,
    /// Signals that the operation has reached this point.
    arrived: Arc<Notify>,
    /// Signals that the paused operation may go on.
    go: Arc<Notify>,
}

/// Pauses requests. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Pausing(Arc<Mutex<Option<Stop>>>);

/// The outcome of two operations, one of which paused.
#[derive(Debug)]
pub struct Interleaved<A, B> {
    /// The result of the operation that paused.
    pub first: A,
    /// The result of the operation that ran meanwhile.
    pub second: B,
    /// Whether the first operation made enough requests to pause; otherwise it ended before the second one began.
    pub paused: bool,
}

impl Pausing {
    /// Starts `first`, which pauses after its request number `point` has taken effect and before it gets the answer; at point 0
    /// it pauses before its first request. Then `second` runs to its end, and `first` goes on.
    pub async fn interleave<A, B>(
        &self,
        point: usize,
        first: impl Future<Output = A>,
        second: impl Future<Output = B>,
    ) -> Interleaved<A, B> {
        let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let stop = Stop { spared: point, arrived: Arc::clone(&arrived), go: Arc::clone(&go) };
        *self.0.lock().unwrap() = Some(stop);
        let paused = AtomicBool::new(false);
        // Futures of whole operations are large, and test threads have small stacks.
        let (first, second) = (Box::pin(first), Box::pin(second));
        let first = async {
            let ended = first.await;
            // If `first` ended without reaching the stop, remove the stop. `second` begins now at the latest.
            paused.store(self.0.lock().unwrap().take().is_none(), Ordering::Relaxed);
            arrived.notify_one();
            ended
        };
        let second = async {
            arrived.notified().await;
            let ended = second.await;
            go.notify_one();
            ended
        };
        let (first, second) = tokio::join!(first, second);
        Interleaved { first, second, paused: paused.into_inner() }
    }

    /// The stop, if it applies to the next request, and whether the request pauses before it is sent.
    fn next(&self) -> Option<(Stop, bool)> {
        let mut stop = self.0.lock().unwrap();
        match stop.as_mut()?.spared {
            0 => stop.take().map(|stop| (stop, true)),
            1 => stop.take().map(|stop| (stop, false)),
            _ => {
                stop.as_mut()?.spared -= 1;
                None
            }
        }
    }
}

impl Stop {
    async fn stand(self) {
        self.arrived.notify_one();
        self.go.notified().await;
    }
}

/// An HTTP client or connector whose requests may pause.
#[derive(Debug, Clone)]
struct Paused<T> {
    way: T,
    pausing: Pausing,
}

impl HttpClient for Paused<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let way = self.way.http_connector(settings, components);
        SharedHttpConnector::new(Paused { way, pausing: self.pausing.clone() })
    }
}

impl HttpConnector for Paused<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Some((stop, before)) = self.pausing.next() else { return self.way.call(request) };
        let way = self.way.clone();
        HttpConnectorFuture::new(async move {
            if before {
                stop.stand().await;
                return way.call(request).await;
            }
            let answer = way.call(request).await;
            stop.stand().await;
            answer
        })
    }
}

/// Installs one pause point, which the clients of the table and of the bucket share.
pub fn pausing(resources: &mut Resources) -> Pausing {
    let pausing = Pausing::default();
    let through = |way| SharedHttpClient::new(Paused { way, pausing: pausing.clone() });
    let config = resources.table.client.config();
    let config = config.to_builder().http_client(through(config.http_client().unwrap())).build();
    resources.table.client = aws_sdk_dynamodb::Client::from_conf(config);
    let config = resources.storage.client.config();
    let config = config.to_builder().http_client(through(config.http_client().unwrap())).build();
    resources.storage.client = aws_sdk_s3::Client::from_conf(config);
    pausing
}
