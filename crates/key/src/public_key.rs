//! The public key that goes to Meta.

use super::fingerprint::Fingerprint;

/// An RSA-2048 public key ready for upload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey {
    pub(super) pem: String,
    pub(super) fingerprint: Fingerprint,
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
