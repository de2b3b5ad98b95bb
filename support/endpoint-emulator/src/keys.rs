//! Private keys.

use std::sync::Arc;

use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey};
use rsa::{Oaep, RsaPrivateKey};
use sha2::{Digest, Sha256};

/// The text is no RSA private key in PEM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no RSA private key in PEM, PKCS#1 or PKCS#8, without a passphrase")]
pub struct KeyError;

/// A private key, under the name of its public half.
pub(crate) struct Key {
    fingerprint: Arc<str>,
    private: RsaPrivateKey,
}

impl Key {
    pub(crate) fn parse(pem: &str) -> Result<Self, KeyError> {
        let private = RsaPrivateKey::from_pkcs8_pem(pem).or_else(|_| RsaPrivateKey::from_pkcs1_pem(pem));
        let private = private.map_err(|_| KeyError)?;
        let spki = private.to_public_key().to_public_key_der().map_err(|_| KeyError)?;
        let digits: String = Sha256::digest(spki.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { fingerprint: format!("sha256:{digits}").into(), private })
    }

    /// `sha256:` and the SHA-256 of the public half's SubjectPublicKeyInfo in lowercase hex.
    pub(crate) fn fingerprint(&self) -> &Arc<str> {
        &self.fingerprint
    }

    /// The AES key in a request, if it was encrypted with the public half.
    pub(crate) fn unwrap(&self, wrapped: &[u8]) -> Option<Vec<u8>> {
        self.private.decrypt(Oaep::new::<Sha256>(), wrapped).ok()
    }
}
