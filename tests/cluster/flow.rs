//! Both ends of a Flow: an endpoint as a business runs it, and a client as WhatsApp runs it.
//!
//! Source of the protocol: Meta, "Implementing endpoints for Flows". In short: the client makes an AES-128 key, seals
//! the request with it (GCM, 16 bytes of IV) and wraps it with the business' RSA key (OAEP, SHA-256). The endpoint
//! seals its answer with the same AES key and the inverted IV. An endpoint that cannot unwrap the AES key answers 421.
//! The client then reads the public key again, and repeats the request once.

use std::sync::{Arc, Mutex};

use aes_gcm::aead::consts::U16;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::aes::Aes128;
use aes_gcm::{AesGcm, Nonce};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use harness::World;
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey};
use rsa::rand_core::{OsRng, RngCore as _};
use rsa::{Oaep, RsaPrivateKey, RsaPublicKey};
use serde_json::{Value, json};
use sha2::Sha256;

type Cipher = AesGcm<Aes128, U16>;

const PING: &str = r#"{"version":"3.0","action":"ping"}"#;
const ANSWER: &str = r#"{"data":{"status":"active"}}"#;

/// A Flow endpoint that decrypts with any of its private keys.
pub(crate) struct Endpoint {
    url: String,
    keys: Keys,
}

type Keys = Arc<Mutex<Vec<RsaPrivateKey>>>;

impl Endpoint {
    /// Serves until the test ends.
    pub(crate) async fn start() -> Self {
        let keys = Keys::default();
        let router = Router::new().route("/", post(answer)).with_state(Arc::clone(&keys));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, keys }
    }

    /// The private keys from now on, in PEM.
    pub(crate) fn set_keys(&self, keys: &[&str]) {
        *self.keys.lock().unwrap() = keys.iter().map(|pem| RsaPrivateKey::from_pkcs8_pem(pem).unwrap()).collect();
    }
}

async fn answer(State(keys): State<Keys>, Json(request): Json<Value>) -> Result<String, StatusCode> {
    let bytes = |field: &str| BASE64.decode(request[field].as_str().unwrap_or_default()).unwrap_or_default();
    let keys = keys.lock().unwrap();
    let aes_key = keys.iter().find_map(|key| key.decrypt(Oaep::new::<Sha256>(), &bytes("encrypted_aes_key")).ok());
    let cipher = aes_key.and_then(|key| Cipher::new_from_slice(&key).ok()).ok_or(StatusCode::MISDIRECTED_REQUEST)?;
    let mut iv = bytes("initial_vector");
    let data = bytes("encrypted_flow_data");
    let nonce = |iv: &[u8]| Nonce::<U16>::clone_from_slice(iv);
    let plain = cipher.decrypt(&nonce(&iv), data.as_slice()).map_err(|_| StatusCode::MISDIRECTED_REQUEST)?;
    assert_eq!(plain, PING.as_bytes());
    iv.iter_mut().for_each(|byte| *byte = !*byte);
    let sealed = cipher.encrypt(&nonce(&iv), Payload::from(ANSWER.as_bytes())).unwrap();
    Ok(BASE64.encode(sealed))
}

/// A client that keeps the public key of a number until an endpoint says that it is the wrong one.
pub(crate) struct Client {
    cached: Option<String>,
    /// How often the key had to be fetched again.
    pub(crate) refetches: usize,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self { cached: None, refetches: 0 }
    }

    /// Pings the endpoint of a number. An error is what a user of the Flow would see.
    pub(crate) async fn ping(&mut self, world: &World, number: &str, endpoint: &Endpoint) -> Result<(), String> {
        let cached = match self.cached.take() {
            Some(key) => key,
            None => fetch(world, number)?,
        };
        if let Ok(()) = try_with(&cached, endpoint).await {
            self.cached = Some(cached);
            return Ok(());
        }
        self.refetches += 1;
        let fresh = fetch(world, number)?;
        try_with(&fresh, endpoint).await?;
        self.cached = Some(fresh);
        Ok(())
    }
}

/// Clients use a key only while Meta's signature over it is valid.
fn fetch(world: &World, number: &str) -> Result<String, String> {
    let number = world.emulator.number(number).expect("the number exists");
    match (number.signature_status(), &number.settings.public_key) {
        (Some("VALID"), Some(key)) => Ok(key.clone()),
        (status, _) => Err(format!("the number has no valid key: {status:?}")),
    }
}

async fn try_with(public_key: &str, endpoint: &Endpoint) -> Result<(), String> {
    let (mut aes_key, mut iv) = ([0; 16], [0; 16]);
    OsRng.fill_bytes(&mut aes_key);
    OsRng.fill_bytes(&mut iv);
    let cipher = Cipher::new_from_slice(&aes_key).unwrap();
    let nonce = |iv: &[u8]| Nonce::<U16>::clone_from_slice(iv);
    let key = RsaPublicKey::from_public_key_pem(public_key).unwrap();
    let request = json!({
        "encrypted_aes_key": BASE64.encode(key.encrypt(&mut OsRng, Oaep::new::<Sha256>(), &aes_key).unwrap()),
        "encrypted_flow_data": BASE64.encode(cipher.encrypt(&nonce(&iv), PING.as_bytes()).unwrap()),
        "initial_vector": BASE64.encode(iv),
    });
    let body = request.to_string();
    let request = reqwest::Client::new().post(&endpoint.url).header("content-type", "application/json").body(body);
    let response = request.send().await.unwrap();
    if !response.status().is_success() {
        return Err(format!("the endpoint answered {}", response.status()));
    }
    let sealed = BASE64.decode(response.text().await.unwrap()).unwrap();
    iv.iter_mut().for_each(|byte| *byte = !*byte);
    let plain = cipher.decrypt(&nonce(&iv), sealed.as_slice()).unwrap();
    assert_eq!(plain, ANSWER.as_bytes());
    Ok(())
}
