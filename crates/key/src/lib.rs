//! Bytes of a Secret → [`PublicKey`].
//!
//! Whatever Meta's guide, OpenSSL, cert-manager, a cloud console or a copy-and-paste wrote is
//! either read or refused with a [`KeyError`] that says what was found and how to put it right:
//!
//! * private keys in PEM or DER: PKCS#1 (RFC 8017) and PKCS#8 (RFC 5958), the latter also encrypted
//!   with PBES2 (RFC 8018), the former also with OpenSSL's `Proc-Type: 4,ENCRYPTED` headers;
//! * X.509 certificates (RFC 5280) in PEM or DER, the first of a chain;
//! * public keys in PEM: SubjectPublicKeyInfo and PKCS#1.
//!
//! PEM is found in messy text: any line ends or none, literal `\n`, blanks, a byte order mark,
//! UTF-16, text around it.
//!
//! All of it is synchronous and bounded: a value has at most 64 KiB, and a key derivation that
//! would cost more than seconds or 32 MiB is refused before it starts. Private bytes are held in
//! zeroizing buffers and dropped before a function returns.

mod algorithm;
mod certificate;
mod cipher;
mod encrypted;
mod error;
mod fingerprint;
mod inspection;
mod kdf;
mod legacy;
mod pem;
mod private_key;
mod remedy;
mod rsa_key;
mod shape;
mod sniff;
mod source;

pub use error::{Excess, Expected, KeyError};
pub use fingerprint::{Fingerprint, ParseFingerprintError};
pub use inspection::{Inspection, KeyKind};

use shape::Shape;
pub use source::MAX_BYTES;
use source::Source;

/// An RSA-2048 public key ready for upload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey {
    pem: String,
    fingerprint: Fingerprint,
}

impl PublicKey {
    /// Length of the modulus of every key that is taken, in bits.
    pub const BITS: usize = rsa_key::BITS;

    /// The public half of the private key in `bytes`, which is checked to be consistent with its
    /// private half.
    ///
    /// One line break at the end of the passphrase is tolerated, since `--from-file` of kubectl
    /// keeps what an editor adds. A passphrase for a key that is not encrypted is ignored.
    ///
    /// # Errors
    /// Says what `bytes` hold instead of an RSA-2048 private key that this passphrase opens.
    pub fn from_private_key(bytes: &[u8], passphrase: Option<&[u8]>) -> Result<Self, KeyError> {
        private_key::read(bytes, passphrase)
    }

    /// The public key of the certificate in `bytes`, or of the first one of a chain.
    ///
    /// Only the key matters: signatures, names and dates are not looked at, so an expired
    /// certificate is fine.
    ///
    /// # Errors
    /// Says what `bytes` hold instead of a certificate for an RSA-2048 key.
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
    /// Says what `text` holds instead of an RSA-2048 public key.
    pub fn from_public_key(text: &str) -> Result<Self, KeyError> {
        let source = Source::find(text.as_bytes(), Expected::PublicKey)?;
        match source.shape()? {
            Shape::Spki(spki) => rsa_key::from_spki(spki),
            Shape::RsaPublic(pkcs1) => rsa_key::from_pkcs1_public(pkcs1),
            other => Err(other.misplaced(Expected::PublicKey)),
        }
    }

    /// The SubjectPublicKeyInfo in PEM: lines of 64 columns, each of them, also the last, ended by
    /// `\n`.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Of the DER SubjectPublicKeyInfo.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}
