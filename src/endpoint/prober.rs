//! Asks the endpoints of all resources again and again, beside the reconciles.
//!
//! A target that does not answer takes up to 20 s, so that no reconcile waits for one. A reconcile tells the prober which
//! key a resource has now. The prober asks, keeps the proof in memory, and queues the resource if the proof says something
//! new. The next reconcile then reports the proof.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use waflows_core::api::conditions::{self, ConditionType};
use waflows_core::api::crd::{Endpoint, FlowsEncryptionKey, ObservedSecret, RotationStatus, SecretKeyRef};
use waflows_core::proof::{EndpointProof, ProbeKeys};
use waflows_core::queue::Urgency;
use waflows_core::reconcile::work_due::urgency_after_proof;
use waflows_core::schedule::backoff::Waits;
use waflows_core::schedule::due::{pace, sync_request};
use waflows_core::store::object_key::ObjectKey;

use super::inquiry::Inquirer;
use crate::controller::cluster_state::ClusterState;
use crate::controller::queue::{Queue, Turn};

/// Resources whose endpoints are asked at the same time. Each has up to eight requests under way, so these are 64 connections
/// at most.
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
    /// The last proof, and what was asked for it.
    proof: Option<(ProbedEndpoint, Arc<EndpointProof>)>,
    /// Incomplete proofs in a row.
    failures: i32,
}

/// Which endpoint a proof is about, and how it was asked. The proof says nothing about another one.
#[derive(Debug, Clone, PartialEq)]
struct ProbedEndpoint {
    uid: Option<String>,
    endpoint: Option<Endpoint>,
    app_secret_ref: Option<SecretKeyRef>,
}

impl ProbedEndpoint {
    fn of(resource: &FlowsEncryptionKey) -> Self {
        Self {
            uid: resource.metadata.uid.clone(),
            endpoint: resource.spec.endpoint.clone(),
            app_secret_ref: resource.spec.endpoint_app_secret_ref().cloned(),
        }
    }
}

/// A proof that was kept.
struct Noted {
    /// The proof before, if it was about the same endpoint.
    earlier: Option<Arc<EndpointProof>>,
    proof: Arc<EndpointProof>,
    /// Incomplete proofs in a row.
    failures: i32,
}

/// What a proof depends on. If any of this changes, the endpoint is asked at once.
#[derive(Debug, Clone, PartialEq)]
struct Asked {
    probed: ProbedEndpoint,
    generation: Option<i64>,
    sync_request: Option<String>,
    key: Option<String>,
    /// The two keys of a rotation.
    rotation: Option<[String; 2]>,
    /// The end of an overlap: an earlier proof does not end it.
    overlap_end: Option<Time>,
    secrets: Vec<ObservedSecret>,
    endpoint_secrets: Vec<ObservedSecret>,
}

impl Asked {
    fn of(resource: &FlowsEncryptionKey, endpoint_secrets: Vec<ObservedSecret>) -> Self {
        let rotation = rotation_under_way(resource);
        Self {
            probed: ProbedEndpoint::of(resource),
            generation: resource.metadata.generation,
            sync_request: sync_request(resource),
            key: resource.status.as_ref().and_then(|status| status.public_key_fingerprint.clone()),
            rotation: rotation.map(|rotation| [rotation.from.clone(), rotation.to.clone()]),
            overlap_end: rotation.and_then(RotationStatus::overlap_end).cloned(),
            secrets: resource.status.as_ref().map(|status| status.observed_secrets.clone()).unwrap_or_default(),
            endpoint_secrets,
        }
    }
}

impl Prober {
    /// A prober that has asked nobody yet.
    pub fn new(cluster: Arc<ClusterState>, inquirer: Inquirer, waits: Waits, default_check_interval: Duration) -> Self {
        let (entries, queue) = (Mutex::default(), Queue::default());
        Self { cluster, inquirer, waits, default_check_interval, entries, queue }
    }

    /// What the endpoint of a resource last answered. None if the resource has had another endpoint since.
    pub fn proof(&self, key: &ObjectKey, resource: &FlowsEncryptionKey) -> Option<Arc<EndpointProof>> {
        resource.spec.endpoint.as_ref()?;
        let entries = self.entries();
        let (probed, proof) = entries.get(key)?.proof.as_ref()?;
        (*probed == ProbedEndpoint::of(resource)).then(|| Arc::clone(proof))
    }

