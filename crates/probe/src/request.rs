//! The encrypted health check.

use std::fmt;

use base64ct::{Base64, Encoding};
use rsa::pkcs8::DecodePublicKey;
use rsa::rand_core::CryptoRngCore;
use rsa::{Oaep, RsaPublicKey};
use serde::Serialize;
use sha2::Sha256;
use waflows_key::PublicKey;
use zeroize::Zeroizing;

use crate::answer::Opener;
use crate::flow_cipher::{FlowCipher, IV_BYTES, KEY_BYTES};
use crate::secret::SigningSecret;

/// The health check that Meta sends.
const HEALTH_CHECK: &[u8] = br#"{"version":"3.0","action":"ping"}"#;

/// The key with which to ask.
#[derive(Debug, Clone, Copy)]
pub enum AskWith<'a> {
    /// This key. Does the endpoint have the private half?
    Key(&'a PublicKey),
    /// A key that nobody has. Does the endpoint answer 421, which tells clients to fetch the key again?
    UnknownKey,
}

/// The key cannot encrypt. Never in practice: a [`PublicKey`] was checked when it was parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the public key cannot encrypt: make a new key pair with `openssl genrsa -out private.pem 2048`")]
pub struct UnusableKey;

/// The request to post, with `Content-Type: application/json`.
///
/// Debug prints no content: a reader of the body and its signature could send the request again.
pub struct Request {
    body: Vec<u8>,
    signature: Option<String>,
}

impl Request {
    /// The body: JSON with three fields in base64, less than 1 KiB.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The value of `X-Hub-Signature-256`. None without an app secret.
    #[must_use]
    pub fn signature(&self) -> Option<&str> {
        self.signature.as_deref()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Request(..)")
    }
}

#[derive(Serialize)]
struct Body {
    encrypted_flow_data: String,
    encrypted_aes_key: String,
    initial_vector: String,
}

/// Makes a health check for one endpoint, and the opener for its answer. Use each request once: an AES key or
/// initialization vector that is used twice does not prove that the answer belongs to this request.
///
/// # Errors
/// If the key cannot encrypt.
pub fn encode(
    key: AskWith<'_>,
    secret: Option<&SigningSecret>,
    random: &mut impl CryptoRngCore,
) -> Result<(Request, Opener), UnusableKey> {
    let mut aes_key = Zeroizing::new([0; KEY_BYTES]);
    random.fill_bytes(&mut *aes_key);
    let mut iv = [0; IV_BYTES];
    random.fill_bytes(&mut iv);
    let cipher = FlowCipher::new(&aes_key);
    let wrapped_key = match key {
        AskWith::Key(key) => wrap(key, &aes_key, random)?,
        AskWith::UnknownKey => wrapped_for_nobody(random),
    };
    let body = Body {
        encrypted_flow_data: Base64::encode_string(&cipher.seal(&iv, HEALTH_CHECK).ok_or(UnusableKey)?),
        encrypted_aes_key: Base64::encode_string(&wrapped_key),
        initial_vector: Base64::encode_string(&iv),
    };
    let body = serde_json::to_vec(&body).map_err(|_| UnusableKey)?;
    let signature = secret.map(|secret| secret.sign(&body));
    Ok((Request { body, signature }, Opener::new(cipher, iv)))
}

/// RSA-OAEP with SHA-256, both for the label and for MGF1.
fn wrap(
    key: &PublicKey,
    aes_key: &Zeroizing<[u8; KEY_BYTES]>,
    random: &mut impl CryptoRngCore,
) -> Result<Vec<u8>, UnusableKey> {
    let key = RsaPublicKey::from_public_key_pem(key.pem()).map_err(|_| UnusableKey)?;
    key.encrypt(random, Oaep::new::<Sha256>(), &**aes_key).map_err(|_| UnusableKey)
}

/// A random number, in place of the ciphertext under a key that nobody has. A real key would need two primes, which
/// take half a second, and would change nothing: nobody can tell such a ciphertext from a random number.
///
/// The number is below every modulus of 2048 bits. So the endpoint's key refuses the padding, as with nearly all real
/// requests, and the same endpoint answers the same each time.
fn wrapped_for_nobody(random: &mut impl CryptoRngCore) -> Vec<u8> {
    let mut number = vec![0; PublicKey::BITS / 8];
    random.fill_bytes(&mut number);
    if let Some(first) = number.first_mut() {
        *first &= 0x7F;
    }
    number
}
