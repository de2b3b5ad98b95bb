//! A proxy that does harm. It stands between the operator and the API server, or between the operator and Meta.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use axum::serve::ListenerExt;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::body;
use crate::fault::{Action, Call, Fault, Snapshot};
use crate::relay::{Open, Relay};
use crate::writes::{Side, Writes};

/// Larger than any body of these tests.
const BODY_LIMIT: usize = 16 << 20;

/// A running proxy, over plain HTTP/1.1. Dropping it closes its port.
pub struct Proxy {
    /// `http://127.0.0.1:4711`
    pub url: String,
    relay: Arc<Relay>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy in front of a server. `ca` is the authority of the server's certificate, if it has one.
    pub async fn start(upstream: &str, ca: Option<&Path>, writes: Arc<Writes>) -> Self {
        let mut client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        if let Some(ca) = ca {
            client = client.tls_certs_only(reqwest::Certificate::from_pem_bundle(&std::fs::read(ca).unwrap()).unwrap());
        }
        let relay = Arc::new(Relay::new(upstream, client.build().unwrap(), writes));
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        // Every connection that this side closes is reset.
        let listener = listener.tap_io(|connection| connection.set_zero_linger().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&relay));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self { url, relay, task }
    }

    /// From now on, matching calls and open watches go wrong.
    pub fn set(&self, fault: Fault) {
        self.relay.met.store(0, Ordering::SeqCst);
        self.relay.fault.send_replace(Some(Arc::new(fault)));
    }

    /// All is well again.
    pub fn lift(&self) {
        self.relay.fault.send_replace(None);
    }

    /// How often the fault was met since it was set.
    pub fn met(&self) -> usize {
        self.relay.met.load(Ordering::SeqCst)
    }

    /// Watches that lost events and have not been answered 410 yet.
    pub fn lost(&self) -> usize {
        self.relay.gone.lock().unwrap().len()
    }

    /// Requests that wait for their answer, or for more of it.
    pub fn open(&self) -> usize {
        self.relay.open.load(Ordering::SeqCst)
    }

    /// How often a path was called with a method.
    pub fn count(&self, matches: impl Fn(&str) -> bool) -> usize {
        self.relay.counts.lock().unwrap().iter().filter(|(call, _)| matches(call)).map(|(_, count)| count).sum()
    }

    /// Method and path of every call, and how often it was made.
    pub fn counts(&self) -> Vec<(String, usize)> {
        self.relay.counts.lock().unwrap().iter().map(|(call, count)| (call.clone(), *count)).collect()
    }

    /// The lists that the operator asked for.
    pub fn lists(&self) -> Vec<String> {
        self.relay.lists.lock().unwrap().values().map(|(uri, _)| uri.to_string()).collect()
    }

    /// What the lists that the operator asked for would answer now.
    pub async fn snapshot(&self) -> Snapshot {
        let lists = self.relay.lists.lock().unwrap().clone();
        let mut snapshot = Snapshot::new();
        for (path, (uri, headers)) in lists {
            let answer = self.relay.pass_on(Method::GET, &uri, headers, Bytes::new()).await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
            snapshot.insert(path, (body::headers(answer.headers()), answer.bytes().await.unwrap()));
        }
        snapshot
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(relay): State<Arc<Relay>>, request: Request) -> Response {
    let open = Open::new(&relay);
    let (parts, body) = request.into_parts();
    let call = Call::new(&parts.method, &parts.uri);
    relay.remember(&call, &parts.uri, &parts.headers);
    let Ok(bytes) = to_bytes(body, BODY_LIMIT).await else { reset() };
    let stops = relay.writes.arrive(&call).await;
    if call.is_watch && relay.gone.lock().unwrap().remove(&call.path) {
        return expired();
    }
    let fault = relay.fault_of(&call);
    let action = fault.as_ref().map(|fault| &fault.action);
    match action {
        Some(action) if !call.is_watch || action.is_met_before_the_answer() => relay.note(),
        _ => {}
    }
    match action {
        Some(Action::Delay(time)) => tokio::time::sleep(*time).await,
        Some(Action::Reset) => reset(),
        Some(Action::Silence) => until_lifted_then_reset(&relay).await,
        Some(Action::Answer { status: code, retry_after }) => return status(*code, *retry_after),
        Some(Action::Replay(snapshot))
            if let Some((headers, bytes)) = snapshot.get(&call.path).filter(|_| call.is_list()) =>
        {
            return body::response(StatusCode::OK, headers, Body::from(bytes.clone()));
        }
        _ => {}
    }
    let Ok(answer) = relay.pass_on(parts.method, &parts.uri, parts.headers, bytes).await else { reset() };
    let (code, headers) = (answer.status(), body::headers(answer.headers()));
    if call.is_watch && code.is_success() {
        return body::response(code, &headers, body::follow(relay, call, answer, open));
    }
    let Ok(bytes) = answer.bytes().await else { reset() };
    if stops == Some(Side::After) {
        relay.writes.stop().await;
    }
    let body = match action {
        Some(Action::ResetAfter) => reset(),
        Some(Action::SilenceAfter) => until_lifted_then_reset(&relay).await,
        Some(Action::Stall) => body::stalled(bytes, relay.changes(), open),
        Some(Action::Drip(pause)) => body::dripping(bytes, *pause, open),
        _ => Body::from(bytes),
    };
    body::response(code, &headers, body)
}

/// Ends the connection: the task that serves it unwinds, and the socket is closed with it.
fn reset() -> ! {
    std::panic::resume_unwind(Box::new("reset"))
}

async fn until_lifted_then_reset(relay: &Relay) -> ! {
    let _ = relay.changes().wait_for(Option::is_none).await;
    reset()
}

/// The API server's answer to a watch from a version that it no longer remembers: the client has to list again. After a
/// plain answer 410 the client would repeat the request, and get the lost events.
fn expired() -> Response {
    let event = json!({"type": "ERROR", "object": failure(410)});
    let response = Response::builder().header(header::CONTENT_TYPE, "application/json");
    response.body(Body::from(format!("{event}\n"))).unwrap()
}

/// A failure in the form of the API server.
fn status(code: u16, retry_after: Option<u64>) -> Response {
    let mut response = Response::builder().status(code).header(header::CONTENT_TYPE, "application/json");
    if let Some(seconds) = retry_after {
        response = response.header(header::RETRY_AFTER, seconds);
    }
    response.body(Body::from(failure(code).to_string())).unwrap()
}

fn failure(code: u16) -> serde_json::Value {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        500 => "InternalError",
        _ => "ServiceUnavailable",
    };
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "put in the way by a test", "reason": reason, "code": code,
    })
}
