//! `/healthz` and `/readyz`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::controller::Context;

/// The address cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on --http-address {address}: {source}")]
pub struct ListenError {
    address: SocketAddr,
    source: std::io::Error,
}

/// Listens on the address.
///
/// # Errors
/// When it is taken or not ours.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError { address, source })
}

/// Serves until `stop` is cancelled.
pub async fn serve(listener: TcpListener, context: Arc<Context>, stop: CancellationToken) {
    let router = Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).with_state(context);
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the HTTP server stopped");
    }
}

async fn healthz() -> &'static str {
    "ok\n"
}

/// Ready once every watch was listed: a replica that waits for the lease has warm caches and is ready, too.
async fn readyz(State(context): State<Arc<Context>>) -> (StatusCode, &'static str) {
    if context.index().is_complete() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "waiting for the lists of FlowsEncryptionKeys and Secrets\n")
    }
}
