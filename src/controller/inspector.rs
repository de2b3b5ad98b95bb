//! Asks Meta what the access tokens may do, beside the reconciles: once for each token, however many resources have it.
//!
//! A reconcile that has read its Secrets shows its token to the inspector. If the token was never inspected, or not for a
//! day, the inspector asks Meta, and queues the resources that have the token. Their next reconcile reports the result. No
//! work depends on a result.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use waflows_core::api::crd::{FlowsEncryptionKey, ObservedSecret};
use waflows_core::meta::ErrorClass;
use waflows_core::queue::Urgency;
use waflows_core::status::token::has_same_credentials;
use waflows_core::store::object_key::ObjectKey;
use waflows_core::token::{INSPECTION_INTERVAL, Inspection, TokenFacts, is_due};

use super::cluster_state::ClusterState;
use super::fence::WriteFence;
use super::reads::Caller;
use crate::graph::{self, CallError, CredentialsId, HoldCause, is_not_its_own_judge};

/// A token of which nothing was learnt is not inspected again before this. Every reconcile of every resource that has the
/// token would ask otherwise.
const RETRY_INTERVAL: Duration = Duration::from_secs(3600);

/// Inspects access tokens.
pub struct Inspector {
    cluster: Arc<ClusterState>,
    graph: graph::Reader,
    is_enabled: bool,
    tokens: Mutex<Tokens>,
}

/// A token with the app that may ask about it.
type InspectedToken = (CredentialsId, Option<String>);

#[derive(Default)]
struct Tokens {
    /// Each token that some resource has.
    inspected: HashMap<InspectedToken, Entry>,
    /// The token of each resource, as of its last reconcile with Secrets.
    of_resources: HashMap<ObjectKey, InspectedToken>,
}

#[derive(Default)]
struct Entry {
    inspection: Option<Arc<Inspection>>,
    /// Start of the last inspection. It may be under way, or have failed.
    asked: Option<Timestamp>,
    /// Count of the resources that have the token.
    resources: usize,
}

impl Inspector {
    /// An inspector that knows no token.
    pub fn new(cluster: Arc<ClusterState>, graph: graph::Reader, is_enabled: bool) -> Self {
        Self { cluster, graph, is_enabled, tokens: Mutex::default() }
    }

    /// What is known of the token of a resource.
    pub fn known(&self, key: &ObjectKey) -> Option<Arc<Inspection>> {
        let tokens = self.tokens();
        tokens.inspected.get(tokens.of_resources.get(key)?)?.inspection.clone()
    }

    /// Forgets a resource that has gone.
    pub fn forget(&self, key: &ObjectKey) {
        self.tokens().remove(key);
    }

    /// A reconcile has read the Secrets of this resource. What is known of its token, which is inspected if that is due.
    pub(super) fn follow(
        self: &Arc<Self>,
        key: &ObjectKey,
        resource: &FlowsEncryptionKey,
        secrets: &[ObservedSecret],
        caller: Option<&Arc<Caller>>,
        fence: &WriteFence,
    ) -> Option<Arc<Inspection>> {
        let Some(caller) = caller.filter(|_| self.is_enabled) else {
            self.tokens().remove(key);
            return None;
        };
        let now = Timestamp::now();
        let inspected_token = (caller.credentials.id(), resource.spec.app_id.clone());
        let stored = resource.status.as_ref().and_then(|status| status.token.as_ref());
        let mut tokens = self.tokens();
        let entry = tokens.set(key, &inspected_token);
        if entry.is_due(now, || is_due(stored, has_same_credentials(resource, secrets), now)) {
            entry.asked = Some(now);
            let (inspector, caller, fence) = (Arc::clone(self), Arc::clone(caller), fence.of_term());
            tokio::spawn(async move { fence.run(inspector.inspect(inspected_token, &caller)).await });
        }
        let inspection = entry.inspection.clone();
        drop(tokens);
        if !self.cluster.store().contains(key) {
            // It was deleted meanwhile, and nobody forgets it later.
            self.forget(key);
        }
        inspection
    }

    async fn inspect(&self, inspected_token: InspectedToken, caller: &Caller) {
        let Caller { credentials, resource } = caller;
        let app = inspected_token.1.as_deref().and_then(|id| credentials.app(id));
        let facts = match self.graph.inspect_token(credentials, app.as_ref(), resource).await {
            Ok(facts) => Some(facts),
            Err(error) if is_not_its_own_judge(&error) => None,
            Err(error) if refuses_token(&error) => Some(TokenFacts::default()),
            Err(_) => return,
        };
        let mut tokens = self.tokens();
        let Some(entry) = tokens.inspected.get_mut(&inspected_token) else { return };
        entry.inspection = Some(Arc::new(Inspection { facts, at: Timestamp::now() }));
        let concerned: Vec<_> =
            tokens.of_resources.iter().filter(|(_, of)| **of == inspected_token).map(|(key, _)| key.clone()).collect();
        drop(tokens);
        concerned.iter().for_each(|key| self.cluster.queue.add(key, Urgency::Due));
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        // Every change leaves the maps consistent.
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Whether to inspect the token. `is_due_by_status` counts where this process has not inspected it.
    fn is_due(&self, now: Timestamp, is_due_by_status: impl FnOnce() -> bool) -> bool {
        self.asked.is_none_or(|asked| asked + RETRY_INTERVAL <= now)
            && match &self.inspection {
                Some(inspection) => inspection.facts.is_some() && inspection.at + INSPECTION_INTERVAL <= now,
                None => is_due_by_status(),
            }
    }
}

impl Tokens {
    /// The resource has this token now.
    fn set(&mut self, key: &ObjectKey, inspected_token: &InspectedToken) -> &mut Entry {
        let is_new = self.of_resources.get(key) != Some(inspected_token);
        if is_new {
            self.remove(key);
            self.of_resources.insert(key.clone(), inspected_token.clone());
        }
        let entry = self.inspected.entry(inspected_token.clone()).or_default();
        entry.resources += usize::from(is_new);
        entry
    }

    /// The resource has no token any more. A token that no resource has is forgotten.
    fn remove(&mut self, key: &ObjectKey) {
        let Some(former) = self.of_resources.remove(key) else { return };
        if let Some(entry) = self.inspected.get_mut(&former) {
            entry.resources -= 1;
            if entry.resources == 0 {
                self.inspected.remove(&former);
            }
        }
    }
}

fn refuses_token(error: &CallError) -> bool {
    match error {
        CallError::Failed(error) => error.class == ErrorClass::Token,
        CallError::Held(hold) => matches!(hold.cause, HoldCause::CredentialsRefused(_)),
        CallError::Withdrawn => false,
    }
}
