//! Makes the public key and the credentials of a resource from its Secrets. Private keys and passphrases are only in
//! [`Contents`], and only until the functions of this file have run: the last owner zeroizes them.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tokio::sync::Semaphore;
use waflows_core::api::conditions::ConditionReason;
use waflows_core::api::crd::{FlowsEncryptionKey, FlowsEncryptionKeySpec, ObservedSecret, SecretKeyRef};
use waflows_core::observation::Inputs;
use waflows_core::status::secrets::{self as sentences, MAX_NAMED_ENTRIES, MalformedCredential, SecretValue};
use waflows_key::{KeyError, MAX_BYTES, PublicKey};
use zeroize::Zeroize;

use crate::apiserver::describe;
use crate::graph::{AccessToken, AppSecret, Credentials};

/// Permit to open an encrypted key, one at a time. Each may take 32 MiB and seconds of CPU. With several at once, one
/// tenant could exhaust the memory, or the CPU that the rest of the operator needs.
static TURN: Semaphore = Semaphore::const_new(1);

/// Limit of Secrets that are read at the same time. A Secret may have 1 MiB, and is in memory several times while it
/// arrives.
pub(super) static READING: Semaphore = Semaphore::const_new(4);

/// The contents of a resource's Secrets. The credentials are used only for calls to Meta.
pub struct Opened {
    /// The inputs of the observation, without secrets.
    pub inputs: Inputs,
    /// The credentials for calls to Meta. None if they are missing or invalid.
    pub credentials: Option<Arc<Credentials>>,
}

/// Credentials that another reconcile has read, and the versions of their Secrets.
pub(crate) struct KnownCredentials {
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) versions: Vec<ObservedSecret>,
}

impl Opened {
    fn new(
        key: Result<PublicKey, ConditionReason>,
        credentials: Result<Arc<Credentials>, ConditionReason>,
        secrets: Vec<ObservedSecret>,
    ) -> Self {
        let has_credentials = credentials.as_ref().map(|_| ()).map_err(Clone::clone);
        Self { inputs: Inputs { key, credentials: has_credentials, secrets }, credentials: credentials.ok() }
    }
}

/// A Secret could not be read because of the API server, not because of the Secret.
#[derive(Debug, Clone, thiserror::Error)]
#[error("reading Secret {namespace}/{name}: {}", describe(.source))]
pub struct ReadSecretError {
    namespace: String,
    name: String,
    source: Arc<kube::Error>,
}

/// The result of reading one Secret. Has no Debug.
pub enum Fetched {
    /// The Secret exists.
    Found(Contents),
    /// The Secret does not exist.
    NotFound,
    /// The operator may not read the Secret.
    Forbidden,
}

/// The contents of a Secret, zeroized on drop.
pub struct Contents {
    secret: Box<Secret>,
    /// Number of other entries whose names were dropped, too.
    left_out: usize,
}

impl From<Secret> for Contents {
    fn from(secret: Secret) -> Self {
        Self { secret: Box::new(secret), left_out: 0 }
    }
}

impl Contents {
    /// Drops all other entries, and cuts values that are longer than any key. So other contents of a Secret are in
    /// memory only while the Secret arrives.
    pub(super) fn keep_only(&mut self, entries: &[String]) {
        self.zeroize_annotations();
        let metadata = &mut self.secret.metadata;
        (metadata.annotations, metadata.labels, metadata.managed_fields) = (None, None, None);
        let mut others = 0;
        if let Some(data) = &mut self.secret.data {
            data.retain(|name, value| {
                let is_needed = entries.contains(name);
                if !is_needed || value.0.len() > MAX_BYTES {
                    // One additional byte shows that the value was longer.
                    let kept = if is_needed { value.0[..=MAX_BYTES].to_vec() } else { Vec::new() };
                    value.0.zeroize();
                    value.0 = kept;
                }
                others += usize::from(!is_needed);
                is_needed || others <= MAX_NAMED_ENTRIES
            });
        }
        self.left_out = others.saturating_sub(MAX_NAMED_ENTRIES);
    }

    /// The version of the Secret, which has this name.
    pub(super) fn version(&self, name: &str) -> ObservedSecret {
        let metadata = &self.secret.metadata;
        ObservedSecret {
            name: name.to_owned(),
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
        }
    }

    /// The names of the entries.
    fn entries(&self) -> Vec<&str> {
        self.secret.data.iter().flat_map(|data| data.keys().map(String::as_str)).collect()
    }

    /// Zeroizes annotations, because `kubectl apply` stores the data in one.
    fn zeroize_annotations(&mut self) {
        for value in self.secret.metadata.annotations.iter_mut().flat_map(|annotations| annotations.values_mut()) {
            value.zeroize();
        }
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        for value in self.secret.data.iter_mut().flat_map(|data| data.values_mut()) {
            value.0.zeroize();
        }
        self.zeroize_annotations();
    }
}

