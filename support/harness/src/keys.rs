//! RSA-2048 key pairs, and the forms in which users store them.

use rsa::RsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use sha2::{Digest, Sha256};

use crate::process::openssl;

/// An RSA-2048 key pair.
#[derive(Debug, Clone)]
pub struct TestKey {
    /// PKCS#8 in PEM, not encrypted.
    pub private_pem: String,
    /// As the status has it.
    pub fingerprint: String,
}

impl TestKey {
    /// A new one.
    pub fn generate() -> Self {
        Self::of(&RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap())
    }

    /// A new one, as `openssl genrsa` writes it.
    pub fn from_openssl() -> Self {
        let private_pem = openssl(&["genrsa", "2048"], "");
        Self { fingerprint: Self::of(&RsaPrivateKey::from_pkcs8_pem(&private_pem).unwrap()).fingerprint, private_pem }
    }

    fn of(key: &RsaPrivateKey) -> Self {
        let private_pem = key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string();
        let der = key.to_public_key().to_public_key_der().unwrap();
        let digits: String = Sha256::digest(der.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { private_pem, fingerprint: format!("sha256:{digits}") }
    }

    /// The private key, encrypted.
    pub fn encrypted(&self, passphrase: &str) -> String {
        let passphrase = format!("pass:{passphrase}");
        openssl(&["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", &passphrase], &self.private_pem)
    }

    /// The public half.
    pub fn public_pem(&self) -> String {
        openssl(&["pkey", "-pubout"], &self.private_pem)
    }

    /// A self-signed certificate.
    pub fn certificate(&self) -> String {
        openssl(&["req", "-x509", "-key", "/dev/stdin", "-subj", "/CN=flows.example", "-days", "1"], &self.private_pem)
    }
}
