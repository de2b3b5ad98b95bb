//! The resource whose key is replaced, and what its Secrets hold now.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use waflows_core::api::crd::{FlowsEncryptionKey, SecretKeyRef};
use waflows_core::store::object_key::ObjectKey;
use waflows_key::Inspection;
use zeroize::Zeroizing;

use super::error::RotateError;
use crate::apiserver::describe;

/// What is put behind the name of an entry, for the value that it had before.
const PREVIOUS: &str = ".previous";
/// The annotation of cert-manager on the Secret of a `Certificate`. By default the Secret has no owner.
const CERT_MANAGER: &str = "cert-manager.io/certificate-name";
const CONTROLLERS: &str = "is written by a controller, which would write over the new key: make a second Secret, and give \
                           --to SECRET/KEY";

/// The resource whose key is replaced.
pub(super) struct Subject<'a> {
    pub(super) client: &'a Client,
    pub(super) key: &'a ObjectKey,
    pub(super) resource: &'a FlowsEncryptionKey,
}

/// Secrets by name.
pub(super) type Secrets = BTreeMap<String, SecretNow>;

/// A Secret as it was read.
pub(super) struct SecretNow {
    pub(super) name: String,
    pub(super) version: Option<String>,
    pub(super) entries: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

/// The fingerprints of the keys in an entry and in the entry beside it. None for what cannot be opened.
pub(super) struct Keys {
    pub(super) now: Option<String>,
    pub(super) previous: Option<String>,
    /// Whether the previous key needs the previous passphrase.
    pub(super) needs_previous_passphrase: bool,
}

impl Subject<'_> {
    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.key.namespace)
    }

    fn place(&self, name: &str) -> String {
        format!("{}/{name}", self.key.namespace)
    }

    /// The keys in an entry and in the entry beside it.
    pub(super) fn keys(
        &self,
        secrets: &Secrets,
        reference: &SecretKeyRef,
        of_passphrase: Option<&SecretKeyRef>,
    ) -> Result<Keys, RotateError> {
        let secret = &secrets[&reference.name];
        if reference.key == "tls.key" && secret.entries.contains_key("tls.crt") {
            return Err(RotateError::NotByRotate(format!(
                "{}: Secret {} has a certificate (tls.crt) for its key: make a second Secret with both, and give --to SECRET/KEY",
                self.key,
                self.place(&reference.name)
            )));
        }
        let passphrase = |reference: &SecretKeyRef| secrets.get(&reference.name)?.entries.get(&reference.key);
        let present = of_passphrase.and_then(passphrase);
        let earlier = of_passphrase.and_then(|reference| passphrase(&previous(reference)));
        let open = |entry: &str, passphrases: &[Option<&Zeroizing<Vec<u8>>>]| {
            let bytes = secret.entries.get(entry)?;
            let open = |passphrase: &Option<&Zeroizing<Vec<u8>>>| {
                Inspection::of(bytes, passphrase.map(|it| it.as_slice())).key.ok()
            };
            passphrases.iter().find_map(open).map(|key| key.fingerprint().to_string())
        };
        let before = previous(reference).key;
        let is_open_now = open(&before, &[None, present]).is_some();
        let all = [None, present, earlier];
        let (now, previous) = (open(&reference.key, &all), open(&before, &all));
        Ok(Keys { now, needs_previous_passphrase: previous.is_some() && !is_open_now, previous })
    }

    /// Whether the entry with the previous key stays as it is, because numbers hold that key: the key in the entry was replaced
    /// before any number had it.
    pub(super) fn keeps_previous(&self, keys: &Keys) -> Result<bool, RotateError> {
        let numbers = self.resource.status.iter().flat_map(|status| &status.phone_numbers);
        // After an upload whose effect nobody has seen, a number may hold either.
        let held: Vec<_> = numbers.flat_map(|it| [&it.key_fingerprint, &it.uploaded_fingerprint]).flatten().collect();
        let is_held = |key: &Option<String>| key.as_ref().is_some_and(|key| held.contains(&key));
        if is_held(&keys.previous) && is_held(&keys.now) && keys.previous != keys.now {
            return Err(RotateError::NotByRotate(format!(
                "{}: some numbers may hold the key in the Secret, others the previous one, and there is no place for a third. \
                 See which numbers have the previous key (waflows-operator status {} --all-numbers), or give --to SECRET/KEY",
                self.key, self.key.name
            )));
        }
        Ok(is_held(&keys.previous))
    }

    /// The value of an entry.
    pub(super) async fn entry(&self, reference: &SecretKeyRef) -> Result<Zeroizing<Vec<u8>>, RotateError> {
        let secrets = self.read(std::iter::once(reference)).await?;
        self.value(&secrets[&reference.name], &reference.key).cloned()
    }

    /// Reads each Secret once, so that everything that is decided is decided from one version.
    pub(super) async fn read<'r>(
        &self,
        references: impl Iterator<Item = &'r SecretKeyRef>,
    ) -> Result<Secrets, RotateError> {
        let mut secrets = Secrets::new();
        for SecretKeyRef { name, .. } in references {
            if !secrets.contains_key(name) {
                let secret = self.secret(name).await?;
                let entries = secret.data.unwrap_or_default().into_iter();
                let entries = entries.map(|(entry, value)| (entry, Zeroizing::new(value.0))).collect();
                let version = secret.metadata.resource_version;
                secrets.insert(name.clone(), SecretNow { name: name.clone(), version, entries });
            }
        }
        Ok(secrets)
    }

    async fn secret(&self, name: &str) -> Result<Secret, RotateError> {
        let failed = |said: String| RotateError::Secret { name: self.place(name), said };
        match self.secrets().get_opt(name).await {
            Ok(Some(secret)) => Ok(secret),
            Ok(None) => Err(failed("does not exist: create it, or correct the name".to_owned())),
            Err(error) => Err(failed(describe(&error))),
        }
    }

    pub(super) fn value<'s>(&self, secret: &'s SecretNow, entry: &str) -> Result<&'s Zeroizing<Vec<u8>>, RotateError> {
        secret.entries.get(entry).ok_or_else(|| RotateError::Secret {
            name: self.place(&secret.name),
            said: format!("has no entry {entry}: correct the name"),
        })
    }

    /// Refuses to write a Secret that others write, or that nobody can change.
    pub(super) async fn require_writable(&self, name: &str) -> Result<(), RotateError> {
        let place = self.place(name);
        let failed = |said: &str| RotateError::Secret { name: place.clone(), said: said.to_owned() };
        let secret = self.secret(name).await?;
        let metadata = &secret.metadata;
        let has_owner = metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty());
        let is_certificate = metadata.annotations.as_ref().is_some_and(|notes| notes.contains_key(CERT_MANAGER));
        if has_owner || is_certificate {
            return Err(failed(CONTROLLERS));
        }
        if secret.immutable == Some(true) {
            return Err(failed("is immutable: make a second Secret, and give --to SECRET/KEY"));
        }
        Ok(())
    }
}

/// The entry for the value that an entry had before.
pub(super) fn previous(reference: &SecretKeyRef) -> SecretKeyRef {
    SecretKeyRef { key: format!("{}{PREVIOUS}", reference.key), ..reference.clone() }
}
