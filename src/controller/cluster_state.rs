//! What watches, reconciles and pages share: the cached objects, and the resources to reconcile next.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use waflows_core::queue::Urgency;
use waflows_core::store::object_key::ObjectKey;
use waflows_core::store::store::{Change, Store};

use super::queue::Queue;

/// The cached objects, and the resources to reconcile next.
pub struct ClusterState {
    store: Mutex<Store>,
    /// The resources to reconcile next.
    pub queue: Queue,
    has_started: AtomicBool,
}

impl ClusterState {
    /// The state of a process that has listed nothing yet.
    pub fn new(store: Store) -> Self {
        Self { store: Mutex::new(store), queue: Queue::default(), has_started: AtomicBool::new(false) }
    }

    /// The cached objects, locked. Never held across an await.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        // Every method of the store leaves it consistent.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues the resources that a change of a resource affects.
    pub fn react(&self, key: &ObjectKey, change: Change) {
        if change.spec_changed {
            self.queue.add(key, Urgency::Changed);
        }
        for claimant in change.released.iter().flatten() {
            self.queue.add(claimant, Urgency::Due);
        }
    }

    /// Queues these resources. Usually nothing is due for most of them.
    pub fn queue_all(&self, keys: &[ObjectKey]) {
        for key in keys {
            self.queue.add(key, Urgency::Due);
        }
    }

    /// Whether the initial lists were completed and the queue was filled.
    pub fn has_started(&self) -> bool {
        self.has_started.load(Ordering::Acquire)
    }

    /// Records that the initial lists are complete. Returns true the first time.
    pub(super) fn start(&self) -> bool {
        !self.has_started.swap(true, Ordering::AcqRel)
    }
}
