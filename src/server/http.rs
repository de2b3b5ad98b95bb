//! The HTTP server: `/metrics`, `/healthz` and `/readyz`.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::metrics_page::{CONTENT_TYPE as OPENMETRICS, Exposition};
use super::probes::Probes;
use crate::leader::Leader;

/// The server cannot listen on the address.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on --http-address {address}: {source}")]
pub struct ListenError {
    address: SocketAddr,
    source: std::io::Error,
}

/// Listens on the address.
///
/// # Errors
/// If another process uses the address, or the address does not belong to this machine.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError { address, source })
}

/// The state behind the pages.
#[derive(Clone)]
pub struct Pages {
    /// Whether this process lives and sees the cluster.
    pub probes: Probes,
    /// Whether this process leads.
    pub leader: Leader,
    /// The page of metrics.
    pub metrics: Exposition,
}

/// Serves the pages until `stop` is cancelled.
pub async fn serve(listener: TcpListener, pages: Pages, stop: CancellationToken) {
    let router = Router::new()
        .route("/metrics", get(serve_metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(pages);
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the HTTP server stopped");
    }
}

async fn serve_metrics(State(pages): State<Pages>) -> Response {
    // On a blocking thread, because the page takes a while with many resources.
    match tokio::task::spawn_blocking(move || pages.metrics.text()).await {
        Ok(Ok(text)) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Ok(Err(_)) | Err(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n").into_response()
        }
    }
}

/// Fails while a restart may help. The handler takes the locks of every part of the process. If a lock is never
/// released, there is no answer, which also fails the probe.
async fn healthz(State(pages): State<Pages>) -> (StatusCode, String) {
    verdict(&pages.probes.not_live_reasons(pages.leader.is_leader()))
}

/// Succeeds after the initial list of every watch. A standby that waits for the Lease has warm caches and is also
/// ready. Fails while the process does not see the cluster.
async fn readyz(State(pages): State<Pages>) -> (StatusCode, String) {
    verdict(&pages.probes.not_ready_reasons())
}

fn verdict(troubles: &[String]) -> (StatusCode, String) {
    if troubles.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, troubles.iter().map(|trouble| format!("{trouble}\n")).collect())
    }
}
