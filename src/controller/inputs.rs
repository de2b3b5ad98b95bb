//! Secrets → the public key and the credentials of a resource. Private material lives in this file only, and only
//! while it runs.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use zeroize::Zeroize;

use crate::apiserver::describe;
use crate::conditions::{Reason, Verdict};
use crate::crd::{FlowsEncryptionKey, FlowsEncryptionKeySpec, ObservedSecret, SecretKeyRef};
use crate::graph::{AccessToken, AppSecret, Credentials};
use crate::key::{KeyError, PublicKey};

/// What the Secrets of a resource hold, or what is wrong with it.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The key that the numbers must hold.
    pub key: Result<PublicKey, Verdict>,
    /// What authenticates calls to Meta.
    pub credentials: Result<Credentials, Verdict>,
    /// The versions of the Secrets that were read, by name.
    pub secrets: Vec<ObservedSecret>,
}

/// A Secret could not be read for a reason that has nothing to do with the Secret.
#[derive(Debug, thiserror::Error)]
#[error("reading Secret {namespace}/{name}: {}", describe(.source))]
pub struct ReadSecretError {
    namespace: String,
    name: String,
    source: kube::Error,
}

/// One Secret, as far as a resource refers to it. Has no Debug.
pub enum Fetched {
    /// It exists.
    Found(Contents),
    /// It does not exist.
    NotFound,
    /// It may not be read.
    Forbidden,
}

/// A Secret that is zeroized on drop.
pub struct Contents(Box<Secret>);

impl From<Secret> for Contents {
    fn from(secret: Secret) -> Self {
        Self(Box::new(secret))
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        for value in self.0.data.iter_mut().flat_map(|data| data.values_mut()) {
            value.0.zeroize();
        }
        // `kubectl apply` leaves the data in an annotation.
        for value in self.0.metadata.annotations.iter_mut().flat_map(|annotations| annotations.values_mut()) {
            value.zeroize();
        }
    }
}

/// Reads every Secret that the resource refers to, once, and what they hold.
///
/// # Errors
/// When the API server does not answer.
pub async fn read(resource: &FlowsEncryptionKey, api: &Api<Secret>) -> Result<Inputs, ReadSecretError> {
    let names = secret_names(resource);
    let secrets = futures::future::try_join_all(names.into_iter().map(|name| fetch(api, name))).await?;
    Ok(open(resource, secrets).await)
}

