//! The journal: who called what, when; and counters that are always on.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};

use crate::faults::Operation;

/// One call to a known edge, in the order of arrival.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Call {
    /// Counts the calls, from 1; also the order of arrival.
    pub sequence: u64,
    /// Time since the emulator's start, monotonic; in JSON in seconds.
    #[serde(rename = "at_seconds", serialize_with = "seconds")]
    pub at: Duration,
    /// What it asks for.
    pub operation: Operation,
    /// The phone number ID; of a list the WABA ID, of an inspection `debug_token`.
    pub id: Arc<str>,
    /// The access token.
    pub token: Option<Arc<str>>,
    /// `User-Agent`.
    pub user_agent: Option<Arc<str>>,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub http_version: &'static str,
    /// Counts the connections, from 1.
    pub connection: u64,
    /// HTTP status; `None` while there is no answer, and for calls that get none.
    pub status: Option<u16>,
}

/// One POST of a key, successful or not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Upload {
    /// The `sequence` of its [`Call`].
    pub sequence: u64,
    /// Time of arrival since the emulator's start, monotonic; in JSON in seconds.
    #[serde(rename = "at_seconds", serialize_with = "seconds")]
    pub at: Duration,
    /// The phone number ID.
    pub number: Arc<str>,
    /// Lowercase hex SHA-256 of the DER SubjectPublicKeyInfo; `None` if the body held no PEM.
    pub fingerprint: Option<Arc<str>>,
    /// Whether the number has, or had, the key from it.
    pub took_effect: bool,
    /// The access token.
    pub token: Option<Arc<str>>,
    /// `User-Agent`.
    pub user_agent: Option<Arc<str>>,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub http_version: &'static str,
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// Calls by operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OperationCounts {
    /// GETs of keys.
    pub reads: u64,
    /// POSTs of keys.
    pub uploads: u64,
    /// GETs of phone number lists.
    pub lists: u64,
    /// GETs of the description of a token.
    pub inspections: u64,
}

impl OperationCounts {
    /// All together.
    pub fn total(&self) -> u64 {
        self.reads + self.uploads + self.lists + self.inspections
    }

    fn count(&mut self, operation: Operation) {
        match operation {
            Operation::Read => self.reads += 1,
            Operation::Upload => self.uploads += 1,
            Operation::List => self.lists += 1,
            Operation::Inspect => self.inspections += 1,
        }
    }
}

/// Totals since the start, or since the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Calls to known edges.
    pub calls: OperationCounts,
    /// Requests to anything else (this emulator's own API aside).
    pub unrouted: u64,
    /// Requests with `access_token` in the URL, as in the `next` of a list: a client must not send one.
    pub tokens_in_urls: u64,
    /// Uploads that took effect.
    pub landed: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Requests being answered now.
    pub in_flight: u64,
    /// The most that were at any one time.
    pub max_in_flight: u64,
}

/// Who calls, beyond operation, ID and token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) user_agent: Option<String>,
    pub(crate) http_version: &'static str,
    pub(crate) connection: u64,
}

#[derive(Debug)]
pub(crate) struct Journal {
    start: Instant,
    limit: usize,
    sequence: u64,
    calls: VecDeque<Call>,
    uploads: VecDeque<Upload>,
    /// The last one seen: a client has one, so that its calls can share it.
    user_agent: Option<Arc<str>>,
    total: OperationCounts,
    pub(crate) landed: u64,
    by_id: HashMap<Arc<str>, OperationCounts>,
    by_token: HashMap<Arc<str>, OperationCounts>,
}

impl Journal {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            start: Instant::now(),
            limit,
            sequence: 0,
            calls: VecDeque::new(),
            uploads: VecDeque::new(),
            user_agent: None,
            total: OperationCounts::default(),
            landed: 0,
            by_id: HashMap::new(),
            by_token: HashMap::new(),
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Notes a call; gives its sequence number.
    pub(crate) fn call(&mut self, operation: Operation, id: &str, token: Option<&str>, caller: &Caller) -> u64 {
        self.sequence += 1;
        self.total.count(operation);
        let id = count(&mut self.by_id, id, operation);
        let token = token.map(|token| count(&mut self.by_token, token, operation));
        if self.limit > 0 {
            let call = Call {
                sequence: self.sequence,
                at: self.now(),
                operation,
                id,
                token,
                user_agent: self.shared_user_agent(caller.user_agent.as_deref()),
                http_version: caller.http_version,
                connection: caller.connection,
                status: None,
            };
            push(&mut self.calls, call, self.limit);
        }
        self.sequence
    }

