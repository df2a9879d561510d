//! Listening on a port, and the HTTP server on it.

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

use super::{idle_timeout::IdleTimeout, stopping::Begun};

/// Time that requests have to finish after the process got a signal to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(60);
/// Time that a client has for the head of a request, counted from the connection or the last answer, and for each next piece of a
/// body.
const PATIENCE: Duration = Duration::from_secs(30);

/// Listens on a port of this machine; port 0 picks a free one. `option` is the command-line option that sets the port, for the
/// error message.
///
/// # Errors
/// [`CommandError::Failed`] when the port is in use, the user may not listen on it, or this machine has no such IP address.
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

/// Serves until the process gets a signal to stop, then waits at most `LAST_REQUESTS` until all requests are answered.
pub async fn serve(listener: TcpListener, router: Router, mut begun: Begun) {
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = begun.wait() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Send small answers at once. set_nodelay only reduces latency, so a failure is ignored.
                let _ = stream.set_nodelay(true);
                let connection = connections.watch(connection(stream, peer, router.clone()));
                tokio::spawn(async move {
                    // Log this at debug only: a client may disconnect at any moment, or be too slow.
                    if let Err(error) = connection.await {
                        tracing::debug!(error = chain(&error), "a connection failed");
                    }
                });
            }
            Err(error) if is_of_the_client(&error) => {}
            // Most likely there are too many connections. Wait until some have ended, then accept the next one.
            Err(error) => {
                tracing::warn!(error = chain(&error), "a connection could not be accepted");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(LAST_REQUESTS, connections.shutdown()).await.is_err() {
        tracing::warn!("requests did not finish in time and were cut off");
    }
}

/// Whether the client disconnected before the server accepted its connection.
fn is_of_the_client(error: &io::Error) -> bool {
    [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset, io::ErrorKind::ConnectionRefused].contains(&error.kind())
}

/// Serves the requests of a connection, one after the other.
fn connection<S>(
    stream: S,
    peer: SocketAddr,
    router: Router,
) -> http1::Connection<TokioIo<S>, impl HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(|body| Body::new(IdleTimeout::new(body, PATIENCE)));
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let mut protocol = http1::Builder::new();
    // A client that closes its sending side after its request still reads: send the answer, then end the connection. A client
    // that has disconnected looks the same until the server writes to it.
    protocol.timer(TokioTimer::new()).header_read_timeout(PATIENCE).half_close(true);
    protocol.serve_connection(TokioIo::new(stream), service)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use axum::{http::StatusCode, routing::any};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// The answer to a client that sends `sent` and then stays silent. The paused clock advances when nothing else happens.
    async fn answer(sent: &str) -> String {
        let (mut client, stream) = tokio::io::duplex(1024);
        let read_all = |body: axum::body::Bytes| async move { (StatusCode::OK, body) };
        let router = Router::new().route("/", any(read_all));
        let served = tokio::spawn(connection(stream, (Ipv4Addr::LOCALHOST, 1).into(), router));
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        // The connection ends with an error, or without one when it was idle.
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
        // The server rejects an incomplete body, even when the client closes its sending side.
        assert!(answer_to_half_closed(&format!("{head}ab")).await.starts_with("HTTP/1.1 400 "));
        // The server keeps a connection for the next request, but not forever.
        let whole = answer(&format!("{head}abc")).await;
        assert!(whole.starts_with("HTTP/1.1 200 ") && whole.ends_with("\r\n\r\nabc"), "{whole}");
    }
    /// The answer to a client that sends `sent` and closes its sending side before the answer is ready.
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
            // The connection ends with the answer, because no further request can come.
            assert_eq!(begun.elapsed(), Duration::from_secs(20), "{sent}");
        }
        for nothing in ["", "GET / HT"] {
            let begun = tokio::time::Instant::now();
            assert!(!answer_to_half_closed(nothing).await.contains(" 200 "), "{nothing}");
            assert_eq!(begun.elapsed(), Duration::ZERO, "{nothing}");
        }
    }
}
