//! What is wrong with the Secrets, the key and the credentials of a resource: the reason and the sentence of each
//! situation. Pure.

use waflows_key::{KeyError, PublicKey};

use crate::api::conditions::{ConditionReason, Reason};
use crate::api::crd::SecretKeyRef;

/// Number of entries of a Secret that a message names.
pub const MAX_NAMED_ENTRIES: usize = 5;
/// Limit of a credential in bytes, far more than any token or app secret: Meta's have a few hundred.
pub const MAX_CREDENTIAL_BYTES: usize = 4096;

/// A value in a Secret that a field of the spec refers to.
#[derive(Debug, Clone, Copy)]
pub struct SecretValue<'a> {
    /// The namespace of the resource.
    pub namespace: &'a str,
    /// The Secret and its entry.
    pub reference: &'a SecretKeyRef,
    /// The field of the spec, such as `privateKeySecretRef`.
    pub field: &'static str,
    /// The expected value, such as `private key`.
    pub what: &'static str,
}

impl SecretValue<'_> {
    /// The operator may not read the Secret.
    pub fn forbidden(&self) -> ConditionReason {
        let (namespace, name) = (self.namespace, &self.reference.name);
        ConditionReason::new(
            Reason::SecretForbidden,
            format!(
                "The operator may not read Secret {namespace}/{name}: grant its ServiceAccount get on Secrets there."
            ),
        )
    }

    /// The Secret does not exist.
    pub fn not_found(&self) -> ConditionReason {
        let Self { namespace, reference: SecretKeyRef { name, key }, field, what } = self;
        ConditionReason::new(
            Reason::SecretNotFound,
            format!(
                "Secret {namespace}/{name} does not exist. Create it with the {what} in its entry {key}, or correct \
                 {field}.name."
            ),
        )
    }

    /// The Secret lacks the entry. It has `entries`, and `left_out` more.
    pub fn entry_not_found(&self, entries: &[&str], left_out: usize) -> ConditionReason {
        let Self { namespace, reference: SecretKeyRef { name, key }, field, .. } = self;
        let has = described(entries, left_out);
        ConditionReason::new(
            Reason::SecretKeyNotFound,
            format!("Secret {namespace}/{name} has no entry {key}. It {has}. Correct {field}.key or add the entry."),
        )
    }

    /// The value cannot be a credential.
    pub fn malformed(&self, error: MalformedCredential) -> ConditionReason {
        let (place, what) = (self.reference.place(self.namespace), self.what);
        ConditionReason::new(Reason::CredentialMalformed, format!("{place}: the {what} {error}."))
    }
}

/// The entries of a Secret, for a message about a missing entry.
fn described(entries: &[&str], left_out: usize) -> String {
    let named = entries[..entries.len().min(MAX_NAMED_ENTRIES)].join(", ");
    match entries.len() + left_out {
        0 => "is empty".to_owned(),
        count if count > MAX_NAMED_ENTRIES => format!("has: {named} and {} more", count - MAX_NAMED_ENTRIES),
        _ => format!("has: {named}"),
    }
}

/// The reasons why bytes of a Secret are not a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedCredential {
    /// Only white space.
    #[error("is empty")]
    Empty,
    /// More than [`MAX_CREDENTIAL_BYTES`].
    #[error("has more than {MAX_CREDENTIAL_BYTES} bytes; store the bare token, nothing else")]
    TooLong,
    /// The value is in quotes, as in the file that it was copied from.
    #[error("begins and ends with a quote: store it without")]
    Quoted,
    /// The value has the scheme of an HTTP header before the token.
    #[error("begins with \"Bearer \": store what follows")]
    Bearer,
    /// Base64 of a text that could be a credential.
    #[error("is base64-encoded once too often: store what `base64 -d` makes of it")]
    DoubleBase64,
    /// A character that is invalid in an HTTP header.
    #[error(
        "contains line breaks, blanks or other characters that cannot be in it; store the bare value, nothing else"
    )]
    Characters,
}

/// The spec names no key.
pub fn key_not_set() -> ConditionReason {
    ConditionReason::new(
        Reason::KeyNotSet,
        "Set one of spec.privateKeySecretRef, spec.certificateSecretRef and spec.publicKey.",
    )
}

/// The text in `spec.publicKey` is not a usable key.
pub fn unusable_public_key(error: &KeyError) -> ConditionReason {
    ConditionReason::new(key_reason(error), error.in_field("spec.publicKey") + ".")
}

/// The value in a Secret is not a usable key. `passphrase` is the reference to the passphrase, if the spec has one.
pub fn unusable_key(
    error: &KeyError,
    namespace: &str,
    key: &SecretKeyRef,
    passphrase: Option<&SecretKeyRef>,
) -> ConditionReason {
    let place = key.place(namespace);
    let message = match (error, passphrase) {
        (KeyError::WrongPassphrase, Some(passphrase)) => format!(
            "The passphrase ({}) does not open the private key ({place}): {}.",
            passphrase.place(namespace),
            error.remedy()
        ),
        _ => format!("{place}: {error}."),
    };
    ConditionReason::new(key_reason(error), message)
}

/// The key of one half of a Secret of type kubernetes.io/tls, private key or certificate. If the other half is readable,
/// both must belong together.
///
/// # Errors
/// If the other half is for another key.
pub fn matching_halves(key: PublicKey, other: Option<Result<PublicKey, KeyError>>) -> Result<PublicKey, KeyError> {
    match other {
        Some(Ok(other)) if other != key => Err(KeyError::CertificateMismatch),
        Some(Ok(_) | Err(_)) | None => Ok(key),
    }
}

/// The reason for an unusable key. Problems with the same remedy share a reason. The message distinguishes them.
fn key_reason(error: &KeyError) -> Reason {
    use KeyError as E;
    match error {
        E::Empty | E::Blank => Reason::KeyEmpty,
        E::TooLarge => Reason::KeyTooLarge,
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
