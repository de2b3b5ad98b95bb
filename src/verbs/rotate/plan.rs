//! What `rotate` would write: a plan, before anything is written.

use base64ct::{Base64, Encoding};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use waflows_core::api::crd::{FlowsEncryptionKey, SecretKeyRef};
use waflows_core::store::object_key::ObjectKey;
use waflows_key::{Inspection, KeyKind, PublicKey};
use zeroize::Zeroizing;

use super::error::RotateError;
use crate::apiserver::describe;
use crate::cli::RotateArgs;
use crate::input_file;

/// The annotation in which `rotate` notes the way back.
pub(super) const BACK_ANNOTATION: &str = "waflows.dev/rotate-back";
/// What is put behind the name of an entry, for the value that it had before.
const PREVIOUS: &str = ".previous";
const CONTROLLERS: &str = "is written by a controller, which would write over the new key: make a second Secret, and give \
                           --to SECRET/KEY";

/// The way back: which entry has the old key. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum WayBack {
    /// The reference that the resource had.
    Reference(SecretKeyRef),
    /// The entries of Secrets whose old value is beside the new one.
    Entries(Vec<SecretKeyRef>),
    /// The field `publicKey` as it was.
    PublicKey(String),
}

/// One write to the cluster.
pub(super) enum Write {
    /// Merge a patch into a Secret. Holds private keys.
    Secret { name: String, patch: Zeroizing<String> },
    /// Merge a patch into the resource.
    Resource { patch: Value },
}

/// Everything that `rotate` shows and writes.
pub(super) struct Plan {
    pub(super) old: Option<String>,
    pub(super) new: String,
    /// Where the new key comes from.
    pub(super) source: String,
    /// What is written, for people.
    pub(super) changes: Vec<String>,
    /// In this order: the way back is noted first.
    pub(super) writes: Vec<Write>,
}

/// A key and the bytes that it was read from.
struct Given {
    key: PublicKey,
    kind: Option<KeyKind>,
    bytes: Zeroizing<Vec<u8>>,
}

/// The resource whose key is replaced.
pub(super) struct Subject<'a> {
    pub(super) client: &'a Client,
    pub(super) key: &'a ObjectKey,
    pub(super) resource: &'a FlowsEncryptionKey,
}

