//! Reads Secrets for all reconciles. Reconciles that need the same Secret at the same time share one request (single
//! flight), and reconciles that run at the same time share credentials. Nothing outlives the reconciles and token
//! inspections that use it: this file holds weak references alone, and the last owner zeroizes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared, try_join_all};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use waflows_core::api::crd::{FlowsEncryptionKey, ObservedSecret};
use waflows_core::store::object_key::ObjectKey;

use super::cluster_state::ClusterState;
use super::secrets::{self, Fetched, KnownCredentials, Opened, READING, ReadSecretError};
use crate::graph::Credentials;

type Fetch = BoxFuture<'static, Result<Arc<Fetched>, ReadSecretError>>;

/// Credentials that a reconcile uses, and the versions of the Secrets that held them.
type LiveCredentials = (Weak<Credentials>, Vec<ObservedSecret>);

/// Reads the Secrets of resources.
pub struct SecretReader {
    client: Client,
    cluster: Arc<ClusterState>,
    /// The requests under way.
    fetches: Mutex<HashMap<Wanted, WeakShared<Fetch>>>,
    /// The credentials that reconciles use.
    credentials: Mutex<HashMap<CredentialRefs, LiveCredentials>>,
}

/// A Secret, and the entries to keep of it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Wanted {
    secret: ObjectKey,
    entries: Vec<String>,
}

/// Where credentials are: the access token and the app secret, each as Secret and entry.
#[derive(PartialEq, Eq, Hash)]
struct CredentialRefs {
    namespace: String,
    references: Vec<(String, String)>,
}

impl SecretReader {
    /// A reader that compares with the versions in this cache.
    pub fn new(client: Client, cluster: Arc<ClusterState>) -> Self {
        Self { client, cluster, fetches: Mutex::default(), credentials: Mutex::default() }
    }

