//! Asks Meta what the access tokens may do, beside the reconciles: once for each token, whatever number of resources has it.
//!
//! A reconcile that has read its Secrets tells the inspector of its token. If the token was never inspected, or not for a
//! day, the inspector asks Meta, and queues the resources that have the token. Their next reconcile reports the result. No
//! work depends on a result.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use waflows_core::api::crd::{FlowsEncryptionKey, ObservedSecret};
use waflows_core::meta::ErrorClass;
use waflows_core::queue::Urgency;
use waflows_core::status::token::has_same_credentials;
use waflows_core::store::object_key::ObjectKey;
use waflows_core::token::{INSPECTION_INTERVAL, Inspection, TokenFacts, is_due};

use super::cluster_state::ClusterState;
use super::reads::Caller;
use crate::graph::{self, CallError, CredentialsId, HoldCause, is_not_its_own_judge};

/// Inspects access tokens.
pub struct Inspector {
    cluster: Arc<ClusterState>,
    graph: graph::Reader,
    is_enabled: bool,
    known: Mutex<Known>,
}

/// A token with the app that may ask about it.
type Subject = (CredentialsId, Option<String>);

#[derive(Default)]
struct Known {
    tokens: HashMap<Subject, Entry>,
    /// The token of each resource, as of its last reconcile with Secrets.
    of_resources: HashMap<ObjectKey, Subject>,
}

#[derive(Default)]
struct Entry {
    inspection: Option<Arc<Inspection>>,
    is_under_way: bool,
}

impl Inspector {
    /// An inspector that knows no token.
    pub fn new(cluster: Arc<ClusterState>, graph: graph::Reader, is_enabled: bool) -> Self {
        Self { cluster, graph, is_enabled, known: Mutex::default() }
    }

    /// What is known of the token of a resource.
    pub fn known(&self, key: &ObjectKey) -> Option<Arc<Inspection>> {
        let known = self.known_tokens();
        known.tokens.get(known.of_resources.get(key)?)?.inspection.clone()
    }

    /// A reconcile has read the Secrets of this resource. What is known of its token, which is inspected if that is due.
    pub(super) fn follow(
        self: &Arc<Self>,
        key: &ObjectKey,
        resource: &FlowsEncryptionKey,
        secrets: &[ObservedSecret],
        caller: Option<&Arc<Caller>>,
    ) -> Option<Arc<Inspection>> {
        let Some(caller) = caller.filter(|_| self.is_enabled) else {
            self.known_tokens().of_resources.remove(key);
            return None;
        };
        let now = Timestamp::now();
        let subject = (caller.credentials.id(), resource.spec.app_id.clone());
        let mut known = self.known_tokens();
        known.forget_old(now);
        known.of_resources.insert(key.clone(), subject.clone());
        let entry = known.tokens.entry(subject.clone()).or_default();
        let stored = resource.status.as_ref().and_then(|status| status.token.as_ref());
        let is_due = match &entry.inspection {
            Some(inspection) => inspection.facts.is_some() && inspection.at + INSPECTION_INTERVAL <= now,
            None => is_due(stored, has_same_credentials(resource, secrets), now),
        };
        if is_due && !entry.is_under_way {
            entry.is_under_way = true;
            let (inspector, caller) = (Arc::clone(self), Arc::clone(caller));
            tokio::spawn(async move { inspector.inspect(subject, &caller).await });
        }
        entry.inspection.clone()
    }

    async fn inspect(&self, subject: Subject, caller: &Caller) {
        let Caller { credentials, resource } = caller;
        let app = subject.1.as_deref().and_then(|id| credentials.app(id));
        let facts = match self.graph.inspect_token(credentials, app.as_ref(), resource).await {
            Ok(facts) => Some(Some(facts)),
            Err(error) if is_not_its_own_judge(&error) => Some(None),
            Err(error) if refuses_token(&error) => Some(Some(TokenFacts::default())),
            // Whoever comes next tries again.
            Err(_) => None,
        };
        let mut known = self.known_tokens();
        let Some(entry) = known.tokens.get_mut(&subject) else { return };
        entry.is_under_way = false;
        let Some(facts) = facts else { return };
        entry.inspection = Some(Arc::new(Inspection { facts, at: Timestamp::now() }));
        let concerned: Vec<_> =
            known.of_resources.iter().filter(|(_, of)| **of == subject).map(|(key, _)| key.clone()).collect();
        drop(known);
        concerned.iter().for_each(|key| self.cluster.queue.add(key, Urgency::Due));
    }

    fn known_tokens(&self) -> MutexGuard<'_, Known> {
        // Every change leaves the maps consistent.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Forgets tokens that no resource has any more, so that the maps do not grow with every token ever seen.
    fn forget_old(&mut self, now: Timestamp) {
        let is_old = |entry: &Entry| {
            entry.inspection.as_ref().is_some_and(|inspection| inspection.at + INSPECTION_INTERVAL * 31 < now)
        };
        self.tokens.retain(|_, entry| entry.is_under_way || !is_old(entry));
        let tokens = &self.tokens;
        self.of_resources.retain(|_, subject| tokens.contains_key(subject));
    }
}

fn refuses_token(error: &CallError) -> bool {
    match error {
        CallError::Failed(error) => error.class == ErrorClass::Token,
        CallError::Held(hold) => matches!(hold.cause, HoldCause::CredentialsRefused(_)),
        CallError::Withdrawn => false,
    }
}
