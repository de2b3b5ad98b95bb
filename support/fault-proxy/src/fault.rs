//! What a proxy can do, and to which calls.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri};

/// What a fault sees of a request.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path, without query.
    pub path: String,
    /// Whether the query asks for a watch.
    pub is_watch: bool,
}

impl Call {
    pub(crate) fn new(method: &Method, uri: &Uri) -> Self {
        let is_watch = uri.query().is_some_and(|query| query.split('&').any(|part| part.starts_with("watch=")));
        Self { method: method.clone(), path: uri.path().to_owned(), is_watch }
    }

    /// Whether the path ends in this way.
    pub fn ends_with(&self, end: &str) -> bool {
        self.path.ends_with(end)
    }

    /// A list of all Secrets, or of all resources.
    pub fn is_list(&self) -> bool {
        let of_all = self.ends_with("/secrets") || self.ends_with("/flowsencryptionkeys");
        self.method == Method::GET && !self.is_watch && of_all
    }

    /// Anything but a GET.
    pub fn is_write(&self) -> bool {
        self.method != Method::GET
    }

    /// A write of a status.
    pub fn is_status(&self) -> bool {
        self.is_write() && self.ends_with("/status")
    }

    /// The contents of one Secret.
    pub fn is_secret(&self) -> bool {
        self.method == Method::GET && self.path.contains("/secrets/")
    }

    /// About the Lease.
    pub fn is_lease(&self) -> bool {
        self.path.contains("/leases")
    }

    /// A write of an event.
    pub fn is_event(&self) -> bool {
        self.is_write() && self.path.contains("/events")
    }
}

/// Answers to lists, by path, as they were at one moment.
pub type Snapshot = HashMap<String, (HeaderMap, Bytes)>;

/// What goes wrong with which calls.
#[derive(Clone)]
pub struct Fault {
    /// Which calls.
    pub of: fn(&Call) -> bool,
    /// What the operator gets.
    pub action: Action,
}

/// What the operator gets.
#[derive(Clone)]
pub enum Action {
    /// The answer, later; of a watch, every event later.
    Delay(Duration),
    /// A reset in place of an answer; the request reaches nobody. Watches are cut.
    Reset,
    /// A reset in place of the answer to a request that was fulfilled. Watches are cut.
    ResetAfter,
    /// Nothing, and a reset when the fault is lifted; the request reaches nobody. Watches lose what happens meanwhile.
    Silence,
    /// The same, but the request is fulfilled.
    SilenceAfter,
    /// Half of the answer; then as above.
    Stall,
    /// The answer byte by byte; of a watch, every event.
    Drip(Duration),
    /// This failure. Watches that are open stay.
    Answer {
        /// HTTP status.
        status: u16,
        /// `Retry-After` in seconds.
        retry_after: Option<u64>,
    },
    /// Watches are held back until the fault is lifted; all else passes.
    HoldEvents,
    /// Watches lose what happens until the fault is lifted; then they end, and the next one is answered 410.
    LoseEvents,
    /// Lists as they were at an earlier time; watches are held back.
    Replay(Arc<Snapshot>),
}

impl Action {
    /// Whether the fault already acts on the request for a watch, not only on the open watch.
    pub(crate) fn is_met_before_the_answer(&self) -> bool {
        matches!(self, Self::Reset | Self::Silence | Self::Answer { .. })
    }

    /// Whether an open watch loses what happens.
    pub fn silences_watches(&self) -> bool {
        matches!(self, Self::Silence | Self::SilenceAfter | Self::Stall | Self::LoseEvents)
    }

    pub(crate) fn cuts_watches(&self) -> bool {
        matches!(self, Self::Reset | Self::ResetAfter)
    }

    /// Whether an open watch is held back.
    pub fn holds_watches(&self) -> bool {
        matches!(self, Self::HoldEvents | Self::Replay(_))
    }
}
