//! The cache of the watched objects: resources with their last status, versions of Secrets, and an index from Secrets
//! to resources.
//!
//! Synchronous. Every change returns the affected resources. An index finds them, so no event scans all resources.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube_core::ObjectMeta;
use smallvec::SmallVec;
use waflows_key::Fingerprint;

use crate::api::crd::{FlowsEncryptionKey, ObservedSecret, SecretKeyRef};
use crate::number::Ownership;
use crate::store::cached_resource::CachedResource;
use crate::store::namespaces::Namespaces;
use crate::store::object_key::ObjectKey;
use crate::store::ownership::{Claims, Resources};
use crate::store::resource_summary::ResourceSummary;

/// The cached facts of a Secret. Never its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SecretVersion {
    uid: Box<str>,
    resource_version: Box<str>,
}

/// The effects of a changed resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// See [`CachedResource::spec_changed`].
    pub spec_changed: bool,
    /// If the resource lost numbers: the other resources that list them and may take them over.
    pub released: Option<Vec<ObjectKey>>,
}

/// The objects that the operator watches.
#[derive(Debug, Clone, Default)]
pub struct Store {
    resources: Resources,
    secrets: HashMap<ObjectKey, SecretVersion>,
    /// The resources that refer to a Secret, in order. Mostly one.
    by_secret: HashMap<ObjectKey, SmallVec<[ObjectKey; 1]>>,
    claims: Claims,
    takeover_patience: Duration,
    /// The resources that must check whether Meta refuses their credentials, because it refused another resource with
    /// the same Secret.
    in_doubt: HashSet<ObjectKey>,
    resource_lists: Vec<Listing>,
    secret_lists: Vec<Listing>,
    /// None if the operator works in every namespace that it watches.
    namespaces: Option<Namespaces>,
}

/// Progress of the initial list of a watch. A watch lists again after it has missed events.
#[derive(Debug, Clone, Default)]
struct Listing {
    /// The namespace of the watch. None for all namespaces.
    namespace: Option<Arc<str>>,
    is_complete: bool,
    seen: HashSet<ObjectKey>,
}

impl Listing {
    /// Ends a list. Returns the objects of `cached` in the watch's namespace that the list did not contain.
    fn finish<'a>(&mut self, cached: impl Iterator<Item = &'a ObjectKey>) -> Vec<ObjectKey> {
        let seen = std::mem::take(&mut self.seen);
        self.is_complete = true;
        cached
            .filter(|key| self.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace))
            .filter(|key| !seen.contains(key))
            .cloned()
            .collect()
    }
}

impl Store {
    /// An empty store, with one pair of watches for each entry of `namespaces`. None stands for all namespaces. The
    /// position of the entry is the number of the watch.
    ///
    /// `takeover_patience` is the grace period: how long a number stays free after its owner has gone, before a
    /// resource with another key may take it.
    pub fn new(namespaces: &[Option<String>], takeover_patience: Duration) -> Self {
        let lists = || {
            let namespaces = namespaces.iter().map(|namespace| namespace.as_deref().map(Arc::from));
            namespaces.map(|namespace| Listing { namespace, ..Listing::default() }).collect()
        };
        Self { resource_lists: lists(), secret_lists: lists(), takeover_patience, ..Self::default() }
    }

    /// The store of an operator that works only in the namespaces that a label selector chooses.
    #[must_use]
    pub fn with_selected_namespaces(self) -> Self {
        Self { namespaces: Some(Namespaces::default()), ..self }
    }

    /// Whether the initial list of every watch is complete. Before that the operator may not decide anything.
    pub fn is_complete(&self) -> bool {
        self.resource_lists.iter().chain(&self.secret_lists).all(|list| list.is_complete)
            && self.namespaces.as_ref().is_none_or(Namespaces::is_complete)
    }

