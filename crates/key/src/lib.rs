//! Bytes of a Secret → [`PublicKey`].
//!
//! The input may come from Meta's guide, OpenSSL, cert-manager, a cloud console or copy-and-paste.
//! This crate either reads the input or refuses it with a [`KeyError`] that has finding and remedy:
//!
//! * private keys in PEM or DER: PKCS#1 (RFC 8017) and PKCS#8 (RFC 5958), the latter also encrypted
//!   with PBES2 (RFC 8018), the former also with OpenSSL's `Proc-Type: 4,ENCRYPTED` headers;
//! * X.509 certificates (RFC 5280) in PEM or DER, the first of a chain;
//! * public keys in PEM: SubjectPublicKeyInfo and PKCS#1.
//!
//! PEM may be in messy text: any line ends or none, literal `\n`, blanks, a byte order mark,
//! UTF-16, text around it.
//!
//! All functions are synchronous and bounded. A value has at most 64 KiB. A key derivation that
//! would take more than seconds or 32 MiB is refused before it starts. Private bytes are only in
//! zeroizing buffers, which are dropped before a function returns.

mod algorithm;
mod cipher;
mod encrypted;
mod error;
mod fingerprint;
mod identifier;
mod inspection;
mod kdf;
mod legacy;
mod pem;
mod private_key;
mod public_key;
mod remedy;
mod reported;
mod rsa_key;
mod shape;
mod sniff;
mod source;

pub use error::{Excess, Expected, KeyError};
pub use fingerprint::{Fingerprint, ParseFingerprintError};
pub use inspection::{Inspection, KeyKind};
pub use public_key::PublicKey;
pub use source::MAX_BYTES;

use shape::Shape;
use source::Source;

impl PublicKey {
    /// The public half of the private key in `bytes`. Checks that both halves are consistent.
    ///
    /// One line break at the end of the passphrase is ignored, because an editor may add one and
    /// `kubectl --from-file` keeps it. The passphrase is ignored if the key is not encrypted.
    ///
    /// # Errors
    /// If `bytes` hold no RSA-2048 private key that this passphrase opens.
    pub fn from_private_key(bytes: &[u8], passphrase: Option<&[u8]>) -> Result<Self, KeyError> {
        private_key::read(bytes, passphrase)
    }

    /// The public key of the certificate in `bytes`, or of the first certificate of a chain.
    ///
    /// Only the key matters. Signatures, names and dates are ignored, so an expired certificate is
    /// accepted.
    ///
    /// # Errors
    /// If `bytes` hold no certificate for an RSA-2048 key.
    pub fn from_certificate(bytes: &[u8]) -> Result<Self, KeyError> {
        let source = Source::find(bytes, Expected::Certificate)?;
        match source.shape()? {
            Shape::Certificate { public_key } => rsa_key::from_spki(public_key),
            other => Err(other.misplaced(Expected::Certificate)),
        }
    }

    /// The public key in `text`: SubjectPublicKeyInfo (`BEGIN PUBLIC KEY`) or PKCS#1
    /// (`BEGIN RSA PUBLIC KEY`).
    ///
    /// # Errors
    /// If `text` holds no RSA-2048 public key.
    pub fn from_public_key(text: &str) -> Result<Self, KeyError> {
        let source = Source::find(text.as_bytes(), Expected::PublicKey)?;
        match source.shape()? {
            Shape::Spki(spki) => rsa_key::from_spki(spki),
            Shape::RsaPublic(pkcs1) => rsa_key::from_pkcs1_public(pkcs1),
            other => Err(other.misplaced(Expected::PublicKey)),
        }
    }
}
