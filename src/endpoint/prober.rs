//! Asks the endpoints of all resources again and again, beside the reconciles.
//!
//! A target that does not answer takes up to 20 s, so that no reconcile waits for one. A reconcile tells the prober which
//! key a resource has now. The prober asks, keeps the proof in memory, and queues the resource if the proof says something
//! new. The next reconcile then reports the proof.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use waflows_core::api::crd::FlowsEncryptionKey;
use waflows_core::proof::EndpointProof;
use waflows_core::queue::Urgency;
use waflows_core::schedule::backoff::Waits;
use waflows_core::schedule::due::{jitter, sync_request};
use waflows_core::store::object_key::ObjectKey;
use waflows_key::PublicKey;

use super::inquiry::Inquirer;
use crate::controller::cluster_state::ClusterState;
use crate::controller::queue::{Queue, Turn};

/// Resources whose endpoints are asked at the same time.
const PARALLEL_RESOURCES: usize = 8;

/// Asks the endpoints of all resources.
pub struct Prober {
    cluster: Arc<ClusterState>,
    inquirer: Inquirer,
    waits: Waits,
    default_check_interval: Duration,
    entries: Mutex<HashMap<ObjectKey, Entry>>,
    /// The resources whose endpoints are asked next.
    queue: Queue,
}

/// What the prober knows of one resource.
struct Entry {
    asked: Asked,
    proof: Option<Arc<EndpointProof>>,
    /// Incomplete proofs in a row.
    failures: i32,
}

/// What a proof depends on. If any of this changes, the endpoint is asked at once.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    uid: Option<String>,
    generation: Option<i64>,
    sync_request: Option<String>,
    key: Option<String>,
}

impl Asked {
    fn of(resource: &FlowsEncryptionKey) -> Self {
        Self {
            uid: resource.metadata.uid.clone(),
            generation: resource.metadata.generation,
            sync_request: sync_request(resource),
            key: resource.status.as_ref().and_then(|status| status.public_key_fingerprint.clone()),
        }
    }
}

impl Prober {
    /// A prober that has asked nobody yet.
    pub fn new(cluster: Arc<ClusterState>, inquirer: Inquirer, waits: Waits, default_check_interval: Duration) -> Self {
        let (entries, queue) = (Mutex::default(), Queue::default());
        Self { cluster, inquirer, waits, default_check_interval, entries, queue }
    }

    /// What the endpoint of a resource last answered.
    pub fn proof(&self, key: &ObjectKey) -> Option<Arc<EndpointProof>> {
        self.entries().get(key)?.proof.clone()
    }

    /// A reconcile has stored this resource. If its key or its spec has changed, the endpoint is asked at once.
    pub fn follow(&self, key: &ObjectKey, resource: &FlowsEncryptionKey) {
        if !is_asked(resource) {
            return self.forget(key);
        }
        let asked = Asked::of(resource);
        let mut entries = self.entries();
        if entries.get(key).is_some_and(|entry| entry.asked == asked) {
            return;
        }
        let proof = entries.remove(key).and_then(|entry| entry.proof);
        entries.insert(key.clone(), Entry { asked, proof, failures: 0 });
        drop(entries);
        self.queue.add(key, Urgency::Changed);
    }

    /// Asks the endpoints that are due, until the term ends. Then forgets everything: another process asks.
    pub async fn run(self: Arc<Self>, term: CancellationToken) {
        let places = Arc::new(Semaphore::new(PARALLEL_RESOURCES));
        let mut asking = JoinSet::new();
        let taking = async {
            // The semaphore is never closed, so it always yields a permit.
            while let Ok(place) = Arc::clone(&places).acquire_owned().await {
                // An endpoint is asked to the end also if the resource changes, and is then asked again.
                let (key, _) = self.queue.next(&term).await;
                let prober = Arc::clone(&self);
                asking.spawn(async move {
                    let _turn = Turn::new(&prober.queue, &key, prober.waits);
                    prober.ask(&key).await;
                    drop(place);
                });
                while asking.try_join_next().is_some() {}
            }
        };
        term.run_until_cancelled(taking).await;
        asking.shutdown().await;
        let forgotten = std::mem::take(&mut *self.entries());
        forgotten.keys().for_each(|key| self.queue.remove(key));
    }

    async fn ask(&self, key: &ObjectKey) {
        let resource = { self.cluster.store().resource(key) };
        let Some(resource) = resource.filter(is_asked) else { return self.forget(key) };
        let public_key = resource.status.as_ref().and_then(|status| status.public_key.as_deref());
        let Some(Ok(public_key)) = public_key.map(PublicKey::from_public_key) else { return self.forget(key) };
        let proof = Arc::new(self.inquirer.ask(&key.namespace, &resource.spec, &public_key).await);
        let interval = resource.spec.check_interval_or(self.default_check_interval);
        let interval = interval + jitter(resource.metadata.uid.as_deref().unwrap_or_default(), interval);
        if let Some((failures, is_news)) = self.note(key, &Asked::of(&resource), &proof) {
            let wait = proof.next_probe_after(failures, interval, &self.waits);
            self.queue.add_at(key, Instant::now() + wait);
            if is_news {
                self.cluster.queue.add(key, Urgency::Due);
            }
        }
    }

    /// Keeps a proof: the failures in a row, and whether the proof says something new. None if the resource has changed
    /// meanwhile: it is asked again already.
    fn note(&self, key: &ObjectKey, asked: &Asked, proof: &Arc<EndpointProof>) -> Option<(i32, bool)> {
        let mut entries = self.entries();
        let entry = entries.get_mut(key).filter(|entry| entry.asked == *asked)?;
        entry.failures = if proof.is_complete() { 0 } else { entry.failures.saturating_add(1) };
        let is_news = entry.proof.as_ref().is_none_or(|before| !before.agrees_with(proof));
        entry.proof = Some(Arc::clone(proof));
        Some((entry.failures, is_news))
    }

    fn forget(&self, key: &ObjectKey) {
        self.entries().remove(key);
        self.queue.remove(key);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<ObjectKey, Entry>> {
        // Every change leaves the map consistent.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the endpoint of a resource is asked.
fn is_asked(resource: &FlowsEncryptionKey) -> bool {
    let has_key = resource.status.as_ref().is_some_and(|status| status.public_key.is_some());
    has_key
        && resource.spec.endpoint.is_some()
        && !resource.spec.is_suspended()
        && resource.metadata.deletion_timestamp.is_none()
}
