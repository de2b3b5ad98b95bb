//! Public keys as the edge stores them: the text as sent, and its fingerprint.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use rsa::RsaPublicKey;
use rsa::pkcs8::{DecodePublicKey, Document};
use rsa::traits::PublicKeyParts;
use sha2::{Digest, Sha256};

/// An RSA-2048 public key (PEM SubjectPublicKeyInfo) that nobody under test owns: what
/// "someone else" uploads where a scenario gives no key of its own.
pub const FOREIGN_PUBLIC_KEY: &str = include_str!("foreign.pem");

const REQUIRED_BITS: usize = 2048;

/// Texts kept parsed; one operator uploads few keys, to many numbers.
const CACHE_LIMIT: usize = 1024;

/// A key's text, and what parsing it gave.
#[derive(Debug)]
pub(crate) struct PublicKey {
    pub(crate) text: String,
    /// Lowercase hex SHA-256 of the DER SubjectPublicKeyInfo; `None` if the text is no PEM.
    pub(crate) fingerprint: Option<Arc<str>>,
    /// Why an upload of this text is refused.
    pub(crate) refusal: Option<&'static str>,
}

impl PublicKey {
    fn parse(text: &str) -> Self {
        let document = Document::from_pem(text).ok();
        let fingerprint = document.as_ref().map(|(_, der)| hex(&Sha256::digest(der.as_bytes())).into());
        Self { text: text.to_owned(), fingerprint, refusal: refusal(document) }
    }
}

/// A key and its signature status: what a read shows.
#[derive(Clone, Debug)]
pub(crate) struct KeyState {
    pub(crate) key: Option<Arc<PublicKey>>,
    pub(crate) status: Cow<'static, str>,
}

fn refusal(document: Option<(&str, Document)>) -> Option<&'static str> {
    let Some((label, der)) = document else {
        return Some("The public key is not in PEM format.");
    };
    if label != "PUBLIC KEY" {
        return Some("The public key must be a SubjectPublicKeyInfo (BEGIN PUBLIC KEY).");
    }
    match RsaPublicKey::from_public_key_der(der.as_bytes()) {
        Err(_) => Some("The public key is not an RSA key."),
        Ok(key) if key.n().bits() != REQUIRED_BITS => Some("The RSA key must have 2048 bits."),
        Ok(_) => None,
    }
}

/// Lowercase hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Parses each text once, and lets all numbers with the same key share it.
#[derive(Debug, Default)]
pub(crate) struct KeyCache(HashMap<String, Arc<PublicKey>>);

impl KeyCache {
    pub(crate) fn get(&mut self, text: &str) -> Arc<PublicKey> {
        if let Some(key) = self.0.get(text) {
            return Arc::clone(key);
        }
        if self.0.len() >= CACHE_LIMIT {
            self.0.clear();
        }
        let key = Arc::new(PublicKey::parse(text));
        self.0.insert(text.to_owned(), Arc::clone(&key));
        key
    }
}