    /// A reconcile has stored this resource. If its key or its spec has changed, the endpoint is asked at once.
    pub fn follow(&self, key: &ObjectKey, resource: &FlowsEncryptionKey) {
        if !is_asked(resource) {
            return self.forget(key);
        }
        let asked = self.asked(resource);
        let mut entries = self.entries();
        if entries.get(key).is_some_and(|entry| entry.asked == asked) {
            return;
        }
        let proof = entries.remove(key).and_then(|entry| entry.proof);
        entries.insert(key.clone(), Entry { asked, proof, failures: 0 });
        drop(entries);
        self.queue.add(key, Urgency::Changed);
    }

    /// A reconcile has looked at this resource and found nothing to do. The endpoint is asked at once if a Secret for the
    /// endpoint has changed. It is also asked at once if this process has never asked it, and a rotation is under way or the
    /// status does not say that the endpoint is in order: users wait for the news.
    pub fn look(&self, key: &ObjectKey, resource: &FlowsEncryptionKey) {
        // Most resources have no endpoint, and cost nothing here.
        let awaits_news = || resource.spec.endpoint.is_some() && !is_ready(resource);
        if rotation_under_way(resource).is_some() || awaits_news() || self.entries().contains_key(key) {
            self.follow(key, resource);
        }
    }

    /// Forgets a resource that has gone, or is not asked any more.
    pub fn forget(&self, key: &ObjectKey) {
        self.entries().remove(key);
        self.queue.remove(key);
    }

    fn asked(&self, resource: &FlowsEncryptionKey) -> Asked {
        Asked::of(resource, self.cluster.store().endpoint_secrets(resource))
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
        let Some(keys) = resource.status.as_ref().and_then(ProbeKeys::of) else { return self.forget(key) };
        let asked = self.asked(&resource);
        let proof = self.inquirer.ask(&key.namespace, &resource.spec, &keys).await;
        let interval = resource.spec.check_interval_or(self.default_check_interval);
        let Some(Noted { earlier, proof, failures }) = self.note(key, asked, proof) else { return };
        let wait =
            proof.next_probe_after(failures, rotation_under_way(&resource), pace(&resource, interval), &self.waits);
        self.queue.add_at(key, Instant::now() + wait);
        let urgency = urgency_after_proof(Arc::new(resource), earlier.as_deref(), &proof, self.waits, Timestamp::now());
        if let Some(urgency) = urgency {
            self.cluster.queue.add(key, urgency);
        }
    }

    /// Keeps a proof. None if the endpoint is no longer asked.
    ///
    /// Every kept proof is followed by another, whatever has changed meanwhile: the caller sets the time, and a change that
    /// a reconcile has reported is in the queue already.
    fn note(&self, key: &ObjectKey, asked: Asked, proof: EndpointProof) -> Option<Noted> {
        let mut entries = self.entries();
        let entry = entries.get_mut(key)?;
        let earlier = entry.proof.take().filter(|(of, _)| *of == asked.probed).map(|(_, proof)| proof);
        let proof = Arc::new(proof.after(earlier.as_deref()));
        let failures = if proof.is_complete() { 0 } else { entry.failures.saturating_add(1) };
        let kept = (asked.probed.clone(), Arc::clone(&proof));
        *entry = Entry { asked, proof: Some(kept), failures };
        Some(Noted { earlier, proof, failures })
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<ObjectKey, Entry>> {
        // Every change leaves the map consistent.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn rotation_under_way(resource: &FlowsEncryptionKey) -> Option<&RotationStatus> {
    resource.status.as_ref()?.rotation_under_way()
}

/// Whether the status says that the endpoint opens the key.
fn is_ready(resource: &FlowsEncryptionKey) -> bool {
    let conditions = resource.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    conditions::find(conditions, ConditionType::EndpointReady).is_some_and(|condition| condition.status == "True")
}

/// Whether the endpoint of a resource is asked.
fn is_asked(resource: &FlowsEncryptionKey) -> bool {
    let has_key = resource.status.as_ref().is_some_and(|status| status.public_key.is_some());
    has_key
        && resource.spec.endpoint.is_some()
        && !resource.spec.is_suspended()
        && resource.metadata.deletion_timestamp.is_none()
}

#[cfg(test)]
mod tests;
