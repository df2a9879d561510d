//! A port of the loopback address, and the server on it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use shared::api::layers::chain;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use super::{patient::Patient, stopping::Begun};
use crate::command_error::CommandError;

/// How long requests may take to finish after the process was told to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(60);
/// How long a client may take for the head of a request, from the connection or the last answer on, and for the next piece of a body.
const PATIENCE: Duration = Duration::from_secs(60);

/// Takes a port; 0 stands for any that is free. What is served is for this machine alone.
///
/// # Errors
/// The port is in use, or may not be used.
pub async fn on(port: u16, option: &str) -> Result<(TcpListener, SocketAddr), CommandError> {
    let listener = async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listener.await.map_err(|error: io::Error| {
        CommandError::Failed(match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("Port {port} is in use by another program. Stop that one, or choose another port with {option}.")
            }
            io::ErrorKind::PermissionDenied => {
                format!("Port {port} is not for this user. Choose another port with {option}, from 1024 on.")
            }
            _ => format!("Port {port} cannot be used: {error}. Choose another port with {option}."),
        })
    })
}

/// Serves until the process is told to stop, and all requests are answered.
pub async fn serve(listener: TcpListener, router: Router, mut begun: Begun) {
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = begun.wait() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            // The client has gone, or there are too many connections: one of them ends, and the next is taken.
            Err(error) => {
                tracing::warn!(error = chain(&error), "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Small answers leave at once. Without that they would be slower, and nothing else.
        let _ = stream.set_nodelay(true);
        let router = router.clone();
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(|body| Body::new(Patient::new(body, PATIENCE)));
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().oneshot(request)
        });
        let connection = connections.watch(protocol.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // A client may go away at any moment, or be too slow.
            if let Err(error) = connection.await {
                tracing::debug!(error = chain(&error), "a connection broke off");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(LAST_REQUESTS, connections.shutdown()).await.is_err() {
        tracing::warn!("requests were broken off that did not come to an end");
    }
}

#[cfg(test)]
mod tests {
    use axum::{http::StatusCode, routing::any};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::{super::stopping::Stopping, *};

    /// What comes back when a client sends something and then says nothing more. Time passes when nothing else happens.
    async fn answer(sent: &str) -> String {
        let (listener, address) = on(0, "--port").await.unwrap();
        let read_all = |body: bytes::Bytes| async move { (StatusCode::OK, body) };
        let stopping = Stopping::on_signals().unwrap();
        let serving = tokio::spawn(serve(listener, Router::new().route("/", any(read_all)), stopping.begun()));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        serving.abort();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_go_on_is_not_waited_for() {
        for silent in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: here\r\n"] {
            assert_eq!(answer(silent).await, "", "{silent}");
        }
        let head = "POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 3\r\n\r\n";
        assert!(answer(&format!("{head}ab")).await.starts_with("HTTP/1.1 400 "));
        // A connection is kept for the next request, and not for ever.
        let whole = answer(&format!("{head}abc")).await;
        assert!(whole.starts_with("HTTP/1.1 200 ") && whole.ends_with("\r\n\r\nabc"), "{whole}");
    }
}
