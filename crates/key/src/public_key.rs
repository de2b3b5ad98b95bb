//! The public key that goes to Meta.

use std::fmt;

use super::fingerprint::Fingerprint;

/// An RSA-2048 public key ready for upload.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub(super) pem: String,
    pub(super) fingerprint: Fingerprint,
}

/// The fingerprint alone: the text of a key would fill every log line.
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.fingerprint).finish()
    }
}

impl PublicKey {
    /// Length of the modulus that WhatsApp Flows requires, in bits.
    pub const BITS: usize = 2048;

    /// The SubjectPublicKeyInfo in PEM: lines of 64 columns. Each line ends with `\n`, also the
    /// last.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The fingerprint of the DER SubjectPublicKeyInfo.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}