/// The Secrets that the resource refers to, each once.
pub fn secret_names(resource: &FlowsEncryptionKey) -> Vec<String> {
    let mut names: Vec<_> = resource.spec.secret_refs().map(|reference| reference.name.clone()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What the Secrets that the resource refers to hold.
pub async fn open(resource: &FlowsEncryptionKey, secrets: Vec<(String, Fetched)>) -> Inputs {
    let observed = secrets.iter().filter_map(|(name, fetched)| version(name, fetched)).collect();
    let namespace = resource.metadata.namespace.clone().unwrap_or_default();
    let sources = Sources { namespace, spec: resource.spec.clone(), secrets };
    if resource.spec.passphrase_secret_ref.is_none() {
        return Inputs { key: sources.key(), credentials: sources.credentials(), secrets: observed };
    }
    // Opening an encrypted key takes up to seconds of computing, others microseconds: they need no thread.
    let task = tokio::task::spawn_blocking(move || (sources.key(), sources.credentials()));
    let (key, credentials) = match task.await {
        Ok(results) => results,
        Err(stopped) => std::panic::resume_unwind(stopped.into_panic()),
    };
    Inputs { key, credentials, secrets: observed }
}

/// Reads one Secret.
///
/// # Errors
/// When the API server does not answer.
pub async fn fetch(api: &Api<Secret>, name: String) -> Result<(String, Fetched), ReadSecretError> {
    let fetched = match api.get_opt(&name).await {
        Ok(Some(secret)) => Fetched::Found(secret.into()),
        Ok(None) => Fetched::NotFound,
        Err(kube::Error::Api(status)) if status.code == 403 => Fetched::Forbidden,
        Err(source) => {
            let namespace = api.namespace().unwrap_or_default().to_owned();
            return Err(ReadSecretError { namespace, name, source });
        }
    };
    Ok((name, fetched))
}

fn version(name: &str, fetched: &Fetched) -> Option<ObservedSecret> {
    let Fetched::Found(secret) = fetched else {
        return None;
    };
    let metadata = &secret.0.metadata;
    Some(ObservedSecret {
        name: name.to_owned(),
        uid: metadata.uid.clone().unwrap_or_default(),
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
    })
}

/// The Secrets of one resource.
struct Sources {
    namespace: String,
    spec: FlowsEncryptionKeySpec,
    secrets: Vec<(String, Fetched)>,
}

impl Sources {
    fn key(&self) -> Result<PublicKey, Verdict> {
        let spec = &self.spec;
        if let Some(text) = &spec.public_key {
            return PublicKey::from_public_key(text).map_err(|error| key_verdict("spec.publicKey", &error));
        }
        if let Some(reference) = &spec.certificate_secret_ref {
            let certificate = self.value(reference, "certificate")?;
            return PublicKey::from_certificate(certificate)
                .and_then(|key| {
                    self.matching_pair(reference, "tls.crt", "tls.key", key, |bytes| {
                        PublicKey::from_private_key(bytes, None)
                    })
                })
                .map_err(|error| key_verdict(&self.place(reference), &error));
        }
        let Some(reference) = &spec.private_key_secret_ref else {
            return Err(Verdict::new(
                Reason::KeyNotSet,
                "Set one of spec.privateKeySecretRef, spec.certificateSecretRef and spec.publicKey.",
            ));
        };
        let private_key = self.value(reference, "private key")?;
        let passphrase = spec.passphrase_secret_ref.as_ref().map(|r| self.value(r, "passphrase")).transpose()?;
        PublicKey::from_private_key(private_key, passphrase)
            .and_then(|key| self.matching_pair(reference, "tls.key", "tls.crt", key, PublicKey::from_certificate))
            .map_err(|error| key_verdict(&self.place(reference), &error))
    }

    /// A Secret of type kubernetes.io/tls holds both halves; where both are readable they must belong together.
    fn matching_pair(
        &self,
        reference: &SecretKeyRef,
        this: &str,
        other: &str,
        key: PublicKey,
        read: impl Fn(&[u8]) -> Result<PublicKey, KeyError>,
    ) -> Result<PublicKey, KeyError> {
        let counterpart = self.find(&reference.name, other).filter(|_| reference.key == this).map(read);
        match counterpart {
            Some(Ok(counterpart)) if counterpart != key => Err(KeyError::CertificateMismatch),
            Some(Ok(_) | Err(_)) | None => Ok(key),
        }
    }

    fn credentials(&self) -> Result<Credentials, Verdict> {
        let reference = &self.spec.access_token_secret_ref;
        let token = AccessToken::new(self.value(reference, "access token")?)
            .map_err(|error| self.malformed(reference, "access token", error))?;
        let mut origin = self.origin(reference);
        let app_secret = match &self.spec.app_secret_ref {
            None => None,
            Some(reference) => {
                origin += &format!(" (app secret: {})", self.origin(reference));
                let secret = AppSecret::new(self.value(reference, "app secret")?);
                Some(secret.map_err(|error| self.malformed(reference, "app secret", error))?)
            }
        };
        Ok(Credentials::new(token, app_secret.as_ref()).from_origin(&origin))
    }

    fn origin(&self, reference: &SecretKeyRef) -> String {
        format!("Secret {}/{}, entry {}", self.namespace, reference.name, reference.key)
    }

    fn malformed(&self, reference: &SecretKeyRef, what: &str, error: impl std::fmt::Display) -> Verdict {
        Verdict::new(Reason::CredentialMalformed, format!("{}: the {what} {error}.", self.place(reference)))
    }

    fn find(&self, secret: &str, key: &str) -> Option<&[u8]> {
        self.secrets.iter().find(|(name, _)| name == secret).and_then(|(_, fetched)| match fetched {
            Fetched::Found(secret) => secret.0.data.as_ref()?.get(key).map(|value| value.0.as_slice()),
            Fetched::NotFound | Fetched::Forbidden => None,
        })
    }

    fn value(&self, reference: &SecretKeyRef, what: &str) -> Result<&[u8], Verdict> {
        let SecretKeyRef { name, key } = reference;
        let namespace = &self.namespace;
        match self.secrets.iter().find(|(secret, _)| secret == name).map(|(_, fetched)| fetched) {
            Some(Fetched::Forbidden) => Err(Verdict::new(
                Reason::SecretForbidden,
                format!(
                    "The operator may not read Secret {namespace}/{name}: grant its ServiceAccount get on Secrets there."
                ),
            )),
            Some(Fetched::NotFound) | None => Err(Verdict::new(
                Reason::SecretNotFound,
                format!("Waiting for Secret {namespace}/{name} with the {what} under the key {key}."),
            )),
            Some(Fetched::Found(secret)) => self.find(name, key).ok_or_else(|| {
                let keys: Vec<_> = secret.0.data.iter().flat_map(|data| data.keys().map(String::as_str)).collect();
                let has = if keys.is_empty() { "is empty".to_owned() } else { format!("has {}", keys.join(", ")) };
                Verdict::new(
                    Reason::SecretKeyNotFound,
                    format!("Waiting for the {what} under the key {key} of Secret {namespace}/{name}, which {has}."),
                )
            }),
        }
    }

    fn place(&self, reference: &SecretKeyRef) -> String {
        format!("Secret {}/{}, key {}", self.namespace, reference.name, reference.key)
    }
}

fn key_verdict(place: &str, error: &KeyError) -> Verdict {
    Verdict::new(key_reason(error), format!("{place}: {error}."))
}

/// Kinds of problem that share a remedy share a reason; the message tells them apart.
fn key_reason(error: &KeyError) -> Reason {
    use KeyError as E;
    match error {
        E::Empty | E::Blank => Reason::KeyEmpty,
        E::TooLarge { .. } => Reason::KeyTooLarge,
        E::Truncated | E::BadBase64 | E::BrokenBeginLine | E::Damaged | E::Inconsistent => Reason::KeyDamaged,
        E::OtherText { .. } | E::OtherBinary { .. } | E::DoubleBase64 | E::FileName | E::Json => {
            Reason::KeyNotRecognized
        }
        E::Certificate { .. } | E::CertificateRequest { .. } | E::PublicKey { .. } | E::PrivateKey { .. } => {
            Reason::KeyOfWrongKind
        }
        E::OpenSshPrivateKey
        | E::OpenSshPublicKey
        | E::Putty
        | E::Age
        | E::Pgp
        | E::EncryptedFile { .. }
        | E::Jwk
        | E::Pkcs12 { .. }
        | E::Pkcs7 { .. }
        | E::JavaKeyStore => Reason::KeyFormatUnsupported,
        E::RsaPss | E::EllipticCurve { .. } | E::Ed25519 | E::Dsa | E::OtherAlgorithm { .. } => {
            Reason::KeyAlgorithmUnsupported
        }
        E::WrongSize { .. } | E::BadExponent | E::MultiPrime => Reason::KeySizeUnsupported,
        E::UnsupportedEncryption { .. } | E::ExcessiveKeyDerivation { .. } => Reason::KeyEncryptionUnsupported,
        E::MissingPassphrase => Reason::PassphraseMissing,
        E::WrongPassphrase => Reason::PassphraseRejected,
        E::CertificateMismatch => Reason::CertificateMismatch,
    }
}