/// The credentials in these Secrets. None if they are missing or invalid.
pub(super) fn credentials(
    resource: &FlowsEncryptionKey,
    secrets: Vec<(String, Arc<Fetched>)>,
) -> Option<Arc<Credentials>> {
    Sources::new(resource, secrets).credentials().ok()
}

/// Reads only the credentials, for the command line.
///
/// # Errors
/// If the API server does not answer. The inner error says what is wrong with the Secrets.
pub async fn read_credentials(
    resource: &FlowsEncryptionKey,
    api: &Api<Secret>,
) -> Result<Result<Arc<Credentials>, ConditionReason>, ReadSecretError> {
    let mut secrets = Vec::new();
    for name in credential_secret_names(resource) {
        let fetched = fetch(api, &name).await?;
        secrets.push((name, Arc::new(fetched)));
    }
    Ok(Sources::new(resource, secrets).credentials())
}

/// Reads one entry of a Secret, for `use_value`. `field` is the field of the spec that refers to the entry, and `what` the
/// noun for its content in messages.
///
/// # Errors
/// If the API server does not answer. The inner error says what is wrong with the Secret.
pub async fn read_entry<T>(
    api: &Api<Secret>,
    reference: &SecretKeyRef,
    field: &'static str,
    what: &'static str,
    use_value: impl FnOnce(&[u8]) -> T,
) -> Result<Result<T, ConditionReason>, ReadSecretError> {
    let namespace = api.namespace().unwrap_or_default();
    let wanted = SecretValue { namespace, reference, field, what };
    // The semaphore is never closed.
    let _place = READING.acquire().await;
    Ok(match fetch(api, &reference.name).await? {
        Fetched::Forbidden => Err(wanted.forbidden()),
        Fetched::NotFound => Err(wanted.not_found()),
        Fetched::Found(contents) => match contents.secret.data.as_ref().and_then(|data| data.get(&reference.key)) {
            Some(value) => Ok(use_value(&value.0)),
            None => Err(wanted.entry_not_found(&contents.entries(), contents.left_out)),
        },
    })
}

/// The names of the Secrets that the resource refers to, without duplicates.
pub fn secret_names(resource: &FlowsEncryptionKey) -> Vec<String> {
    names(resource.spec.secret_refs())
}

/// The names of the Secrets that make the key.
pub(super) fn key_secret_names(resource: &FlowsEncryptionKey) -> Vec<String> {
    let spec = &resource.spec;
    let references = [&spec.private_key_secret_ref, &spec.certificate_secret_ref, &spec.passphrase_secret_ref];
    names(references.into_iter().flatten())
}

/// The names of the Secrets that make the credentials.
pub(super) fn credential_secret_names(resource: &FlowsEncryptionKey) -> Vec<String> {
    names(std::iter::once(&resource.spec.access_token_secret_ref).chain(&resource.spec.app_secret_ref))
}

fn names<'a>(references: impl Iterator<Item = &'a SecretKeyRef>) -> Vec<String> {
    let mut names: Vec<_> = references.map(|reference| reference.name.clone()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Parses key and credentials from the Secrets that the resource refers to. With known credentials, the Secrets of the
/// credentials are not needed.
pub(crate) async fn open(
    resource: &FlowsEncryptionKey,
    secrets: Vec<(String, Arc<Fetched>)>,
    known: Option<KnownCredentials>,
) -> Opened {
    let read = secrets.iter().filter_map(|(name, fetched)| match &**fetched {
        Fetched::Found(contents) => Some(contents.version(name)),
        Fetched::NotFound | Fetched::Forbidden => None,
    });
    let mut observed: Vec<_> = read.chain(known.iter().flat_map(|known| known.versions.iter().cloned())).collect();
    observed.sort_unstable();
    let sources = Sources::new(resource, secrets);
    let credentials = known.map_or_else(|| sources.credentials(), |known| Ok(known.credentials));
    let key = match &resource.spec.passphrase_secret_ref {
        Some(_) => encrypted_key(sources).await,
        None => sources.key(),
    };
    Opened::new(key, credentials, observed)
}

/// Opening an encrypted key takes up to seconds, so it runs on a blocking thread. Other keys take microseconds. The permit
/// moves into the thread, which runs to its end even if nobody waits for it any more.
async fn encrypted_key(sources: Sources) -> Result<PublicKey, ConditionReason> {
    let turn = TURN.acquire().await;
    let task = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        sources.key()
    });
    match task.await {
        Ok(key) => key,
        Err(stopped) => std::panic::resume_unwind(stopped.into_panic()),
    }
}

/// Reads one Secret.
///
/// # Errors
/// If the API server does not answer.
pub async fn fetch(api: &Api<Secret>, name: &str) -> Result<Fetched, ReadSecretError> {
    match api.get_opt(name).await {
        Ok(Some(secret)) => Ok(Fetched::Found(secret.into())),
        Ok(None) => Ok(Fetched::NotFound),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(Fetched::Forbidden),
        Err(source) => {
            let namespace = api.namespace().unwrap_or_default().to_owned();
            Err(ReadSecretError { namespace, name: name.to_owned(), source: Arc::new(source) })
        }
    }
}