impl Subject<'_> {
    /// The plan for these flags.
    pub(super) async fn plan(&self, args: &RotateArgs) -> Result<Plan, RotateError> {
        match (&args.key_file, &args.to) {
            (Some(file), _) => self.in_place(args, file).await,
            (None, Some(to)) => self.to_reference(to).await,
            (None, None) => self.back().await,
        }
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.key.namespace)
    }

    fn place(&self, name: &str) -> String {
        format!("{}/{name}", self.key.namespace)
    }

    fn begin(&self, new: &PublicKey, source: String) -> Plan {
        let old = self.resource.status.as_ref().and_then(|status| status.last_read_key()).map(str::to_owned);
        Plan { old, new: new.fingerprint().to_string(), source, changes: Vec::new(), writes: Vec::new() }
    }

    /// `--key-file`: the new key takes the place of the old one.
    async fn in_place(&self, args: &RotateArgs, file: &std::path::Path) -> Result<Plan, RotateError> {
        let spec = &self.resource.spec;
        let both = args.passphrase_file.as_deref().is_some_and(input_file::is_stdin) && input_file::is_stdin(file);
        if both {
            return Err(RotateError::BothFromStdin);
        }
        let passphrase = args.passphrase_file.as_deref().map(input_file::read).transpose()?;
        let source = format!("file {}", file.display());
        let given = given(input_file::read(file)?, passphrase.as_ref().map(|bytes| &***bytes), &source)?;
        let mut plan = self.begin(&given.key, source.clone());
        if let Some(before) = &spec.public_key {
            require(matches!(given.kind, Some(KeyKind::PublicKey | KeyKind::Pkcs1PublicKey)), || {
                format!(
                    "{source}: the resource has the field publicKey, so give a public key: never put a private key into a resource"
                )
            })?;
            self.note(&mut plan, &WayBack::PublicKey(before.clone()));
            plan.writes.push(Write::Resource { patch: json!({"spec": {"publicKey": given.key.pem()}}) });
            plan.changes.push("spec.publicKey of the resource".to_owned());
            return Ok(plan);
        }
        let Some(reference) = &spec.private_key_secret_ref else {
            return Err(RotateError::NotByRotate(format!(
                "{}: the key comes from a certificate: put the new pair into another Secret, and give --to SECRET/KEY",
                self.key
            )));
        };
        require(is_private(given.kind), || format!("{source}: this is no private key, which the resource refers to"))?;
        let mut entries = vec![(reference, given.bytes)];
        match (&spec.passphrase_secret_ref, passphrase) {
            (Some(reference), Some(passphrase)) => entries.push((reference, passphrase)),
            (None, Some(_)) => {
                return Err(RotateError::NotByRotate(format!(
                    "{}: set passphraseSecretRef first: the resource has no place for a passphrase",
                    self.key
                )));
            }
            (_, None) => {}
        }
        let way_back = entries.iter().map(|(reference, _)| (*reference).clone()).collect();
        self.note(&mut plan, &WayBack::Entries(way_back));
        for (reference, new) in entries {
            let old = self.entry(reference).await?;
            let previous = format!("{}{PREVIOUS}", reference.key);
            plan.changes
                .push(format!("{}; its old value goes to the entry {previous}", reference.place(&self.key.namespace)));
            plan.push_secret(&reference.name, &[(&reference.key, &new), (&previous, &old)]);
        }
        Ok(plan)
    }

    /// `--to`: the resource refers to another Secret.
    async fn to_reference(&self, to: &str) -> Result<Plan, RotateError> {
        let (name, key) = to.split_once('/').ok_or_else(|| RotateError::NoReference(to.to_owned()))?;
        self.refer(&SecretKeyRef { name: name.to_owned(), key: key.to_owned() }).await
    }

    async fn refer(&self, reference: &SecretKeyRef) -> Result<Plan, RotateError> {
        let spec = &self.resource.spec;
        let (field, before) = match (&spec.private_key_secret_ref, &spec.certificate_secret_ref) {
            (Some(before), _) => ("privateKeySecretRef", before),
            (None, Some(before)) => ("certificateSecretRef", before),
            (None, None) => {
                return Err(RotateError::NotByRotate(format!(
                    "{}: the resource has the field publicKey and refers to no Secret: give the new public key with --key-file",
                    self.key
                )));
            }
        };
        let place = reference.place(&self.key.namespace);
        let passphrase = match &spec.passphrase_secret_ref {
            Some(reference) => Some(self.entry(reference).await?),
            None => None,
        };
        let given = given(self.entry(reference).await?, passphrase.as_ref().map(|bytes| &***bytes), &place)?;
        let is_fitting = if field == "privateKeySecretRef" {
            is_private(given.kind)
        } else {
            given.kind == Some(KeyKind::Certificate)
        };
        require(is_fitting, || format!("{place}: this does not fit the field {field} of the resource"))?;
        let mut plan = self.begin(&given.key, place);
        self.note(&mut plan, &WayBack::Reference(before.clone()));
        plan.writes.push(Write::Resource { patch: json!({"spec": {field: reference}}) });
        plan.changes.push(format!("spec.{field} of the resource, which is {}/{} now", before.name, before.key));
        Ok(plan)
    }

    /// `--back`: what `rotate` noted.
    async fn back(&self) -> Result<Plan, RotateError> {
        let noted = self.resource.metadata.annotations.as_ref().and_then(|notes| notes.get(BACK_ANNOTATION));
        let way: Option<WayBack> = noted.and_then(|text| serde_json::from_str(text).ok());
        match way.ok_or_else(|| RotateError::NoWayBack(self.key.to_string()))? {
            WayBack::Reference(reference) => self.refer(&reference).await,
            WayBack::PublicKey(pem) => {
                let key = PublicKey::from_public_key(&pem)
                    .map_err(|source| RotateError::Key { place: BACK_ANNOTATION.to_owned(), source })?;
                let mut plan = self.begin(&key, "the key before".to_owned());
                let now = self.resource.spec.public_key.clone().unwrap_or_default();
                self.note(&mut plan, &WayBack::PublicKey(now));
                plan.writes.push(Write::Resource { patch: json!({"spec": {"publicKey": pem}}) });
                plan.changes.push("spec.publicKey of the resource".to_owned());
                Ok(plan)
            }
            WayBack::Entries(entries) => self.swap(&entries).await,
        }
    }

    /// Each entry gets its previous value, and the value that it has becomes the previous one.
    async fn swap(&self, entries: &[SecretKeyRef]) -> Result<Plan, RotateError> {
        let mut values = Vec::new();
        for reference in entries {
            let previous = SecretKeyRef { key: format!("{}{PREVIOUS}", reference.key), ..reference.clone() };
            values.push((reference, self.entry(reference).await?, previous.clone(), self.entry(&previous).await?));
        }
        let passphrase = values.get(1).map(|(_, _, _, old)| old.as_slice());
        let Some((_, _, previous, old)) = values.first() else {
            return Err(RotateError::NoWayBack(self.key.to_string()));
        };
        let place = previous.place(&self.key.namespace);
        let given = given(old.clone(), passphrase, &place)?;
        let mut plan = self.begin(&given.key, place);
        for (reference, now, previous, old) in &values {
            plan.changes.push(format!(
                "{}, which changes places with {}",
                reference.place(&self.key.namespace),
                previous.key
            ));
            plan.push_secret(&reference.name, &[(&reference.key, old), (&previous.key, now)]);
        }
        Ok(plan)
    }

    /// Notes the way back, before anything else is written.
    fn note(&self, plan: &mut Plan, way: &WayBack) {
        let note = serde_json::to_string(way).unwrap_or_default();
        plan.writes.push(Write::Resource { patch: json!({"metadata": {"annotations": {BACK_ANNOTATION: note}}}) });
    }

    /// The value of an entry. Refuses a Secret that a controller writes, and one that cannot be changed.
    async fn entry(&self, reference: &SecretKeyRef) -> Result<Zeroizing<Vec<u8>>, RotateError> {
        let name = self.place(&reference.name);
        let failed = |said: String| RotateError::Secret { name: name.clone(), said };
        let mut secret = match self.secrets().get_opt(&reference.name).await {
            Ok(Some(secret)) => secret,
            Ok(None) => return Err(failed("does not exist: create it, or correct the name".to_owned())),
            Err(error) => return Err(failed(describe(&error))),
        };
        let value = secret.data.as_mut().and_then(|data| data.remove(&reference.key));
        value
            .map(|value| Zeroizing::new(value.0))
            .ok_or_else(|| failed(format!("has no entry {}: correct the name", reference.key)))
    }

    /// Refuses to write a Secret that others write, or that nobody can change.
    pub(super) async fn require_writable(&self, name: &str) -> Result<(), RotateError> {
        let place = self.place(name);
        let failed = |said: &str| RotateError::Secret { name: place.clone(), said: said.to_owned() };
        let secret = self.secrets().get(name).await.map_err(|error| failed(&describe(&error)))?;
        if secret.metadata.owner_references.is_some_and(|owners| !owners.is_empty()) {
            return Err(failed(CONTROLLERS));
        }
        if secret.immutable == Some(true) {
            return Err(failed("is immutable: make a second Secret, and give --to SECRET/KEY"));
        }
        Ok(())
    }
}

