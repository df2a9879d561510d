//! A port, and the server on it.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo};
use command::error::CommandError;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{HttpService, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use shared::error::chain;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tower::ServiceExt as _;

use super::{patient::Patient, stopping::Begun};

/// How long requests may take to finish after the process was told to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(60);
/// How long a client may take for the head of a request, from the connection or the last answer on, and for the next piece of a body.
const PATIENCE: Duration = Duration::from_secs(30);

/// Listens on a port of an address of this machine; port 0 picks a free one. `option` is the option that sets the port.
///
/// # Errors
/// The port is in use, or may not be used, or this machine has no such address.
pub async fn on(host: IpAddr, port: u16, option: &str) -> Result<(TcpListener, SocketAddr), CommandError> {
    let listener = async {
        let listener = TcpListener::bind((host, port)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listener.await.map_err(|error: io::Error| {
        CommandError::Failed(match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("Port {port} is in use by another program. Stop that one, or choose another port with {option}.")
            }
            io::ErrorKind::AddrNotAvailable => {
                format!("This machine has no address {host}. Choose one of its own with --host, or 0.0.0.0 for all of them.")
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
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = begun.wait() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Small answers leave at once. Without that they would be slower, and nothing else.
                let _ = stream.set_nodelay(true);
                let connection = connections.watch(connection(stream, peer, router.clone()));
                tokio::spawn(async move {
                    // A client may go away at any moment, or be too slow.
                    if let Err(error) = connection.await {
                        tracing::debug!(error = chain(&error), "a connection broke off");
                    }
                });
            }
            Err(error) if is_of_the_client(&error) => {}
            // There are too many connections, as it seems: some end, and the next one is taken.
            Err(error) => {
                tracing::warn!(error = chain(&error), "a connection could not be taken");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(LAST_REQUESTS, connections.shutdown()).await.is_err() {
        tracing::warn!("requests were broken off that did not come to an end");
    }
}

/// Whether a client had gone before its connection was taken.
fn is_of_the_client(error: &io::Error) -> bool {
    [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset, io::ErrorKind::ConnectionRefused].contains(&error.kind())
}

/// The requests of a connection, one after the other.
fn connection<S>(
    stream: S,
    peer: SocketAddr,
    router: Router,
) -> http1::Connection<TokioIo<S>, impl HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(|body| Body::new(Patient::new(body, PATIENCE)));
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let mut protocol = http1::Builder::new();
    // A client that closes its sending side after its request still reads: the answer goes out, and then the connection ends. A
    // client that has gone altogether looks the same until something is written to it.
    protocol.timer(TokioTimer::new()).header_read_timeout(PATIENCE).half_close(true);
    protocol.serve_connection(TokioIo::new(stream), service)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use axum::{http::StatusCode, routing::any};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// What comes back when a client sends something and then says nothing more. Time passes when nothing else happens.
    async fn answer(sent: &str) -> String {
        let (mut client, stream) = tokio::io::duplex(1024);
        let read_all = |body: axum::body::Bytes| async move { (StatusCode::OK, body) };
        let router = Router::new().route("/", any(read_all));
        let served = tokio::spawn(connection(stream, (Ipv4Addr::LOCALHOST, 1).into(), router));
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        // It ends with an error, or without one when it was idle.
        let _ = served.await.unwrap();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_go_on_is_not_waited_for() {
        for silent in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: here\r\n"] {
            assert_eq!(answer(silent).await, "", "{silent}");
        }
        let head = "POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 3\r\n\r\n";
        assert!(answer(&format!("{head}ab")).await.starts_with("HTTP/1.1 400 "));
        // Half a body is no body, also of a client that says that no more comes.
        assert!(answer_to_half_closed(&format!("{head}ab")).await.starts_with("HTTP/1.1 400 "));
        // A connection is kept for the next request, and not for ever.
        let whole = answer(&format!("{head}abc")).await;
        assert!(whole.starts_with("HTTP/1.1 200 ") && whole.ends_with("\r\n\r\nabc"), "{whole}");
    }
    /// What comes back when a client sends something and closes its sending side, before the answer is ready.
    async fn answer_to_half_closed(sent: &str) -> String {
        let (mut client, stream) = tokio::io::duplex(1024);
        let slowly = |body: axum::body::Bytes| async move {
            tokio::time::sleep(Duration::from_secs(20)).await;
            (StatusCode::OK, body)
        };
        let served = tokio::spawn(connection(stream, (Ipv4Addr::LOCALHOST, 1).into(), Router::new().route("/", any(slowly))));
        client.write_all(sent.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        let _ = served.await.unwrap();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn who_closes_the_sending_side_has_the_answer() {
        let requests = [
            ("GET / HTTP/1.1\r\nhost: here\r\n\r\n", ""),
            ("GET / HTTP/1.0\r\n\r\n", ""),
            ("POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 3\r\n\r\nabc", "abc"),
        ];
        for (sent, body) in requests {
            let begun = tokio::time::Instant::now();
            let answer = answer_to_half_closed(sent).await;
            assert!(answer.contains(" 200 OK\r\n") && answer.ends_with(&format!("\r\n\r\n{body}")), "{sent}: {answer}");
            // The connection ends with the answer: nothing more can come.
            assert_eq!(begun.elapsed(), Duration::from_secs(20), "{sent}");
        }
        for nothing in ["", "GET / HT"] {
            let begun = tokio::time::Instant::now();
            assert!(!answer_to_half_closed(nothing).await.contains(" 200 "), "{nothing}");
            assert_eq!(begun.elapsed(), Duration::ZERO, "{nothing}");
        }
    }
}
