//! Every single change: over every field of the spec and every Secret.

use harness::storefront::NUMBERS;
use serde_json::{Value, json};

use crate::model::{Content, Input, NEW_PUBLIC};

/// A number that Meta does not know.
const UNKNOWN: &str = "15550783881";

/// What the API server must say to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted,
    /// A rule of the schema is broken.
    Invalid,
    /// It is no value of the field's type, as a set with something twice is none: the API server then fails before it
    /// validates.
    Mistyped,
}

/// What the API server must say to it, a name, and the change.
pub(crate) type Change = (Verdict, &'static str, fn(&mut Input));

/// All changes.
pub(crate) fn changes() -> Vec<Change> {
    [numbers(), references(), others(), contents()].concat()
}

/// Phone number IDs that the emulator knows beside those of the resource.
pub(crate) fn many(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("20{n:013}")).collect()
}

fn numbers() -> Vec<Change> {
    use Verdict as V;
    vec![
        (V::Accepted, "one number", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[1]])),
        (V::Accepted, "another order", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[1], NUMBERS[0]])),
        (V::Accepted, "one more number", |i| i.spec["phoneNumberIds"] = json!(NUMBERS)),
        (V::Accepted, "an unknown number", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[0], UNKNOWN])),
        (V::Accepted, "20 digits", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[0], "12345678901234567890"])),
        (V::Accepted, "500 numbers", |i| i.spec["phoneNumberIds"] = json!(many(500))),
        (V::Invalid, "501 numbers", |i| i.spec["phoneNumberIds"] = json!(many(501))),
        (V::Invalid, "no numbers", |i| i.spec["phoneNumberIds"] = json!([])),
        (V::Mistyped, "a number twice", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[0], NUMBERS[0]])),
        (V::Invalid, "21 digits", |i| i.spec["phoneNumberIds"] = json!(["123456789012345678901"])),
        (V::Invalid, "an empty number", |i| i.spec["phoneNumberIds"] = json!([""])),
        (V::Invalid, "a telephone number", |i| i.spec["phoneNumberIds"] = json!(["+49 30 123"])),
        (V::Mistyped, "a number that is none to YAML", |i| i.spec["phoneNumberIds"] = json!([106540352242922_u64])),
    ]
}

fn remove(input: &mut Input, field: &str) {
    input.spec.as_object_mut().unwrap().remove(field);
}

/// Another field names the key.
fn key_from(input: &mut Input, field: &str, value: Value) {
    remove(input, "privateKeySecretRef");
    remove(input, "passphraseSecretRef");
    input.spec[field] = value;
}

fn references() -> Vec<Change> {
    use Verdict as V;
    vec![
        (V::Accepted, "another key", |i| i.spec["privateKeySecretRef"]["name"] = json!("other-key")),
        (V::Accepted, "a key as it is", |i| {
            i.spec["privateKeySecretRef"] = json!({"name": "other-key", "key": "plain.pem"})
        }),
        (V::Accepted, "an empty key", |i| i.spec["privateKeySecretRef"] = json!({"name": "other-key", "key": "empty"})),
        (V::Accepted, "a token for a key", |i| {
            i.spec["privateKeySecretRef"] = json!({"name": "meta-token", "key": "token"})
        }),
        (V::Accepted, "a certificate for a key", |i| {
            i.spec["privateKeySecretRef"] = json!({"name": "flows-tls", "key": "tls.crt"});
        }),
        (V::Accepted, "no such Secret", |i| i.spec["privateKeySecretRef"]["name"] = json!("a".repeat(253))),
        (V::Accepted, "no such key in it", |i| i.spec["privateKeySecretRef"]["key"] = json!("a".repeat(253))),
        (V::Invalid, "a name too long", |i| i.spec["privateKeySecretRef"]["name"] = json!("a".repeat(254))),
        (V::Invalid, "a name that is none", |i| i.spec["privateKeySecretRef"]["name"] = json!("Flows_Key")),
        (V::Invalid, "an empty name", |i| i.spec["privateKeySecretRef"]["name"] = json!("")),
        (V::Invalid, "a key name too long", |i| i.spec["privateKeySecretRef"]["key"] = json!("a".repeat(254))),
        (V::Invalid, "a key name that is none", |i| i.spec["privateKeySecretRef"]["key"] = json!("a/b")),
        (V::Invalid, "no key at all", |i| remove(i, "privateKeySecretRef")),
        (V::Accepted, "a certificate", |i| {
            key_from(i, "certificateSecretRef", json!({"name": "flows-tls", "key": "tls.crt"}))
        }),
        (V::Accepted, "a key for a certificate", |i| {
            key_from(i, "certificateSecretRef", json!({"name": "flows-key", "key": "private.pem"}));
        }),
        (V::Invalid, "a certificate and a key", |i| i.spec["certificateSecretRef"] = json!({"name": "a", "key": "b"})),
        (V::Accepted, "a public key", |i| key_from(i, "publicKey", json!(*NEW_PUBLIC))),
        (V::Accepted, "words for a public key", |i| key_from(i, "publicKey", json!("words"))),
        (V::Invalid, "an empty public key", |i| key_from(i, "publicKey", json!(""))),
        (V::Invalid, "a public key too long", |i| key_from(i, "publicKey", json!("a".repeat(4097)))),
        (V::Invalid, "a passphrase for a public key", |i| {
            remove(i, "privateKeySecretRef");
            i.spec["publicKey"] = json!(*NEW_PUBLIC);
        }),
        (V::Accepted, "a wrong passphrase", |i| i.spec["passphraseSecretRef"]["key"] = json!("wrong")),
        (V::Accepted, "no passphrase", |i| remove(i, "passphraseSecretRef")),
        (V::Accepted, "no Secret for the passphrase", |i| i.spec["passphraseSecretRef"]["name"] = json!("absent")),
        (V::Accepted, "an expired token", |i| i.spec["accessTokenSecretRef"]["key"] = json!("expired")),
        (V::Accepted, "words for a token", |i| i.spec["accessTokenSecretRef"]["key"] = json!("words")),
        (V::Accepted, "no Secret for the token", |i| i.spec["accessTokenSecretRef"]["name"] = json!("absent")),
        (V::Invalid, "no token", |i| remove(i, "accessTokenSecretRef")),
        (V::Accepted, "a wrong app secret", |i| i.spec["appSecretRef"]["key"] = json!("wrong")),
        (V::Accepted, "no app secret", |i| remove(i, "appSecretRef")),
        (V::Accepted, "no such app secret", |i| i.spec["appSecretRef"]["key"] = json!("absent")),
    ]
}

