//! `/metrics`, `/healthz` and `/readyz`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::metrics_page::{CONTENT_TYPE as OPENMETRICS, Exposition};
use crate::controller::Context;
use crate::leader::Leader;

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

/// What the pages are made of.
#[derive(Clone)]
pub struct Pages {
    /// The controller.
    pub context: Arc<Context>,
    /// Whether this process leads.
    pub leader: Leader,
    /// The page of metrics.
    pub metrics: Exposition,
}

/// Serves until `stop` is cancelled.
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
    // Off the threads that work: with many resources the page takes a while.
    match tokio::task::spawn_blocking(move || pages.metrics.text()).await {
        Ok(Ok(text)) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Ok(Err(_)) | Err(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n").into_response()
        }
    }
}

/// Fails while a restart may help. Takes the locks that every part of the process takes: where one is never given back
/// there is no answer, which fails the probe, too.
async fn healthz(State(pages): State<Pages>) -> (StatusCode, String) {
    verdict(&pages.context.not_live_reasons(pages.leader.is_leader()))
}

/// Ready once every watch was listed: a replica that waits for the lease has warm caches and is ready, too. Not ready
/// while the cluster is out of sight.
async fn readyz(State(pages): State<Pages>) -> (StatusCode, String) {
    verdict(&pages.context.not_ready_reasons())
}

fn verdict(troubles: &[String]) -> (StatusCode, String) {
    if troubles.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, troubles.iter().map(|trouble| format!("{trouble}\n")).collect())
    }
}
