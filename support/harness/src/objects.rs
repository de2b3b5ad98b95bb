//! The objects that users write: Secrets and resources, as JSON and as the types of the API.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::core::ObjectMeta;
use serde_json::{Value, json};
use waflows_core::api::crd::{FlowsEncryptionKeySpec, Mode, SecretKeyRef};

/// A token that the emulator accepts.
pub const TOKEN: &str = "EAAGoodTokenOfTheTests0123456789";

/// A spec for these numbers, with the key in the Secret `flows-key` and the token in the Secret `meta-token`.
pub fn spec(numbers: &[&str]) -> Value {
    json!({
        "privateKeySecretRef": {"name": "flows-key", "key": "private.pem"},
        "accessTokenSecretRef": {"name": "meta-token", "key": "token"},
        "phoneNumberIds": numbers,
    })
}

/// A resource.
pub fn resource(name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "waflows.dev/v1alpha1",
        "kind": "FlowsEncryptionKey",
        "metadata": {"name": name},
        "spec": spec,
    })
}

/// A Secret with one value.
pub fn secret(name: &str, key: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": {key: value},
    })
}

/// A Secret, as the API has it.
pub fn typed_secret(name: &str, data: impl IntoIterator<Item = (String, Vec<u8>)>) -> Secret {
    let data: BTreeMap<_, _> = data.into_iter().map(|(key, value)| (key, ByteString(value))).collect();
    Secret { data: Some(data), metadata: named(name), ..Secret::default() }
}

/// A spec, as the API has it: a private key, a token, numbers, and nothing else.
pub fn typed_spec(private_key: SecretKeyRef, token: SecretKeyRef, numbers: Vec<String>) -> FlowsEncryptionKeySpec {
    FlowsEncryptionKeySpec {
        private_key_secret_ref: Some(private_key),
        certificate_secret_ref: None,
        public_key: None,
        passphrase_secret_ref: None,
        access_token_secret_ref: token,
        app_secret_ref: None,
        app_id: None,
        business_accounts: Vec::new(),
        phone_number_ids: numbers,
        mode: Mode::Enforce,
        check_interval: None,
        endpoint: None,
        rotation: None,
        suspend: None,
    }
}

/// Metadata with a name.
pub fn named(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }
}

/// Many phone number IDs.
pub fn many_numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("10{n:013}")).collect()
}

/// Texts by reference.
pub fn strs(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}
