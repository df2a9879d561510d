//! Two operations, one of which stands still at a chosen request to a store until the other has ended: an interleaving that
//! is the same in every test run, instead of one that the machine may happen to make.

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

/// Where the next operation stands still.
#[derive(Debug)]
struct Stop {
    /// How many requests pass before.
    spared: usize,
    /// Somebody has arrived here.
    arrived: Arc<Notify>,
    /// Whoever stands here may go on.
    go: Arc<Notify>,
}

/// Lets requests stand still. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Pausing(Arc<Mutex<Option<Stop>>>);

/// How two operations ended of which one stood still.
#[derive(Debug)]
pub struct Interleaved<A, B> {
    /// What the one that stood still gave.
    pub first: A,
    /// What the other one gave, which ran meanwhile.
    pub second: B,
    /// Whether the first one made so many requests; otherwise it had ended before the second began.
    pub paused: bool,
}

impl Pausing {
    /// Begins with `first`, which stands still when its request number `point` has taken effect and before it learns of it;
    /// at point 0 it stands still before its first request. Then `second` runs to its end, and `first` goes on.
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
            // The second one begins at the latest now. A stop that nobody came to is taken away.
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

    /// The stop, if it is the one of the next request, and whether the request stands still before it is sent.
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

/// A client's way out, on which requests may stand still.
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

/// Puts a place to stand still into the clients of the table and of the bucket, one for both.
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
