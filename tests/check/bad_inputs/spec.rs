//! What the rules of the definition refuse.

use serde_json::{Value, json};

use super::page::Row;
use super::{NUMBERS, Scene, TOKEN, resource_with, token_secret};
use crate::scene::{PRIVATE_KEY, PUBLIC_KEY, secret};

/// Fields of the spec in place of good ones, or beside them. Null leaves one out.
fn changes() -> Vec<(&'static str, Value)> {
    let ids = |ids: Value| json!({ "phoneNumberIds": ids });
    let many: Vec<_> = (0..501).map(|offset: u64| (100_000_000_000_000 + offset).to_string()).collect();
    let interval = |text: &str| json!({ "checkInterval": text });
    let reference = |name: &str, key: &str| json!({"name": name, "key": key});
    vec![
        ("phone number IDs without quotes", ids(json!([106_540_352_242_922_u64]))),
        ("a phone number with + and blanks", ids(json!(["+49 1511 2345678"]))),
        ("letters in a phone number ID", ids(json!(["abc"]))),
        ("a phone number ID of 40 digits", ids(json!(["1".repeat(40)]))),
        ("an empty phone number ID", ids(json!([""]))),
        ("the same phone number ID twice", ids(json!([NUMBERS[0], NUMBERS[1], NUMBERS[0]]))),
        ("no phone number ID", ids(json!([]))),
        ("501 phone number IDs", ids(json!(many))),
        ("one phone number ID in place of a list", ids(json!(NUMBERS[0]))),
        ("a private and a public key", json!({"publicKey": PUBLIC_KEY.as_str()})),
        ("no key at all", json!({"privateKeySecretRef": null})),
        (
            "a passphrase for a public key",
            json!({"privateKeySecretRef": null, "publicKey": PUBLIC_KEY.as_str(), "passphraseSecretRef": reference("flows-key", "passphrase")}),
        ),
        ("a private key in publicKey", json!({"privateKeySecretRef": null, "publicKey": PRIVATE_KEY.as_str()})),
        ("no token", json!({"accessTokenSecretRef": null})),
        ("a reference without key", json!({"accessTokenSecretRef": {"name": "meta-token"}})),
        ("an upper-case name of a Secret", json!({"accessTokenSecretRef": reference("Meta-Token", "token")})),
        ("a Secret's name with a namespace", json!({"accessTokenSecretRef": reference("other/meta-token", "token")})),
        ("the token itself in place of a reference", json!({"accessTokenSecretRef": TOKEN})),
        ("checkInterval: 5s", interval("5s")),
        ("checkInterval: 999999h", interval("999999h")),
        ("checkInterval: 1 hour", interval("1 hour")),
        ("checkInterval: 1d", interval("1d")),
        ("checkInterval: -1h", interval("-1h")),
        ("checkInterval: 3600", json!({"checkInterval": 3600})),
        ("mode: enforce", json!({"mode": "enforce"})),
        ("suspend: \"yes\"", json!({"suspend": "yes"})),
        ("an unknown field", json!({"phoneNumbers": [NUMBERS[0]]})),
    ]
}

pub(super) async fn rows() -> Vec<Row> {
    let scene = Scene::new().await;
    let secrets = [secret("flows-key", "private.pem", &PRIVATE_KEY), token_secret(TOKEN)];
    let judge = |input: &str, resource: Value| scene.judge_resource(input, resource, &secrets, &["--offline"]);
    let mut rows: Vec<_> =
        changes().into_iter().map(|(input, fields)| judge(input, resource_with(&NUMBERS[..1], fields))).collect();
    for (input, field, value) in [
        ("an old apiVersion", "/apiVersion", json!("waflows.dev/v1")),
        ("a kind in the plural", "/kind", json!("FlowsEncryptionKeys")),
        ("a name with _ and upper case", "/metadata/name", json!("My_Key")),
        ("a label with a blank", "/metadata/labels", json!({"app": "two words"})),
    ] {
        let mut resource = resource_with(&NUMBERS[..1], json!({}));
        resource["metadata"]["labels"] = json!({});
        *resource.pointer_mut(field).unwrap() = value;
        rows.push(judge(input, resource));
    }
    rows
}
