//! Keys, Secrets and resources of the stories.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use waflows_core::api::crd::{FlowsEncryptionKey, FlowsEncryptionKeySpec, ObservedSecret, SecretKeyRef};
use waflows_key::{Fingerprint, PublicKey};

/// `{}` stands for two characters in the middle of the modulus.
const PEM: &str = include_str!("../key-template.pem");

/// The keys that stories name.
pub(crate) const KEYS: [&str; 4] = ["A", "B", "C", "foreign"];

/// The key of this name.
pub(crate) fn key(name: &str) -> PublicKey {
    let position = KEYS.iter().position(|known| *known == name);
    let position = position.unwrap_or_else(|| panic!("a key is one of {KEYS:?}, not {name:?}"));
    PublicKey::from_public_key(&PEM.replace("{}", &format!("{position:02}"))).unwrap()
}

/// The name of a key.
pub(crate) fn name_of(fingerprint: &Fingerprint) -> &'static str {
    KEYS.into_iter().find(|name| key(name).fingerprint() == fingerprint).unwrap_or("unknown")
}

/// A text with the names of keys in place of their fingerprints.
pub(crate) fn with_names(text: &str) -> String {
    KEYS.iter().fold(text.to_owned(), |text, name| {
        let fingerprint = key(name).fingerprint().to_string();
        let short = key(name).fingerprint().short();
        text.replace(&fingerprint, name).replace(&short, name)
    })
}

/// The time at which every story begins.
pub(crate) fn origin() -> Timestamp {
    "2026-01-01T09:00:00Z".parse().unwrap()
}

pub(crate) fn secret(name: &str, version: u32) -> ObservedSecret {
    ObservedSecret { name: name.to_owned(), uid: format!("uid-of-{name}"), resource_version: version.to_string() }
}

pub(crate) fn resource(name: &str, numbers: &[&str], now: Timestamp) -> FlowsEncryptionKey {
    let reference = |name: &str, key: &str| SecretKeyRef { name: name.to_owned(), key: key.to_owned() };
    let mut spec = FlowsEncryptionKeySpec {
        private_key_secret_ref: Some(reference("flows-key", "private.pem")),
        certificate_secret_ref: None,
        public_key: None,
        passphrase_secret_ref: None,
        access_token_secret_ref: reference("meta-token", "token"),
        app_secret_ref: None,
        app_id: None,
        business_accounts: Vec::new(),
        phone_number_ids: Vec::new(),
        mode: Default::default(),
        check_interval: None,
        endpoint: None,
        rotation: None,
        suspend: None,
    };
    spec.phone_number_ids = numbers.iter().map(ToString::to_string).collect();
    let mut resource = FlowsEncryptionKey::new(name, spec);
    resource.metadata.namespace = Some("messaging".to_owned());
    resource.metadata.uid = Some(format!("uid-of-{name}"));
    resource.metadata.generation = Some(1);
    resource.metadata.creation_timestamp = Some(Time(now));
    resource
}
