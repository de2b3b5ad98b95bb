//! Drives the emulator over HTTP, with the probes of the operator.
#![expect(clippy::unwrap_used, reason = "a test fails where it finds what it did not expect")]

mod admin;
mod journal;
mod key_changes;
mod program;
mod replicas;

use std::sync::LazyLock;
use std::time::Duration;

use endpoint_emulator::{Config, Emulator, KeyChange};
use harness::process::openssl;
use rand::rngs::OsRng;
use reqwest::Client;
use waflows_core::endpoint::ProbeOutcome;
use waflows_key::PublicKey;
use waflows_probe::{AskWith, SigningSecret, encode};

static FIRST_KEY: LazyLock<String> = LazyLock::new(|| openssl(&["genrsa", "2048"], ""));
/// In PKCS#1.
static SECOND_KEY: LazyLock<String> = LazyLock::new(|| openssl(&["genrsa", "-traditional", "2048"], ""));
const APP_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// An emulator with so many replicas, all of which have [`FIRST_KEY`].
async fn emulator(replicas: u8) -> Emulator {
    let emulator = Emulator::start(Config { replicas, ..Config::default() }).await.unwrap();
    emulator.set_keys_everywhere(&[&FIRST_KEY], KeyChange::Now).unwrap();
    emulator
}

fn public(private: &str) -> PublicKey {
    PublicKey::from_private_key(private.as_bytes(), None).unwrap()
}

fn client() -> Client {
    harness::tls::install_provider();
    Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap()
}

/// Asks a URL whether it has a key.
async fn ask(url: &str, key: &str, app_secret: Option<&str>) -> ProbeOutcome {
    let secret = app_secret.map(|secret| SigningSecret::new(secret.as_bytes()));
    let (request, opener) = encode(AskWith::Key(&public(key)), secret.as_ref(), &mut OsRng).unwrap();
    let mut post = client().post(url).body(request.body().to_vec());
    if let Some(signature) = request.signature() {
        post = post.header("X-Hub-Signature-256", signature);
    }
    let response = post.send().await.unwrap();
    let status = response.status().as_u16();
    opener.decode(status, &response.bytes().await.unwrap()).outcome
}
