//! A proxy that does harm. It stands between the operator and the API server, or between the operator and Meta.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::Response;
use axum::serve::ListenerExt;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::body;
use crate::fault::{Action, Call, Fault};
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

/// What all connections of a proxy share.
pub(crate) struct Relay {
    upstream: String,
    client: reqwest::Client,
    fault: watch::Sender<Option<Arc<Fault>>>,
    met: AtomicUsize,
    open: AtomicUsize,
    /// Paths of watches that lost events: they are answered 410 the next time.
    gone: Mutex<HashSet<String>>,
    lists: Mutex<HashMap<String, (Uri, HeaderMap)>>,
    counts: Mutex<HashMap<String, usize>>,
    writes: Arc<Writes>,
}

/// Answers to lists, by path, as they were at one moment.
pub type Snapshot = HashMap<String, (HeaderMap, Bytes)>;

impl Proxy {
    /// Before a server whose certificate is signed by `ca`, where it has one.
    pub async fn start(upstream: &str, ca: Option<&Path>, writes: Arc<Writes>) -> Self {
        let mut client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        if let Some(ca) = ca {
            client = client.tls_certs_only(reqwest::Certificate::from_pem_bundle(&std::fs::read(ca).unwrap()).unwrap());
        }
        let relay = Arc::new(Relay {
            upstream: upstream.to_owned(),
            client: client.build().unwrap(),
            fault: watch::Sender::new(None),
            met: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            gone: Mutex::default(),
            lists: Mutex::default(),
            counts: Mutex::default(),
            writes,
        });
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

    /// From now on calls that match go wrong, and so do watches that are open.
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

impl Relay {
    /// The fault that a call meets now.
    pub(crate) fn fault_of(&self, call: &Call) -> Option<Arc<Fault>> {
        self.fault.borrow().clone().filter(|fault| (fault.of)(call))
    }

    pub(crate) fn changes(&self) -> watch::Receiver<Option<Arc<Fault>>> {
        self.fault.subscribe()
    }

    pub(crate) fn note(&self) {
        self.met.fetch_add(1, Ordering::SeqCst);
    }

    /// The watch of this path missed something.
    pub(crate) fn note_loss(&self, path: &str) {
        self.gone.lock().unwrap().insert(path.to_owned());
    }

    async fn pass_on(
        &self,
        method: Method,
        uri: &Uri,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> reqwest::Result<reqwest::Response> {
        for name in [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
            headers.remove(name);
        }
        let url = format!("{}{}", self.upstream, uri.path_and_query().map_or("/", |path| path.as_str()));
        self.client.request(method, url).headers(headers).body(body).send().await
    }

    fn remember(&self, call: &Call, uri: &Uri, headers: &HeaderMap) {
        *self.counts.lock().unwrap().entry(format!("{} {}", call.method, call.path)).or_default() += 1;
        if call.is_list() {
            self.lists.lock().unwrap().insert(call.path.clone(), (uri.clone(), headers.clone()));
        }
    }
}

/// Counts a request as open for as long as it lives.
pub(crate) struct Open(Arc<Relay>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(State(relay): State<Arc<Relay>>, request: Request) -> Response {
    relay.open.fetch_add(1, Ordering::SeqCst);
    let open = Open(Arc::clone(&relay));
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

/// A watch as the API server answers it that does not remember its beginning any more: the client has to list again. After
/// a plain answer 410 it would ask for the same once more, and get what it has lost.
fn expired() -> Response {
    let event = json!({"type": "ERROR", "object": failure(410)});
    let response = Response::builder().header(header::CONTENT_TYPE, "application/json");
    response.body(Body::from(format!("{event}\n"))).unwrap()
}

/// A failure as the API server tells it.
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
