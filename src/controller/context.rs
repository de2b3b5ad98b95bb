//! What every round needs.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::Client;
use tokio::time::Instant;
use waflows_core::schedule::backoff::Waits;
use waflows_core::store::object_key::ObjectKey;
use waflows_core::store::store::{Change, Store};

use super::event_publisher::EventPublisher;
use super::queue::{Queue, Urgency};
use crate::graph;
use crate::health::Health;
use crate::metrics::Metrics;

/// What every round needs.
pub struct Context {
    /// The API server, for single requests: bounded in time, and not repeated by the client itself.
    pub client: Client,
    /// The API server, for watches, which stay silent for long.
    pub watch_client: Client,
    /// Meta.
    pub graph: graph::Client,
    /// Publishes events.
    pub publisher: EventPublisher,
    /// What exists.
    pub store: Mutex<Store>,
    /// What is worked on next.
    pub queue: Queue,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether the process lives and sees the cluster.
    pub health: Health,
    /// Whether everything was listed and the queue was filled.
    pub started: AtomicBool,
    /// The check interval of resources that give none.
    pub default_check_interval: Duration,
    /// The waits.
    pub waits: Waits,
    /// Resources worked on at once.
    pub concurrency: usize,
}

impl Context {
    /// The store, locked. Never held across an await.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        // Every method of the store leaves it consistent.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues whatever a change of a resource calls for.
    pub fn react(&self, key: &ObjectKey, change: Change) {
        if change.spec_changed {
            self.queue.add(key, Urgency::Changed);
        }
        for contender in change.vacated.iter().flat_map(|vacated| &vacated.contenders) {
            self.queue.add(contender, Urgency::Due);
        }
    }
}

/// A resource's turn, given back however the round ends.
pub(super) struct Turn<'a> {
    pub(super) context: &'a Context,
    pub(super) key: &'a ObjectKey,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.context.queue.done(self.key);
        if std::thread::panicking() {
            // A fault of the operator's own: not again at once, and not never.
            self.context.queue.add_at(self.key, Instant::now() + self.context.waits.after_refusal(1));
        }
    }
}
