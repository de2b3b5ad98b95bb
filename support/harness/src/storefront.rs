//! A resource with everything that is secret: an encrypted key, its passphrase, a token, an app secret.

use std::sync::LazyLock;

use graph_emulator::{Emulator, Token, appsecret_proof};
use serde_json::{Value, json};

use crate::keys::TestKey;
use crate::objects::TOKEN;
use crate::secrecy::{encoded, plain_and_encoded};

/// Name of the resource.
pub const NAME: &str = "storefront";
/// Numbers of the resource.
pub const NUMBERS: [&str; 3] = ["106540352242922", "107995438950512", "108811432100233"];
/// The app secret. The emulator wants a proof of it beside [`TOKEN`].
pub const APP_SECRET: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
/// The passphrase of the keys.
pub const PASSPHRASE: &str = "correct horse";
/// Waits that are short enough for a test, and long enough to be noticed.
pub const FLAGS: [&str; 2] = ["--wait-scale", "0.02"];

/// A private key as users have it.
#[derive(Debug)]
pub struct EncryptedKey {
    /// Encrypted with [`PASSPHRASE`].
    pub pem: String,
    /// As the status has it.
    pub fingerprint: String,
    /// Not encrypted.
    pub plain: TestKey,
}

impl EncryptedKey {
    fn new() -> Self {
        let plain = TestKey::from_openssl();
        Self { pem: plain.encrypted(PASSPHRASE), fingerprint: plain.fingerprint.clone(), plain }
    }
}

/// The key that comes first.
pub static OLD: LazyLock<EncryptedKey> = LazyLock::new(EncryptedKey::new);
/// The key that comes in its place.
pub static NEW: LazyLock<EncryptedKey> = LazyLock::new(EncryptedKey::new);

/// Its spec, with the key in `flows-key`, the passphrase in `flows-passphrase`, the token in `meta-token` and the app
/// secret in `meta-app`.
pub fn spec(numbers: &[&str]) -> Value {
    json!({
        "privateKeySecretRef": {"name": "flows-key", "key": "private.pem"},
        "passphraseSecretRef": {"name": "flows-passphrase", "key": "passphrase"},
        "accessTokenSecretRef": {"name": "meta-token", "key": "token"},
        "appSecretRef": {"name": "meta-app", "key": "secret"},
        "phoneNumberIds": numbers,
    })
}

/// From now on the emulator takes [`TOKEN`] only with a proof of [`APP_SECRET`].
pub fn want_proof(emulator: &Emulator) {
    emulator.set_token(TOKEN, Token { app_secret: Some(APP_SECRET.to_owned()), ..Token::default() });
}

/// Everything that must stay secret: token, app secret, proof, passphrase, and the lines of the private keys, each also
/// in base64 as in a Secret.
pub fn secrets() -> Vec<String> {
    let short = [TOKEN, APP_SECRET, PASSPHRASE, &appsecret_proof(TOKEN, APP_SECRET)].map(str::to_owned);
    let keys = [&OLD.pem, &NEW.pem, &OLD.plain.private_pem, &NEW.plain.private_pem];
    let lines = keys.iter().flat_map(|pem| pem.lines()).filter(|line| line.len() == 64).map(str::to_owned);
    let encoded = keys.iter().map(|pem| encoded(pem));
    plain_and_encoded(short).into_iter().chain(lines).chain(encoded).collect()
}