fn others() -> Vec<Change> {
    use Verdict as V;
    vec![
        (V::Accepted, "mode Observe", |i| i.spec["mode"] = json!("Observe")),
        (V::Accepted, "mode Enforce", |i| i.spec["mode"] = json!("Enforce")),
        (V::Invalid, "mode enforce", |i| i.spec["mode"] = json!("enforce")),
        (V::Accepted, "an interval of a minute", |i| i.spec["checkInterval"] = json!("1m")),
        (V::Accepted, "an interval in parts", |i| i.spec["checkInterval"] = json!("1h30m0.5s")),
        (V::Accepted, "the longest interval", |i| i.spec["checkInterval"] = json!("720h")),
        (V::Invalid, "an interval below a minute", |i| i.spec["checkInterval"] = json!("59s")),
        (V::Invalid, "an interval above 30 days", |i| i.spec["checkInterval"] = json!("721h")),
        (V::Invalid, "an interval of seven digits", |i| i.spec["checkInterval"] = json!("1000000h")),
        (V::Invalid, "an interval in days", |i| i.spec["checkInterval"] = json!("1d")),
        (V::Invalid, "an empty interval", |i| i.spec["checkInterval"] = json!("")),
        (V::Accepted, "suspended", |i| i.spec["suspend"] = json!(true)),
        (V::Accepted, "not suspended", |i| i.spec["suspend"] = json!(false)),
        (V::Mistyped, "suspended in words", |i| i.spec["suspend"] = json!("yes")),
    ]
}

fn put(input: &mut Input, secret: &'static str, key: &'static str, content: Content) {
    input.secrets.entry(secret).or_default().insert(key, content);
}

fn contents() -> Vec<Change> {
    use {Content as C, Verdict as V};
    vec![
        (V::Accepted, "the key is rotated", |i| put(i, "flows-key", "private.pem", C::NewEncrypted)),
        (V::Accepted, "the key loses its passphrase", |i| put(i, "flows-key", "private.pem", C::NewPlain)),
        (V::Accepted, "the key turns into words", |i| put(i, "flows-key", "private.pem", C::Words)),
        (V::Accepted, "the key is emptied", |i| put(i, "flows-key", "private.pem", C::Nothing)),
        (V::Accepted, "the key's Secret loses it", |i| drop(i.secrets.insert("flows-key", [].into()))),
        (V::Accepted, "the key's Secret is deleted", |i| drop(i.secrets.remove("flows-key"))),
        (V::Accepted, "the passphrase is wrong", |i| put(i, "flows-passphrase", "passphrase", C::WrongPassphrase)),
        (V::Accepted, "the token gets a newline", |i| put(i, "meta-token", "token", C::TokenAndNewline)),
        (V::Accepted, "the token expires", |i| put(i, "meta-token", "token", C::ExpiredToken)),
        (V::Accepted, "the token is emptied", |i| put(i, "meta-token", "token", C::Nothing)),
        (V::Accepted, "the token's Secret is deleted", |i| drop(i.secrets.remove("meta-token"))),
        (V::Accepted, "the app secret is wrong", |i| put(i, "meta-app", "secret", C::WrongAppSecret)),
        (V::Accepted, "the app secret's Secret is deleted", |i| drop(i.secrets.remove("meta-app"))),
    ]
}

/// The input after the change of this name.
pub(crate) fn changed(input: &Input, name: &str) -> Input {
    let mut input = input.clone();
    let (.., change) = changes().into_iter().find(|change| change.1 == name).unwrap();
    change(&mut input);
    input
}
