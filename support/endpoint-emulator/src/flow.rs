//! The encryption of Flows, from the endpoint's side.

use std::sync::Arc;

use aes_gcm::aead::Aead;
use aes_gcm::aead::consts::U16;
use aes_gcm::aes::Aes128;
use aes_gcm::{AesGcm, KeyInit};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;

use crate::keys::Key;

type Cipher = AesGcm<Aes128, U16>;

/// Why a request cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is no JSON with the three fields in base64.
    Malformed,
    /// None of the keys opens it.
    Undecryptable,
}

/// A request that a key has opened.
pub(crate) struct Opened {
    /// Of that key.
    pub(crate) fingerprint: Arc<str>,
    pub(crate) payload: Value,
    cipher: Cipher,
    iv: [u8; 16],
}

#[derive(Deserialize)]
struct Body {
    encrypted_flow_data: String,
    encrypted_aes_key: String,
    initial_vector: String,
}

impl Opened {
    /// Tries each key.
    pub(crate) fn open(body: &[u8], keys: &[Arc<Key>]) -> Result<Self, Unreadable> {
        let body: Body = serde_json::from_slice(body).map_err(|_| Unreadable::Malformed)?;
        let decode = |text: &str| BASE64_STANDARD.decode(text).map_err(|_| Unreadable::Malformed);
        let (data, wrapped) = (decode(&body.encrypted_flow_data)?, decode(&body.encrypted_aes_key)?);
        let iv: [u8; 16] = decode(&body.initial_vector)?.try_into().map_err(|_| Unreadable::Malformed)?;
        let opened = keys.iter().find_map(|key| {
            let cipher = Cipher::new_from_slice(&key.unwrap(&wrapped)?).ok()?;
            let text = cipher.decrypt(&iv.into(), data.as_slice()).ok()?;
            let payload = serde_json::from_slice(&text).ok()?;
            Some(Self { fingerprint: Arc::clone(key.fingerprint()), payload, cipher, iv })
        });
        opened.ok_or(Unreadable::Undecryptable)
    }

    /// `ping`, `INIT`, `data_exchange` or `BACK`.
    pub(crate) fn action(&self) -> Option<&str> {
        self.payload["action"].as_str()
    }

    /// Base64 of an answer, encrypted as it must be.
    pub(crate) fn seal(&self, answer: &Value) -> String {
        seal(&self.cipher, self.iv.map(|byte| !byte), answer)
    }

    /// The same with the initialization vector of the request.
    pub(crate) fn seal_unflipped(&self, answer: &Value) -> String {
        seal(&self.cipher, self.iv, answer)
    }

    /// The same with another AES key.
    pub(crate) fn seal_otherwise(&self, answer: &Value) -> String {
        seal(&Cipher::new(&[7; 16].into()), self.iv.map(|byte| !byte), answer)
    }
}

#[expect(clippy::expect_used, reason = "AES-GCM takes any text of less than 64 GiB")]
fn seal(cipher: &Cipher, iv: [u8; 16], answer: &Value) -> String {
    let sealed = cipher.encrypt(&iv.into(), answer.to_string().as_bytes()).expect("a short text");
    BASE64_STANDARD.encode(sealed)
}

/// Whether this is the value of `X-Hub-Signature-256` for a body.
pub(crate) fn is_signature(value: &str, body: &[u8], app_secret: &str) -> bool {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(app_secret.as_bytes()).expect("a key of any length");
    mac.update(body);
    let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    value == format!("sha256={expected}")
}