impl Plan {
    /// Adds entries to a Secret. Entries of the same Secret are written at once.
    fn push_secret(&mut self, name: &str, entries: &[(&str, &Zeroizing<Vec<u8>>)]) {
        let mut data = serde_json::Map::new();
        let same =
            self.writes.iter().position(|write| matches!(write, Write::Secret { name: other, .. } if other == name));
        if let Some(Write::Secret { patch, .. }) = same.map(|at| self.writes.remove(at)) {
            let before: Value = serde_json::from_str(&patch).unwrap_or_default();
            data.extend(before["data"].as_object().cloned().unwrap_or_default());
        }
        for (entry, value) in entries {
            data.insert((*entry).to_owned(), Base64::encode_string(value).into());
        }
        let patch = Zeroizing::new(json!({"data": data}).to_string());
        self.writes.push(Write::Secret { name: name.to_owned(), patch });
    }
}

fn given(bytes: Zeroizing<Vec<u8>>, passphrase: Option<&[u8]>, place: &str) -> Result<Given, RotateError> {
    let inspection = Inspection::of(&bytes, passphrase);
    let key = inspection.key.map_err(|source| RotateError::Key { place: place.to_owned(), source })?;
    Ok(Given { key, kind: inspection.kind, bytes })
}

/// Whether a usable key is a private key.
fn is_private(kind: Option<KeyKind>) -> bool {
    !matches!(kind, None | Some(KeyKind::PublicKey | KeyKind::Pkcs1PublicKey | KeyKind::Certificate))
}

fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), RotateError> {
    if holds { Ok(()) } else { Err(RotateError::WrongKind(otherwise())) }
}
