//! Requests other than the health check.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use aes_gcm::aead::Aead as _;
use aes_gcm::aead::consts::U16;
use aes_gcm::aes::Aes128;
use aes_gcm::{AesGcm, KeyInit as _};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use harness::TestKey;
use hmac::{Hmac, Mac};
use rsa::pkcs8::DecodePublicKey as _;
use rsa::{Oaep, RsaPublicKey};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::scene::APP_SECRET;

const AES_KEY: [u8; 16] = [7; 16];
const IV: [u8; 16] = [0b0101_0011; 16];

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    /// If the body can be decrypted.
    pub(crate) payload: Option<Value>,
}

/// Encrypts, signs and sends a request.
pub(crate) fn send(address: SocketAddr, key: &TestKey, request: &Value) -> Answer {
    let public_key = RsaPublicKey::from_public_key_pem(&key.public_pem()).unwrap();
    let encrypted_key = public_key.encrypt(&mut rsa::rand_core::OsRng, Oaep::new::<Sha256>(), &AES_KEY).unwrap();
    let data = cipher().encrypt(&IV.into(), request.to_string().as_bytes()).unwrap();
    let body = json!({
        "encrypted_flow_data": BASE64_STANDARD.encode(data),
        "encrypted_aes_key": BASE64_STANDARD.encode(encrypted_key),
        "initial_vector": BASE64_STANDARD.encode(IV),
    });
    // JSON may escape a slash, and some libraries do.
    post(address, body.to_string().replace('/', "\\/").as_bytes())
}

/// Signs and sends a body.
pub(crate) fn post(address: SocketAddr, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(APP_SECRET.as_bytes()).unwrap();
    mac.update(body);
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let length = body.len();
    write!(
        stream,
        "POST /flows HTTP/1.0\r\nContent-Length: {length}\r\nX-Hub-Signature-256: sha256={signature}\r\n\r\n"
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
    let payload = BASE64_STANDARD.decode(body).ok().and_then(|sealed| {
        let text = cipher().decrypt(&IV.map(|byte| !byte).into(), sealed.as_slice()).ok()?;
        serde_json::from_slice(&text).ok()
    });
    Answer { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head: head.to_lowercase(), payload }
}

/// Begins a request and breaks the connection.
pub(crate) fn abandon_request(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "POST /flows HTTP/1.1\r\nHost: flows\r\nContent-Length: 100\r\n\r\n{{").unwrap();
}

fn cipher() -> AesGcm<Aes128, U16> {
    AesGcm::new(&AES_KEY.into())
}