/// The Secrets of one resource.
struct Sources {
    namespace: String,
    spec: FlowsEncryptionKeySpec,
    secrets: Vec<(String, Arc<Fetched>)>,
}

impl Sources {
    fn new(resource: &FlowsEncryptionKey, secrets: Vec<(String, Arc<Fetched>)>) -> Self {
        let namespace = resource.metadata.namespace.clone().unwrap_or_default();
        Self { namespace, spec: resource.spec.clone(), secrets }
    }

    fn key(&self) -> Result<PublicKey, ConditionReason> {
        let spec = &self.spec;
        if let Some(text) = &spec.public_key {
            return PublicKey::from_public_key(text).map_err(|error| sentences::unusable_public_key(&error));
        }
        if let Some(reference) = &spec.certificate_secret_ref {
            let certificate = self.value(reference, "certificateSecretRef", "certificate")?;
            return PublicKey::from_certificate(certificate)
                .and_then(|key| {
                    self.matching_pair(reference, "tls.crt", "tls.key", key, |bytes| {
                        PublicKey::from_private_key(bytes, None)
                    })
                })
                .map_err(|error| self.unusable(reference, &error));
        }
        let reference = spec.private_key_secret_ref.as_ref().ok_or_else(sentences::key_not_set)?;
        let private_key = self.value(reference, "privateKeySecretRef", "private key")?;
        let passphrase = spec.passphrase_secret_ref.as_ref();
        let passphrase = passphrase.map(|to| self.value(to, "passphraseSecretRef", "passphrase")).transpose()?;
        PublicKey::from_private_key(private_key, passphrase)
            .and_then(|key| self.matching_pair(reference, "tls.key", "tls.crt", key, PublicKey::from_certificate))
            .map_err(|error| self.unusable(reference, &error))
    }

    fn unusable(&self, reference: &SecretKeyRef, error: &KeyError) -> ConditionReason {
        sentences::unusable_key(error, &self.namespace, reference, self.spec.passphrase_secret_ref.as_ref())
    }

    /// The key in the entry `this`, checked against the entry `other` of a Secret of type kubernetes.io/tls.
    fn matching_pair(
        &self,
        reference: &SecretKeyRef,
        this: &str,
        other: &str,
        key: PublicKey,
        read: impl Fn(&[u8]) -> Result<PublicKey, KeyError>,
    ) -> Result<PublicKey, KeyError> {
        let other = self.find(&reference.name, other).filter(|_| reference.key == this);
        sentences::matching_halves(key, other.map(read))
    }

    fn credentials(&self) -> Result<Arc<Credentials>, ConditionReason> {
        let reference = &self.spec.access_token_secret_ref;
        let token = self.credential(reference, "accessTokenSecretRef", "access token", AccessToken::new)?;
        let mut origin = reference.place(&self.namespace);
        let app_secret = match &self.spec.app_secret_ref {
            None => None,
            Some(reference) => {
                origin += &format!(" (app secret: {})", reference.place(&self.namespace));
                Some(self.credential(reference, "appSecretRef", "app secret", AppSecret::new)?)
            }
        };
        Ok(Arc::new(Credentials::new(token, app_secret.as_ref()).from_origin(&origin)))
    }

    fn credential<T>(
        &self,
        reference: &SecretKeyRef,
        field: &'static str,
        what: &'static str,
        read: impl FnOnce(&[u8]) -> Result<T, MalformedCredential>,
    ) -> Result<T, ConditionReason> {
        let malformed = |error| SecretValue { namespace: &self.namespace, reference, field, what }.malformed(error);
        read(self.value(reference, field, what)?).map_err(malformed)
    }

    fn find(&self, secret: &str, key: &str) -> Option<&[u8]> {
        self.secrets.iter().find(|(name, _)| name == secret).and_then(|(_, fetched)| match &**fetched {
            Fetched::Found(contents) => contents.secret.data.as_ref()?.get(key).map(|value| value.0.as_slice()),
            Fetched::NotFound | Fetched::Forbidden => None,
        })
    }

    /// The value that a reference in a field of the spec points to.
    fn value(
        &self,
        reference: &SecretKeyRef,
        field: &'static str,
        what: &'static str,
    ) -> Result<&[u8], ConditionReason> {
        let wanted = SecretValue { namespace: &self.namespace, reference, field, what };
        match self.secrets.iter().find(|(secret, _)| *secret == reference.name).map(|(_, fetched)| &**fetched) {
            Some(Fetched::Forbidden) => Err(wanted.forbidden()),
            Some(Fetched::NotFound) | None => Err(wanted.not_found()),
            Some(Fetched::Found(contents)) => self
                .find(&reference.name, &reference.key)
                .ok_or_else(|| wanted.entry_not_found(&contents.entries(), contents.left_out)),
        }
    }
}

#[cfg(test)]
mod tests;
