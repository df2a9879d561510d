//! A port of the loopback address, and the server on it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{Router, serve::ListenerExt as _};
use tokio::net::TcpListener;

use super::stopping::Begun;
use crate::command_error::CommandError;

/// How long requests may take to finish after the process was told to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(60);

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
    let listener = listener.tap_io(|stream| {
        // Small answers leave at once. Without that they would be slower, and nothing else.
        let _ = stream.set_nodelay(true);
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let (told, stop) = tokio::sync::oneshot::channel();
    let served = axum::serve(listener, service).with_graceful_shutdown(async {
        let _ = stop.await;
    });
    let mut served = std::pin::pin!(served.into_future());
    tokio::select! {
        // Accepting connections never ends by itself.
        _ = &mut served => return,
        () = begun.wait() => {}
    }
    let _ = told.send(());
    if tokio::time::timeout(LAST_REQUESTS, served).await.is_err() {
        tracing::warn!("requests were broken off that did not come to an end");
    }
}
