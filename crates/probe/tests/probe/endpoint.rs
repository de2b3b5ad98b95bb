//! The encryption on the endpoint's side.

use aes::Aes128;
use aes_gcm::aead::Aead;
use aes_gcm::aead::consts::U16;
use aes_gcm::{AesGcm, KeyInit};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use waflows_probe::{AskWith, Opener, Request, encode};

use crate::bytes::Counting;

/// A request whose AES key and initialization vector the test knows.
pub(crate) fn known() -> (Request, Opener) {
    encode(AskWith::UnknownKey, None, &mut Counting::default()).unwrap()
}

/// The bytes of a field of a request.
pub(crate) fn field(request: &Request, name: &str) -> Vec<u8> {
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    BASE64_STANDARD.decode(body[name].as_str().unwrap()).unwrap()
}

pub(crate) fn flipped(iv: [u8; 16]) -> [u8; 16] {
    iv.map(|byte| byte ^ 0xFF)
}

/// An encrypted answer, in base64.
pub(crate) fn sealed(key: [u8; 16], iv: [u8; 16], text: &[u8]) -> String {
    let cipher = AesGcm::<Aes128, U16>::new(&key.into());
    BASE64_STANDARD.encode(cipher.encrypt(&iv.into(), text).unwrap())
}
