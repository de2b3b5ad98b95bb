//! The HTTP server: `/metrics`, `/healthz` and `/readyz`.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::authorization::Authorizer;
use super::metrics_page::{CONTENT_TYPE as OPENMETRICS, Exposition};
use super::probes::Probes;
use crate::leader::Leader;

/// The server cannot listen on the address.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {flag} {address}: {source}")]
pub struct ListenError {
    flag: &'static str,
    address: SocketAddr,
    source: std::io::Error,
}

/// The sockets of the server.
pub struct Listeners {
    http: TcpListener,
    /// Of its own for the metrics, if they are not beside the probes.
    metrics: Option<TcpListener>,
}

impl Listeners {
    /// Listens on the addresses.
    ///
    /// # Errors
    /// If another process uses an address, or the address does not belong to this machine.
    pub async fn bind(http: SocketAddr, metrics: Option<SocketAddr>) -> Result<Self, ListenError> {
        let http = bind("--http-address", http).await?;
        let metrics = match metrics {
            Some(address) => Some(bind("--metrics-address", address).await?),
            None => None,
        };
        Ok(Self { http, metrics })
    }

    /// The address of the probes, with its port.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.local_addr().ok()
    }

    /// The address of the metrics, if they are not beside the probes.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref()?.local_addr().ok()
    }
}

async fn bind(flag: &'static str, address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError { flag, address, source })
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
    /// Decides who may read the page of metrics. Without one, everybody may.
    pub authorizer: Option<Authorizer>,
}

/// Serves the pages until `stop` is cancelled.
pub async fn serve(listeners: Listeners, pages: Pages, stop: CancellationToken) {
    let probes = Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz));
    let metrics = Router::new().route("/metrics", get(serve_metrics));
    match listeners.metrics {
        None => serve_routes(listeners.http, probes.merge(metrics).with_state(pages), stop).await,
        Some(listener) => {
            let metrics = metrics.with_state(pages.clone());
            tokio::join!(
                serve_routes(listeners.http, probes.with_state(pages), stop.clone()),
                serve_routes(listener, metrics, stop)
            );
        }
    }
}

async fn serve_routes(listener: TcpListener, router: Router, stop: CancellationToken) {
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the HTTP server stopped");
    }
}

async fn serve_metrics(State(pages): State<Pages>, headers: HeaderMap) -> Response {
    if let Some(authorizer) = &pages.authorizer
        && let Err(refusal) = authorizer.admit(&headers).await
    {
        return refusal.into_response();
    }
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
    probe_response(&pages.probes.not_live_reasons(pages.leader.is_leader()))
}

/// Succeeds after the initial list of every watch. A standby that waits for the Lease has warm caches and is also
/// ready. Fails while the process does not see the cluster.
async fn readyz(State(pages): State<Pages>) -> (StatusCode, String) {
    probe_response(&pages.probes.not_ready_reasons())
}

fn probe_response(troubles: &[String]) -> (StatusCode, String) {
    if troubles.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, troubles.iter().map(|trouble| format!("{trouble}\n")).collect())
    }
}
