//! The content of a key file, for `inspect`.

use std::fmt;

use super::error::{Expected, KeyError};
use super::public_key::PublicKey;
use super::shape::Shape;
use super::source::Source;
use super::{private_key, rsa_key};

/// The accepted formats of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// RSAPrivateKey (RFC 8017).
    Pkcs1PrivateKey,
    /// RSAPrivateKey, encrypted by OpenSSL with `Proc-Type` and `DEK-Info`.
    EncryptedPkcs1PrivateKey,
    /// PrivateKeyInfo (RFC 5958).
    Pkcs8PrivateKey,
    /// EncryptedPrivateKeyInfo (RFC 5958).
    EncryptedPkcs8PrivateKey,
    /// An X.509 certificate (RFC 5280).
    Certificate,
    /// SubjectPublicKeyInfo (RFC 5280).
    PublicKey,
    /// RSAPublicKey (RFC 8017).
    Pkcs1PublicKey,
}

impl KeyKind {
    /// The name in JSON output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pkcs1PrivateKey => "Pkcs1PrivateKey",
            Self::EncryptedPkcs1PrivateKey => "EncryptedPkcs1PrivateKey",
            Self::Pkcs8PrivateKey => "Pkcs8PrivateKey",
            Self::EncryptedPkcs8PrivateKey => "EncryptedPkcs8PrivateKey",
            Self::Certificate => "Certificate",
            Self::PublicKey => "PublicKey",
            Self::Pkcs1PublicKey => "Pkcs1PublicKey",
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pkcs1PrivateKey => "private key (PKCS#1)",
            Self::EncryptedPkcs1PrivateKey => "encrypted private key (PKCS#1 with DEK-Info)",
            Self::Pkcs8PrivateKey => "private key (PKCS#8)",
            Self::EncryptedPkcs8PrivateKey => "encrypted private key (PKCS#8)",
            Self::Certificate => "certificate (X.509)",
            Self::PublicKey => "public key (SubjectPublicKeyInfo)",
            Self::Pkcs1PublicKey => "public key (PKCS#1)",
        })
    }
}

/// The content of a file. For a private key: only its format and its public half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The format, if it is an accepted one.
    pub kind: Option<KeyKind>,
    /// The public key, or why the operator cannot use the file.
    pub key: Result<PublicKey, KeyError>,
}

impl Inspection {
    /// Inspects the bytes of a file. If the file holds several keys, a private key has precedence.
    #[must_use]
    pub fn of(bytes: &[u8], passphrase: Option<&[u8]>) -> Self {
        let source = match Source::find(bytes, Expected::PrivateKey) {
            Ok(source) => source,
            // OpenSSH's format is the only public key that is recognized by its text.
            Err(KeyError::PublicKey { .. }) => return Self::useless(KeyError::OpenSshPublicKey),
            Err(error) => return Self::useless(error),
        };
        let (file, dek_info) = source.into_parts();
        let private = |kind| Self { kind: Some(kind), key: private_key::read(bytes, passphrase) };
        let public = |kind, key| Self { kind: Some(kind), key };
        if dek_info.is_some() {
            return private(KeyKind::EncryptedPkcs1PrivateKey);
        }
        match Shape::of(&file) {
            Err(error) => Self::useless(error),
            Ok(Shape::RsaPrivate(_)) => private(KeyKind::Pkcs1PrivateKey),
            Ok(Shape::Pkcs8(_)) => private(KeyKind::Pkcs8PrivateKey),
            Ok(Shape::EncryptedPkcs8(..)) => private(KeyKind::EncryptedPkcs8PrivateKey),
            Ok(Shape::Certificate { public_key }) => public(KeyKind::Certificate, rsa_key::from_spki(public_key)),
            Ok(Shape::Spki(spki)) => public(KeyKind::PublicKey, rsa_key::from_spki(spki)),
            Ok(Shape::RsaPublic(pkcs1)) => public(KeyKind::Pkcs1PublicKey, rsa_key::from_pkcs1_public(pkcs1)),
            Ok(other) => Self::useless(other.misplaced(Expected::PrivateKey)),
        }
    }

    fn useless(error: KeyError) -> Self {
        Self { kind: None, key: Err(error) }
    }

    /// Length of the RSA modulus in bits, if known.
    #[must_use]
    pub fn bits(&self) -> Option<usize> {
        match &self.key {
            Ok(_) => Some(PublicKey::BITS),
            Err(KeyError::WrongSize { bits }) => Some(*bits),
            Err(_) => None,
        }
    }
}
