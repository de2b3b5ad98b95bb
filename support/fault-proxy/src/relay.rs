//! The state that all connections of a proxy share.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri, header};
use tokio::sync::watch;

use crate::fault::{Call, Fault};
use crate::writes::Writes;

/// What all connections of a proxy share.
pub(crate) struct Relay {
    upstream: String,
    client: reqwest::Client,
    pub(crate) fault: watch::Sender<Option<Arc<Fault>>>,
    pub(crate) met: AtomicUsize,
    pub(crate) open: AtomicUsize,
    /// Paths of watches that lost events: they are answered 410 the next time.
    pub(crate) gone: Mutex<HashSet<String>>,
    pub(crate) lists: Mutex<HashMap<String, (Uri, HeaderMap)>>,
    pub(crate) counts: Mutex<HashMap<String, usize>>,
    pub(crate) writes: Arc<Writes>,
}

impl Relay {
    pub(crate) fn new(upstream: &str, client: reqwest::Client, writes: Arc<Writes>) -> Self {
        Self {
            upstream: upstream.to_owned(),
            client,
            fault: watch::Sender::new(None),
            met: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            gone: Mutex::default(),
            lists: Mutex::default(),
            counts: Mutex::default(),
            writes,
        }
    }

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

    pub(crate) async fn pass_on(
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

    pub(crate) fn remember(&self, call: &Call, uri: &Uri, headers: &HeaderMap) {
        *self.counts.lock().unwrap().entry(format!("{} {}", call.method, call.path)).or_default() += 1;
        if call.is_list() {
            self.lists.lock().unwrap().insert(call.path.clone(), (uri.clone(), headers.clone()));
        }
    }
}

/// Counts a request as open for as long as it lives.
pub(crate) struct Open(Arc<Relay>);

impl Open {
    pub(crate) fn new(relay: &Arc<Relay>) -> Self {
        relay.open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(relay))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}
