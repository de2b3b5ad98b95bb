//! What exists, as the watches told: resources with their last status, versions of Secrets, and who refers to what.
//!
//! Synchronous. Every change returns the resources that it concerns, found by index: no event costs a scan over all
//! resources.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube_core::ObjectMeta;
use smallvec::SmallVec;
use waflows_key::Fingerprint;

use crate::api::crd::{FlowsEncryptionKey, ObservedSecret};
use crate::number::Ownership;
use crate::store::cached_resource::CachedResource;
use crate::store::claims::{Claims, Released, Resources};
use crate::store::object_key::ObjectKey;
use crate::store::resource_summary::ResourceSummary;

/// A Secret, as far as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SecretVersion {
    uid: Box<str>,
    resource_version: Box<str>,
}

/// What a change of a resource brings about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Someone changed what the resource asks for, or left a status that cannot be the operator's. Any other change of
    /// its status or metadata is none.
    pub spec_changed: bool,
    /// It has lost numbers that others list.
    pub vacated: Option<Released>,
}

/// The objects that the operator watches.
#[derive(Debug, Clone, Default)]
pub struct Store {
    resources: Resources,
    secrets: HashMap<ObjectKey, SecretVersion>,
    /// The resources that refer to a Secret, in order; mostly one.
    by_secret: HashMap<ObjectKey, SmallVec<[ObjectKey; 1]>>,
    claims: Claims,
    takeover_patience: Duration,
    /// The resources that have to look whether their credentials were refused.
    in_doubt: HashSet<ObjectKey>,
    resource_lists: Vec<Listing>,
    secret_lists: Vec<Listing>,
}

/// Progress of the list that a watch begins with, and begins again with when it has missed something.
#[derive(Debug, Clone, Default)]
struct Listing {
    /// The namespace that the watch is confined to.
    namespace: Option<Arc<str>>,
    is_complete: bool,
    seen: HashSet<ObjectKey>,
}

impl Listing {
    /// Ends a list: those of `known` that the watch should have seen and has not.
    fn finish<'a>(&mut self, known: impl Iterator<Item = &'a ObjectKey>) -> Vec<ObjectKey> {
        let seen = std::mem::take(&mut self.seen);
        self.is_complete = true;
        known
            .filter(|key| self.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace))
            .filter(|key| !seen.contains(key))
            .cloned()
            .collect()
    }
}

impl Store {
    /// An empty index for one pair of watches, over all namespaces or each confined to one. The position of the
    /// namespace is the number of the watch.
    ///
    /// `takeover_patience` is how long a number stays free after its owner has gone before a resource with another
    /// key takes it.
    pub fn new(namespaces: &[Option<String>], takeover_patience: Duration) -> Self {
        let lists = || {
            let namespaces = namespaces.iter().map(|namespace| namespace.as_deref().map(Arc::from));
            namespaces.map(|namespace| Listing { namespace, ..Listing::default() }).collect()
        };
        Self { resource_lists: lists(), secret_lists: lists(), takeover_patience, ..Self::default() }
    }

    /// Whether every watch has been listed once. Before that nothing may be decided.
    pub fn is_complete(&self) -> bool {
        self.resource_lists.iter().chain(&self.secret_lists).all(|list| list.is_complete)
    }

    /// The resource as last seen, or as last written by the operator itself.
    pub fn resource(&self, key: &ObjectKey) -> Option<FlowsEncryptionKey> {
        self.resources.get(key).map(|known| known.resource())
    }

    /// The state of all resources in brief.
    pub fn summary(&self) -> Vec<(ObjectKey, ResourceSummary)> {
        self.resources.iter().map(|(key, known)| (key.clone(), known.summary.clone())).collect()
    }

    /// The keys of all resources.
    pub fn keys(&self) -> Vec<ObjectKey> {
        self.resources.keys().cloned().collect()
    }

    /// The Secrets that the resource refers to, as they exist now, by name.
    pub fn referenced_secrets(&self, resource: &FlowsEncryptionKey) -> Vec<ObservedSecret> {
        let namespace = resource.metadata.namespace.as_deref().unwrap_or_default();
        let names: BTreeSet<_> = resource.spec.secret_refs().map(|reference| reference.name.as_str()).collect();
        let version = |name: &str| {
            let secret = self.secrets.get(&ObjectKey::new(namespace, name))?;
            Some(ObservedSecret {
                name: name.to_owned(),
                uid: secret.uid.to_string(),
                resource_version: secret.resource_version.to_string(),
            })
        };
        names.into_iter().filter_map(version).collect()
    }

    /// A list of resources begins.
    pub fn begin_resources(&mut self, watch: usize) {
        self.resource_lists[watch].seen.clear();
    }

    /// The list of resources has this one.
    pub fn list_resource(&mut self, watch: usize, key: &ObjectKey) {
        self.resource_lists[watch].seen.insert(key.clone());
    }

    /// Whether this version of a resource, or a later one, was seen already: the answer to a status write overtakes the
    /// watch.
    pub fn is_up_to_date_with(&self, key: &ObjectKey, metadata: &ObjectMeta) -> bool {
        self.resources.get(key).is_some_and(|known| known.is_up_to_date_with(metadata))
    }