    /// Reads every Secret that the resource refers to, once, and parses key and credentials. Credentials that another
    /// reconcile uses are not read again while their Secrets have the same version.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub async fn read(&self, resource: &FlowsEncryptionKey) -> Result<Opened, ReadSecretError> {
        let known = self.known_credentials(resource);
        let names = if known.is_some() { secrets::key_secret_names(resource) } else { secrets::secret_names(resource) };
        let fetched = self.fetch_all(resource, names).await?;
        let opened = secrets::open(resource, fetched, known).await;
        if let Some(credentials) = &opened.credentials {
            self.remember(resource, credentials, &opened.inputs.secrets);
        }
        Ok(opened)
    }

    /// Reads only the credentials. None if they are missing or invalid.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub async fn read_credentials(
        &self,
        resource: &FlowsEncryptionKey,
    ) -> Result<Option<Arc<Credentials>>, ReadSecretError> {
        if let Some(known) = self.known_credentials(resource) {
            return Ok(Some(known.credentials));
        }
        let fetched = self.fetch_all(resource, secrets::credential_secret_names(resource)).await?;
        Ok(secrets::credentials(resource, fetched))
    }

    /// The credentials of a running reconcile, if the watch has seen no other version of their Secrets.
    fn known_credentials(&self, resource: &FlowsEncryptionKey) -> Option<KnownCredentials> {
        let names = secrets::credential_secret_names(resource);
        if secrets::key_secret_names(resource).iter().any(|name| names.contains(name)) {
            // The Secret is read in any case.
            return None;
        }
        let (credentials, versions) = {
            let known = locked(&self.credentials);
            let (credentials, versions) = known.get(&CredentialRefs::of(resource))?;
            (credentials.upgrade()?, versions.clone())
        };
        (self.current(resource, &names) == versions).then_some(KnownCredentials { credentials, versions })
    }

    fn remember(&self, resource: &FlowsEncryptionKey, credentials: &Arc<Credentials>, read: &[ObservedSecret]) {
        let names = secrets::credential_secret_names(resource);
        let versions = read.iter().filter(|secret| names.contains(&secret.name)).cloned().collect();
        let mut known = locked(&self.credentials);
        known.retain(|_, (credentials, _)| credentials.strong_count() > 0);
        known.insert(CredentialRefs::of(resource), (Arc::downgrade(credentials), versions));
    }

    async fn fetch_all(
        &self,
        resource: &FlowsEncryptionKey,
        names: Vec<String>,
    ) -> Result<Vec<(String, Arc<Fetched>)>, ReadSecretError> {
        try_join_all(names.into_iter().map(|name| async move {
            let fetched = self.fetch(Wanted::of(resource, &name)).await?;
            Ok((name, fetched))
        }))
        .await
    }

    /// Reads a Secret, or shares a request that is under way. That request may have left before the Secret changed, so
    /// its answer counts only if it has the version that the watch has seen.
    async fn fetch(&self, wanted: Wanted) -> Result<Arc<Fetched>, ReadSecretError> {
        let mut stale = None;
        loop {
            let (fetch, is_own) = self.join(&wanted, stale.as_ref());
            let fetched = fetch.clone().await?;
            if is_own || self.is_current(&wanted.secret, &fetched) {
                return Ok(fetched);
            }
            stale = Some(fetch);
        }
    }

    /// The request under way, unless it is the stale one. Otherwise a new one, and true.
    fn join(&self, wanted: &Wanted, stale: Option<&Shared<Fetch>>) -> (Shared<Fetch>, bool) {
        let mut fetches = locked(&self.fetches);
        let running = fetches.get(wanted).and_then(WeakShared::upgrade);
        if let Some(running) = running.filter(|running| stale.is_none_or(|stale| !running.ptr_eq(stale))) {
            return (running, false);
        }
        fetches.retain(|_, fetch| fetch.upgrade().is_some());
        let fetch = fetch(self.client.clone(), wanted.clone()).boxed().shared();
        if let Some(weak) = fetch.downgrade() {
            fetches.insert(wanted.clone(), weak);
        }
        (fetch, true)
    }

    fn is_current(&self, secret: &ObjectKey, fetched: &Fetched) -> bool {
        match fetched {
            Fetched::Found(contents) => {
                let version = contents.version(&secret.name);
                self.cluster.store().secret_version(secret) == Some(version)
            }
            Fetched::NotFound => self.cluster.store().secret_version(secret).is_none(),
            Fetched::Forbidden => false,
        }
    }

    /// The versions that the watch has seen, ordered by name.
    fn current(&self, resource: &FlowsEncryptionKey, names: &[String]) -> Vec<ObservedSecret> {
        let mut secrets = self.cluster.store().referenced_secrets(resource);
        secrets.retain(|secret| names.contains(&secret.name));
        secrets
    }
}

/// Reads a Secret, and drops the other entries.
async fn fetch(client: Client, wanted: Wanted) -> Result<Arc<Fetched>, ReadSecretError> {
    let api: Api<Secret> = Api::namespaced(client, &wanted.secret.namespace);
    // The semaphore is never closed.
    let _place = READING.acquire().await;
    let mut fetched = secrets::fetch(&api, &wanted.secret.name).await?;
    if let Fetched::Found(contents) = &mut fetched {
        contents.keep_only(&wanted.entries);
    }
    Ok(Arc::new(fetched))
}

impl Wanted {
    fn of(resource: &FlowsEncryptionKey, name: &str) -> Self {
        let namespace = resource.metadata.namespace.as_deref().unwrap_or_default();
        let references = resource.spec.secret_refs().filter(|reference| reference.name == name);
        // The halves of a Secret of type kubernetes.io/tls are compared with each other.
        let both_halves = ["tls.crt", "tls.key"].into_iter();
        let mut entries: Vec<String> =
            references.map(|reference| reference.key.as_str()).chain(both_halves).map(str::to_owned).collect();
        entries.sort_unstable();
        entries.dedup();
        Self { secret: ObjectKey::new(namespace, name), entries }
    }
}

impl CredentialRefs {
    fn of(resource: &FlowsEncryptionKey) -> Self {
        let namespace = resource.metadata.namespace.clone().unwrap_or_default();
        let references = std::iter::once(&resource.spec.access_token_secret_ref).chain(&resource.spec.app_secret_ref);
        Self { namespace, references: references.map(|to| (to.name.clone(), to.key.clone())).collect() }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each lock covers whole changes of a map.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