    /// Notes the key of the upload whose call was noted last.
    pub(crate) fn upload(&mut self, fingerprint: Option<Arc<str>>) {
        let Some(call) = self.calls.back() else {
            return;
        };
        let upload = Upload {
            sequence: call.sequence,
            at: call.at,
            number: Arc::clone(&call.id),
            fingerprint,
            took_effect: false,
            token: call.token.clone(),
            user_agent: call.user_agent.clone(),
            http_version: call.http_version,
        };
        push(&mut self.uploads, upload, self.limit);
    }

    pub(crate) fn landed(&mut self, sequence: u64) {
        self.landed += 1;
        let found = self.uploads.binary_search_by_key(&sequence, |upload| upload.sequence);
        if let Ok(position) = found {
            self.uploads[position].took_effect = true;
        }
    }

    pub(crate) fn answered(&mut self, sequence: u64, status: u16) {
        let found = self.calls.binary_search_by_key(&sequence, |call| call.sequence);
        if let Ok(position) = found {
            self.calls[position].status = Some(status);
        }
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.iter().cloned().collect()
    }

    pub(crate) fn uploads(&self) -> Vec<Upload> {
        self.uploads.iter().cloned().collect()
    }

    pub(crate) fn total(&self) -> OperationCounts {
        self.total
    }

    pub(crate) fn of_id(&self, id: &str) -> OperationCounts {
        self.by_id.get(id).copied().unwrap_or_default()
    }

    pub(crate) fn of_token(&self, token: &str) -> OperationCounts {
        self.by_token.get(token).copied().unwrap_or_default()
    }

    pub(crate) fn by_id(&self) -> BTreeMap<String, OperationCounts> {
        sorted(&self.by_id)
    }

    pub(crate) fn by_token(&self) -> BTreeMap<String, OperationCounts> {
        sorted(&self.by_token)
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.calls.clear();
        self.uploads.clear();
    }

    /// Forgets everything but the time and the numbering.
    pub(crate) fn reset(&mut self) {
        self.calls.clear();
        self.uploads.clear();
        self.total = OperationCounts::default();
        self.landed = 0;
        self.by_id.clear();
        self.by_token.clear();
    }

    fn shared_user_agent(&mut self, user_agent: Option<&str>) -> Option<Arc<str>> {
        if self.user_agent.as_deref() != user_agent {
            self.user_agent = user_agent.map(Arc::from);
        }
        self.user_agent.clone()
    }
}

fn push<T>(entries: &mut VecDeque<T>, entry: T, limit: usize) {
    if entries.len() >= limit {
        entries.pop_front();
    }
    entries.push_back(entry);
}

fn count(counts: &mut HashMap<Arc<str>, OperationCounts>, name: &str, operation: Operation) -> Arc<str> {
    let name = match counts.get_key_value(name) {
        Some((name, _)) => Arc::clone(name),
        None => Arc::from(name),
    };
    counts.entry(Arc::clone(&name)).or_default().count(operation);
    name
}

fn sorted(counts: &HashMap<Arc<str>, OperationCounts>) -> BTreeMap<String, OperationCounts> {
    let counts = counts.iter();
    counts.map(|(name, counts)| (name.to_string(), *counts)).collect()
}

/// Requests being answered, and connections. Apart from the journal, to need no lock.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    in_flight: AtomicU64,
    max_in_flight: AtomicU64,
    connections: AtomicU64,
    unrouted: AtomicU64,
    tokens_in_urls: AtomicU64,
    traces: AtomicU64,
}

impl Gauges {
    pub(crate) fn enter(self: &Arc<Self>) -> InFlight {
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.max_in_flight.fetch_max(now, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    pub(crate) fn connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn unrouted(&self) {
        self.unrouted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn token_in_url(&self) {
        self.tokens_in_urls.fetch_add(1, Ordering::Relaxed);
    }

    /// A new `fbtrace_id`.
    pub(crate) fn trace_id(&self) -> String {
        format!("A{:022X}", self.traces.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(crate) fn reset(&self) {
        self.connections.store(0, Ordering::Relaxed);
        self.unrouted.store(0, Ordering::Relaxed);
        self.tokens_in_urls.store(0, Ordering::Relaxed);
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        self.max_in_flight.store(in_flight, Ordering::Relaxed);
    }

    pub(crate) fn counters(&self, journal: &Journal) -> Counters {
        Counters {
            calls: journal.total(),
            unrouted: self.unrouted.load(Ordering::Relaxed),
            tokens_in_urls: self.tokens_in_urls.load(Ordering::Relaxed),
            landed: journal.landed,
            connections: self.connections.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            max_in_flight: self.max_in_flight.load(Ordering::Relaxed),
        }
    }
}

/// Counts a request as being answered for as long as it lives.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Gauges>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
