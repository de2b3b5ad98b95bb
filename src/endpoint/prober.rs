//! Asks the endpoints of all resources again and again, beside the reconciles.
//!
//! A target that does not answer takes up to 20 s, so that no reconcile waits for one. A reconcile tells the prober which
//! key a resource has now. The prober asks, keeps the proof in memory, and queues the resource if the proof says something
//! new. The next reconcile then reports the proof.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
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

/// Resources whose endpoints are asked at the same time.
const PARALLEL_RESOURCES: usize = 8;

/// Asks the endpoints of all resources.
pub struct Prober {
    cluster: Arc<ClusterState>,
    inquirer: Inquirer,
    waits: Waits,
    default_check_interval: Duration,
    state: Mutex<State>,
    woken: Notify,
}

#[derive(Default)]
struct State {
    entries: HashMap<ObjectKey, Entry>,
    timers: BTreeSet<(Instant, ObjectKey)>,
}

/// What the prober knows of one resource.
struct Entry {
    asked: Asked,
    proof: Option<Arc<EndpointProof>>,
    /// Incomplete proofs in a row.
    failures: i32,
    /// None while its endpoint is asked.
    due: Option<Instant>,
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
        let state = Mutex::default();
        Self { cluster, inquirer, waits, default_check_interval, state, woken: Notify::new() }
    }

    /// What the endpoint of a resource last answered.
    pub fn proof(&self, key: &ObjectKey) -> Option<Arc<EndpointProof>> {
        self.state().entries.get(key)?.proof.clone()
    }

    /// A reconcile has stored this resource. If its key or its spec has changed, the endpoint is asked at once.
    pub fn follow(&self, key: &ObjectKey, resource: &FlowsEncryptionKey) {
        let mut state = self.state();
        if !is_asked(resource) {
            return state.forget(key);
        }
        let asked = Asked::of(resource);
        if state.entries.get(key).is_some_and(|entry| entry.asked == asked) {
            return;
        }
        state.schedule(key, asked, Instant::now());
        drop(state);
        self.woken.notify_one();
    }

    /// Asks whoever is due, until the term ends. Then forgets everything: another process asks.
    pub async fn run(self: Arc<Self>, term: CancellationToken) {
        let places = Arc::new(Semaphore::new(PARALLEL_RESOURCES));
        let mut asking = JoinSet::new();
        let taking = async {
            // The semaphore is never closed, so it always yields a permit.
            while let Ok(place) = Arc::clone(&places).acquire_owned().await {
                let key = self.next().await;
                let prober = Arc::clone(&self);
                asking.spawn(async move {
                    prober.ask(&key).await;
                    drop(place);
                });
                while asking.try_join_next().is_some() {}
            }
        };
        term.run_until_cancelled(taking).await;
        asking.shutdown().await;
        *self.state() = State::default();
    }

    async fn next(&self) -> ObjectKey {
        loop {
            let wake_at = {
                let mut state = self.state();
                if let Some(key) = state.take_due(Instant::now()) {
                    return key;
                }
                state.timers.first().map(|(at, _)| *at)
            };
            match wake_at {
                Some(at) => {
                    tokio::select! { () = self.woken.notified() => {}, () = tokio::time::sleep_until(at) => {} }
                }
                None => self.woken.notified().await,
            }
        }
    }

    async fn ask(&self, key: &ObjectKey) {
        let resource = { self.cluster.store().resource(key) };
        let Some(resource) = resource.filter(is_asked) else { return self.state().forget(key) };
        let public_key = resource.status.as_ref().and_then(|status| status.public_key.as_deref());
        let Some(Ok(public_key)) = public_key.map(PublicKey::from_public_key) else {
            return self.state().forget(key);
        };
        let proof = Arc::new(self.inquirer.ask(&key.namespace, &resource.spec, &public_key).await);
        let interval = resource.spec.check_interval_or(self.default_check_interval);
        let interval = interval + jitter(resource.metadata.uid.as_deref().unwrap_or_default(), interval);
        if self.state().note(key, &Asked::of(&resource), &proof, interval, &self.waits) {
            self.cluster.queue.add(key, Urgency::Due);
        }
        self.woken.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every method of the state leaves it consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

impl State {
    fn schedule(&mut self, key: &ObjectKey, asked: Asked, at: Instant) {
        let proof = self.entries.get_mut(key).and_then(|entry| entry.proof.take());
        self.forget(key);
        self.timers.insert((at, key.clone()));
        self.entries.insert(key.clone(), Entry { asked, proof, failures: 0, due: Some(at) });
    }

    fn take_due(&mut self, now: Instant) -> Option<ObjectKey> {
        let (at, key) = self.timers.first().filter(|(at, _)| *at <= now).cloned()?;
        self.timers.remove(&(at, key.clone()));
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.due = None;
        }
        Some(key)
    }

    /// Keeps a proof and sets the time of the next one. Whether the proof says something new.
    fn note(
        &mut self,
        key: &ObjectKey,
        asked: &Asked,
        proof: &Arc<EndpointProof>,
        interval: Duration,
        waits: &Waits,
    ) -> bool {
        // Where the resource has changed meanwhile, it is asked again already.
        let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.asked == *asked && entry.due.is_none()) else {
            return false;
        };
        entry.failures = if proof.is_complete() { 0 } else { entry.failures.saturating_add(1) };
        let at = Instant::now() + proof.next_probe_after(entry.failures, interval, waits);
        let is_news = entry.proof.as_ref().is_none_or(|before| !before.agrees_with(proof));
        (entry.proof, entry.due) = (Some(Arc::clone(proof)), Some(at));
        self.timers.insert((at, key.clone()));
        is_news
    }

    fn forget(&mut self, key: &ObjectKey) {
        if let Some(at) = self.entries.remove(key).and_then(|entry| entry.due) {
            self.timers.remove(&(at, key.clone()));
        }
    }
}