    /// A resource was listed, created or changed, or its status was written.
    pub fn apply_resource(&mut self, resource: &FlowsEncryptionKey, now: Timestamp) -> Change {
        let key = ObjectKey::of(&resource.metadata);
        if self.is_up_to_date_with(&key, &resource.metadata) {
            return Change::default();
        }
        let after = CachedResource::of(resource);
        let before = self.resources.remove(&key);
        if let Some(before) = &before {
            self.unlink(&key, before);
        }
        for secret in secrets_of(&key, &after) {
            let resources = self.by_secret.entry(secret).or_default();
            if let Err(position) = resources.binary_search(&key) {
                resources.insert(position, key.clone());
            }
        }
        self.claims.link(&key, &after);
        let vacated = before
            .as_ref()
            .and_then(|before| self.claims.note_change(&key, before, Some(&after), self.takeover_patience, now));
        let spec_changed = before.is_none_or(|before| after.spec_changed(&before));
        self.resources.insert(key, Box::new(after));
        Change { spec_changed, vacated }
    }

    /// The answer to a status write of the operator's own. Means nothing where the resource went meanwhile, or was
    /// created anew.
    pub fn status_written(&mut self, resource: &FlowsEncryptionKey, now: Timestamp) -> Change {
        let known = self.resources.get(&ObjectKey::of(&resource.metadata));
        if known.is_none_or(|known| !known.has_uid(resource.metadata.uid.as_deref())) {
            return Change::default();
        }
        self.apply_resource(resource, now)
    }

    /// The resource is gone, or no longer one that can be read.
    pub fn delete_resource(&mut self, key: &ObjectKey, now: Timestamp) -> Option<Released> {
        let known = self.resources.remove(key)?;
        self.in_doubt.remove(key);
        self.unlink(key, &known);
        self.claims.release(key);
        self.claims.note_change(key, &known, None, self.takeover_patience, now)
    }

    /// Whose number it is, as seen by a resource that lists it and wants the number to hold the key of this fingerprint.
    pub fn owner(&self, id: &str, key: &ObjectKey, wanted: Option<Fingerprint>, now: Timestamp) -> Ownership {
        self.claims.owner(id, key, wanted, &self.resources, now)
    }

    /// The same for a resource whose token has just read the number, which makes it the owner where there is none.
    pub fn claim(&mut self, id: &str, key: &ObjectKey, wanted: Option<Fingerprint>, now: Timestamp) -> Ownership {
        self.claims.claim_now(id, key, wanted, &self.resources, now)
    }

    /// The round of a resource is over.
    pub fn finish_round(&mut self, key: &ObjectKey) {
        self.claims.release(key);
    }

    /// The list of resources is complete. What was not in it is gone, and returned to be deleted.
    pub fn finish_resources(&mut self, watch: usize) -> Vec<ObjectKey> {
        self.resource_lists[watch].finish(self.resources.keys())
    }

    /// A list of Secrets begins.
    pub fn begin_secrets(&mut self, watch: usize) {
        self.secret_lists[watch].seen.clear();
    }

    /// The list of Secrets has this one.
    pub fn list_secret(&mut self, watch: usize, key: &ObjectKey) {
        self.secret_lists[watch].seen.insert(key.clone());
    }

    /// A Secret was listed, created or changed. Returns the resources that refer to it, if its version is a new one.
    pub fn apply_secret(&mut self, metadata: &ObjectMeta) -> Vec<ObjectKey> {
        let key = ObjectKey::of(metadata);
        let version = SecretVersion {
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            resource_version: metadata.resource_version.as_deref().unwrap_or_default().into(),
        };
        if self.secrets.get(&key) == Some(&version) {
            return Vec::new();
        }
        let concerned = self.referring_to(&key);
        self.secrets.insert(key, version);
        concerned
    }

    /// The Secret is gone. Returns the resources that refer to it.
    pub fn delete_secret(&mut self, key: &ObjectKey) -> Vec<ObjectKey> {
        if self.secrets.remove(key).is_some() { self.referring_to(key) } else { Vec::new() }
    }

    /// The list of Secrets is complete. What was not in it is gone. Returns the resources that refer to it.
    pub fn finish_secrets(&mut self, watch: usize) -> Vec<ObjectKey> {
        let gone = self.secret_lists[watch].finish(self.secrets.keys());
        gone.iter().flat_map(|key| self.delete_secret(key)).collect()
    }

    /// What a resource read from this Secret was refused: those that refer to it have to look whether theirs was, too.
    /// Returns them, but for those that are about to look anyway.
    pub fn doubt(&mut self, secret: &ObjectKey) -> Vec<ObjectKey> {
        let concerned = self.referring_to(secret);
        concerned.into_iter().filter(|key| self.in_doubt.insert(key.clone())).collect()
    }

    /// The resource could not look.
    pub fn keep_in_doubt(&mut self, key: &ObjectKey) {
        if self.resources.contains_key(key) {
            self.in_doubt.insert(key.clone());
        }
    }

    /// Whether the resource has to look whether its credentials were refused. It does so now.
    pub fn take_doubt(&mut self, key: &ObjectKey) -> bool {
        self.in_doubt.remove(key)
    }

    fn referring_to(&self, secret: &ObjectKey) -> Vec<ObjectKey> {
        self.by_secret.get(secret).into_iter().flatten().cloned().collect()
    }

    fn unlink(&mut self, key: &ObjectKey, known: &CachedResource) {
        self.claims.unlink(key, known);
        for secret in secrets_of(key, known) {
            if let Some(resources) = self.by_secret.get_mut(&secret) {
                if let Ok(position) = resources.binary_search(key) {
                    resources.remove(position);
                }
                if resources.is_empty() {
                    self.by_secret.remove(&secret);
                }
            }
        }
    }
}

fn secrets_of(key: &ObjectKey, known: &CachedResource) -> impl Iterator<Item = ObjectKey> {
    known.secrets.iter().map(|name| ObjectKey { namespace: Arc::clone(&key.namespace), name: (**name).into() })
}
