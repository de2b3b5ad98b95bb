//! What `rotate` would write: a plan, before anything is written.

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use waflows_core::api::crd::SecretKeyRef;
use waflows_key::{Inspection, KeyKind, PublicKey};
use zeroize::Zeroizing;

use super::error::RotateError;
use super::subject::{SecretNow, Subject, previous};
use crate::cli::RotateArgs;
use crate::input_file;

/// The annotation in which `rotate` notes the way back.
pub(super) const BACK_ANNOTATION: &str = "waflows.dev/rotate-back";
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
    /// Note the way back in an annotation of the resource.
    WayBack { note: String },
    /// Merge a patch into the resource.
    Resource { patch: Value },
}

/// Everything that `rotate` shows and writes.
pub(super) struct Plan {
    pub(super) old: Option<String>,
    pub(super) new: String,
    /// Whether the new key is where it would be written, whatever the operator has read.
    pub(super) is_in_place: bool,
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

impl Subject<'_> {
    /// The plan for these flags.
    pub(super) async fn plan(&self, args: &RotateArgs) -> Result<Plan, RotateError> {
        match (&args.key_file, &args.to) {
            (Some(file), _) => self.in_place(args, file).await,
            (None, Some(to)) => self.to_reference(to).await,
            (None, None) => self.back().await,
        }
    }

    fn begin(&self, new: &PublicKey, source: String) -> Plan {
        let old = self.resource.status.as_ref().and_then(|status| status.last_read_key()).map(str::to_owned);
        let new = new.fingerprint().to_string();
        Plan { old, new, is_in_place: false, source, changes: Vec::new(), writes: Vec::new() }
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
        if let Some(before) = &spec.public_key {
            return self.public_key(before, &given, source);
        }
        let Some(reference) = &spec.private_key_secret_ref else {
            return Err(RotateError::NotByRotate(format!(
                "{}: the key comes from a certificate: put the new pair into another Secret, and give --to SECRET/KEY",
                self.key
            )));
        };
        require(is_private(given.kind), || format!("{source}: this is no private key, which the resource refers to"))?;
        self.entries(reference, given, passphrase, source).await
    }

    /// The field `publicKey` gets another key.
    fn public_key(&self, before: &str, given: &Given, source: String) -> Result<Plan, RotateError> {
        require(matches!(given.kind, Some(KeyKind::PublicKey | KeyKind::Pkcs1PublicKey)), || {
            format!(
                "{source}: the resource has the field publicKey, so give a public key: never put a private key into a resource"
            )
        })?;
        let mut plan = self.begin(&given.key, source);
        plan.is_in_place = PublicKey::from_public_key(before).is_ok_and(|before| before == given.key);
        self.note(&mut plan, &WayBack::PublicKey(before.to_owned()));
        plan.writes.push(Write::Resource { patch: json!({"spec": {"publicKey": given.key.pem()}}) });
        plan.changes.push("spec.publicKey of the resource".to_owned());
        Ok(plan)
    }

    /// The entry that the resource refers to gets another key, and its passphrase another passphrase.
    async fn entries(
        &self,
        reference: &SecretKeyRef,
        given: Given,
        passphrase: Option<Zeroizing<Vec<u8>>>,
        source: String,
    ) -> Result<Plan, RotateError> {
        let mut plan = self.begin(&given.key, source);
        let of_passphrase = self.resource.spec.passphrase_secret_ref.as_ref();
        if passphrase.is_some() && of_passphrase.is_none() {
            return Err(RotateError::NotByRotate(format!(
                "{}: set passphraseSecretRef first: the resource has no place for a passphrase",
                self.key
            )));
        }
        let secrets = self.read(std::iter::once(reference).chain(of_passphrase)).await?;
        let keys = self.keys(&secrets, reference, of_passphrase)?;
        plan.is_in_place = keys.now.as_ref() == Some(&plan.new);
        let keeps_previous = plan.is_in_place || self.keeps_previous(&keys)?;
        // The previous passphrase stays with the previous key.
        let keeps_passphrase = keeps_previous && keys.needs_previous_passphrase;
        let mut way_back = vec![reference.clone()];
        way_back.extend(of_passphrase.filter(|_| passphrase.is_some() || keeps_passphrase).cloned());
        self.note(&mut plan, &WayBack::Entries(way_back));
        let passphrase = of_passphrase.zip(passphrase).map(|(reference, new)| (reference, new, keeps_passphrase));
        for (reference, new, keeps) in std::iter::once((reference, given.bytes, keeps_previous)).chain(passphrase) {
            let previous = previous(reference).key;
            let what = if keeps { "stays as it is" } else { "gets the old value" };
            plan.changes.push(format!("{}; the entry {previous} {what}", reference.place(&self.key.namespace)));
            let secret = &secrets[&reference.name];
            let mut values = vec![(reference.key.as_str(), &new)];
            let old = self.value(secret, &reference.key)?;
            if !keeps {
                values.push((&previous, old));
            }
            plan.push_secret(secret, &values);
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
        plan.is_in_place = reference == before;
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
        let Some(of_key) = entries.first() else {
            return Err(RotateError::NoWayBack(self.key.to_string()));
        };
        let of_passphrase = self.resource.spec.passphrase_secret_ref.as_ref();
        let secrets = self.read(entries.iter().chain(of_passphrase)).await?;
        let value = |reference: &SecretKeyRef| self.value(&secrets[&reference.name], &reference.key);
        let passphrase = match (entries.get(1), of_passphrase) {
            (Some(reference), _) => Some(value(&previous(reference))?),
            // Only the key was replaced.
            (None, Some(reference)) => Some(value(reference)?),
            (None, None) => None,
        };
        let place = previous(of_key).place(&self.key.namespace);
        let old = value(&previous(of_key))?.clone();
        let given = given(old, passphrase.map(|bytes| bytes.as_slice()), &place)?;
        let mut plan = self.begin(&given.key, place);
        for reference in entries {
            let previous = previous(reference);
            plan.changes.push(format!(
                "{}, which changes places with {}",
                reference.place(&self.key.namespace),
                previous.key
            ));
            let (now, old) = (value(reference)?, value(&previous)?);
            plan.push_secret(&secrets[&reference.name], &[(&reference.key, old), (&previous.key, now)]);
        }
        Ok(plan)
    }

    /// Notes the way back, before anything else is written, and only if the resource is still as it was. Where the new key is in
    /// place already, the way back was noted with it.
    fn note(&self, plan: &mut Plan, way: &WayBack) {
        if plan.is_in_place {
            return;
        }
        plan.writes.push(Write::WayBack { note: serde_json::to_string(way).unwrap_or_default() });
    }
}

impl Plan {
    /// Adds entries to a Secret, if nobody else changes it meanwhile. Entries of the same Secret are written at once.
    fn push_secret(&mut self, secret: &SecretNow, entries: &[(&str, &Zeroizing<Vec<u8>>)]) {
        let name = &secret.name;
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
        let metadata = json!({"resourceVersion": secret.version});
        let patch = Zeroizing::new(json!({"metadata": metadata, "data": data}).to_string());
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