    /// The resource as last seen by the watch, or as last written by the operator.
    pub fn resource(&self, key: &ObjectKey) -> Option<FlowsEncryptionKey> {
        self.resources.get(key).map(|cached| cached.resource())
    }

    /// Whether the resource exists.
    pub fn contains(&self, key: &ObjectKey) -> bool {
        self.resources.contains_key(key)
    }

    /// The summaries of all resources.
    pub fn summary(&self) -> Vec<(ObjectKey, ResourceSummary)> {
        self.resources.iter().map(|(key, cached)| (key.clone(), cached.summary.clone())).collect()
    }

    /// The keys of all resources.
    pub fn keys(&self) -> Vec<ObjectKey> {
        self.resources.keys().cloned().collect()
    }

    /// The current versions of the Secrets that the resource refers to, ordered by name.
    pub fn referenced_secrets(&self, resource: &FlowsEncryptionKey) -> Vec<ObservedSecret> {
        self.versions(resource, resource.spec.secret_refs())
    }

    /// The current versions of the Secrets with which only the endpoint is asked, ordered by name.
    pub fn endpoint_secrets(&self, resource: &FlowsEncryptionKey) -> Vec<ObservedSecret> {
        self.versions(resource, resource.spec.endpoint_secret_refs())
    }

    fn versions<'a>(
        &self,
        resource: &FlowsEncryptionKey,
        references: impl Iterator<Item = &'a SecretKeyRef>,
    ) -> Vec<ObservedSecret> {
        let namespace = resource.metadata.namespace.as_deref().unwrap_or_default();
        let names: BTreeSet<_> = references.map(|reference| reference.name.as_str()).collect();
        names.into_iter().filter_map(|name| self.secret_version(&ObjectKey::new(namespace, name))).collect()
    }

    /// The current version of a Secret. None if there is no such Secret.
    pub fn secret_version(&self, key: &ObjectKey) -> Option<ObservedSecret> {
        let secret = self.secrets.get(key)?;
        Some(ObservedSecret {
            name: key.name.to_string(),
            uid: secret.uid.to_string(),
            resource_version: secret.resource_version.to_string(),
        })
    }

    /// Begins a list of resources.
    pub fn begin_resources(&mut self, watch: usize) {
        self.resource_lists[watch].seen.clear();
    }

    /// Marks the resource as contained in the list.
    pub fn list_resource(&mut self, watch: usize, key: &ObjectKey) {
        self.resource_lists[watch].seen.insert(key.clone());
    }

    /// Whether the store already has this version of the resource, or a later one. The answer to a status write often
    /// arrives before the watch event.
    pub fn is_up_to_date_with(&self, key: &ObjectKey, metadata: &ObjectMeta) -> bool {
        let outside = || self.namespaces.as_ref()?.outside(key);
        let cached = self.resources.get(key).map(Box::as_ref).or_else(outside);
        cached.is_some_and(|cached| cached.is_up_to_date_with(metadata))
    }

    /// Stores a resource that was listed, created or changed, or whose status was written.
    pub fn apply_resource(&mut self, resource: &FlowsEncryptionKey, now: Timestamp) -> Change {
        let key = ObjectKey::of(&resource.metadata);
        if self.is_up_to_date_with(&key, &resource.metadata) {
            return Change::default();
        }
        if !self.is_complete() {
            self.claims.expect_owners(resource, self.takeover_patience, now);
        }
        let after = Box::new(CachedResource::of(resource));
        if let Some(namespaces) = &mut self.namespaces
            && !namespaces.contains(&key.namespace)
        {
            namespaces.keep(key, after);
            return Change::default();
        }
        self.insert(key, after, now)
    }

    fn insert(&mut self, key: ObjectKey, after: Box<CachedResource>, now: Timestamp) -> Change {
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
        let released = before
            .as_ref()
            .and_then(|before| self.claims.note_change(&key, before, Some(&after), self.takeover_patience, now));
        let spec_changed = before.is_none_or(|before| after.spec_changed(&before));
        self.resources.insert(key, after);
        Change { spec_changed, released }
    }

    /// Stores the answer to a status write of this operator. Ignored if the resource was deleted or created again
    /// meanwhile.
    pub fn status_written(&mut self, resource: &FlowsEncryptionKey, now: Timestamp) -> Change {
        if self.has_object(resource) { self.apply_resource(resource, now) } else { Change::default() }
    }

    /// Takes a resource in an earlier version than the store has: the API server was restored from a backup. Only for an
    /// answer that is certainly the newest state: a watch may deliver older events after newer ones.
    pub fn resource_restored(&mut self, resource: &FlowsEncryptionKey, now: Timestamp) -> Change {
        if !self.has_object(resource) {
            return Change::default();
        }
        self.insert(ObjectKey::of(&resource.metadata), Box::new(CachedResource::of(resource)), now)
    }

    /// Whether the store has this object, in whatever version.
    fn has_object(&self, resource: &FlowsEncryptionKey) -> bool {
        let cached = self.resources.get(&ObjectKey::of(&resource.metadata));
        cached.is_some_and(|cached| cached.has_uid(resource.metadata.uid.as_deref()))
    }

    /// Removes a resource that was deleted, or that can no longer be parsed.
    pub fn delete_resource(&mut self, key: &ObjectKey, now: Timestamp) -> Option<Vec<ObjectKey>> {
        if let Some(namespaces) = &mut self.namespaces {
            namespaces.remove(key);
        }
        self.take_out(key, now)?.1
    }

    /// Removes a resource with its claims and references.
    fn take_out(&mut self, key: &ObjectKey, now: Timestamp) -> Option<(Box<CachedResource>, Option<Vec<ObjectKey>>)> {
        let cached = self.resources.remove(key)?;
        self.in_doubt.remove(key);
        self.unlink(key, &cached);
        self.claims.release(key);
        let released = self.claims.note_change(key, &cached, None, self.takeover_patience, now);
        Some((cached, released))
    }

    /// Begins a list of the selected namespaces.
    pub fn begin_namespaces(&mut self) {
        if let Some(namespaces) = &mut self.namespaces {
            namespaces.begin();
        }
    }

    /// Marks the namespace as contained in the list.
    pub fn list_namespace(&mut self, namespace: &str) {
        if let Some(namespaces) = &mut self.namespaces {
            namespaces.list(namespace);
        }
    }

    /// Ends a list of the selected namespaces. Returns the namespaces that the list did not contain: the caller must
    /// deselect them.
    pub fn finish_namespaces(&mut self) -> Vec<Arc<str>> {
        self.namespaces.as_mut().map(Namespaces::finish).unwrap_or_default()
    }

    /// The label selector chooses this namespace. Returns the resources in it that the operator did not work on before.
    pub fn select_namespace(&mut self, namespace: &str, now: Timestamp) -> Vec<ObjectKey> {
        let Some(namespaces) = &mut self.namespaces else { return Vec::new() };
        let joining = namespaces.select(namespace);
        let keys = joining.keys().cloned().collect();
        for (key, resource) in joining {
            self.insert(key, resource, now);
        }
        keys
    }

    /// The label selector does not choose this namespace any more, or there is no such namespace. Returns the resources
    /// in it, on which the operator must not work any more, and who may take over their numbers. Goes through all resources,
    /// because namespaces rarely lose a label.
    pub fn deselect_namespace(&mut self, namespace: &str, now: Timestamp) -> Vec<(ObjectKey, Option<Vec<ObjectKey>>)> {
        let Some(namespaces) = &mut self.namespaces else { return Vec::new() };
        namespaces.deselect(namespace);
        let leaving: Vec<_> = self.resources.keys().filter(|key| &*key.namespace == namespace).cloned().collect();
        let take_out = |key: ObjectKey| {
            let (resource, released) = self.take_out(&key, now)?;
            self.namespaces.as_mut()?.keep(key.clone(), resource);
            Some((key, released))
        };
        leaving.into_iter().filter_map(take_out).collect()
    }

    /// The owner of the number, as seen by a resource that lists it and whose key has the fingerprint `wanted`.
    pub fn owner(&self, id: &str, key: &ObjectKey, wanted: Option<Fingerprint>, now: Timestamp) -> Ownership {
        self.claims.owner(id, key, wanted, &self.resources, now)
    }

    /// Like `owner`, for a resource whose token has just read the number. If nobody owns the number, the resource
    /// becomes the owner.
    pub fn claim(&mut self, id: &str, key: &ObjectKey, wanted: Option<Fingerprint>, now: Timestamp) -> Ownership {
        self.claims.claim_now(id, key, wanted, &self.resources, now)
    }

    /// Ends the reconcile of a resource: removes its reservations.
    pub fn finish_reconcile(&mut self, key: &ObjectKey) {
        self.claims.release(key);
    }

    /// Ends a list of resources. Returns the resources that the list did not contain: the caller must delete them.
    pub fn finish_resources(&mut self, watch: usize) -> Vec<ObjectKey> {
        let outside = self.namespaces.iter().flat_map(Namespaces::keys_outside);
        self.resource_lists[watch].finish(self.resources.keys().chain(outside))
    }

    /// Begins a list of Secrets.
    pub fn begin_secrets(&mut self, watch: usize) {
        self.secret_lists[watch].seen.clear();
    }

    /// Marks the Secret as contained in the list.
    pub fn list_secret(&mut self, watch: usize, key: &ObjectKey) {
        self.secret_lists[watch].seen.insert(key.clone());
    }

    /// Stores the version of a Secret. Returns the resources that refer to the Secret, if the version is new.
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

    /// Removes a Secret. Returns the resources that refer to it.
    pub fn delete_secret(&mut self, key: &ObjectKey) -> Vec<ObjectKey> {
        if self.secrets.remove(key).is_some() { self.referring_to(key) } else { Vec::new() }
    }

    /// Ends a list of Secrets and removes the Secrets that it did not contain. Returns the resources that refer to
    /// them.
    pub fn finish_secrets(&mut self, watch: usize) -> Vec<ObjectKey> {
        let gone = self.secret_lists[watch].finish(self.secrets.keys());
        gone.iter().flat_map(|key| self.delete_secret(key)).collect()
    }

    /// Meta refused credentials from this Secret. All resources that refer to the Secret must check whether their
    /// credentials are the same. Returns these resources, without those that are already marked.
    pub fn doubt(&mut self, secret: &ObjectKey) -> Vec<ObjectKey> {
        let concerned = self.referring_to(secret);
        concerned.into_iter().filter(|key| self.in_doubt.insert(key.clone())).collect()
    }

    /// Marks the resource again, because it could not check its credentials.
    pub fn keep_in_doubt(&mut self, key: &ObjectKey) {
        if self.resources.contains_key(key) {
            self.in_doubt.insert(key.clone());
        }
    }

    /// Whether the resource must check its credentials. Removes the mark.
    pub fn take_doubt(&mut self, key: &ObjectKey) -> bool {
        self.in_doubt.remove(key)
    }

    fn referring_to(&self, secret: &ObjectKey) -> Vec<ObjectKey> {
        self.by_secret.get(secret).into_iter().flatten().cloned().collect()
    }

    fn unlink(&mut self, key: &ObjectKey, cached: &CachedResource) {
        self.claims.unlink(key, cached);
        for secret in secrets_of(key, cached) {
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

fn secrets_of(key: &ObjectKey, cached: &CachedResource) -> impl Iterator<Item = ObjectKey> {
    cached.secrets.iter().map(|name| ObjectKey { namespace: Arc::clone(&key.namespace), name: (**name).into() })
}
