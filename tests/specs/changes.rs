//! Every single change: over every field of the spec and every Secret.

use harness::storefront::NUMBERS;
use serde_json::{Value, json};

use crate::model::{Content, Input, NEW_PUBLIC};

/// A number that Meta does not know.
const UNKNOWN: &str = "15550783881";

/// What the API server must say to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Accepted,
    /// A rule of the schema is broken.
    Invalid,
    /// It is no value of the field's type, as a set with something twice is none: the API server then fails before it
    /// validates.
    Mistyped,
}

/// What the API server must say to it, a name, and the change.
pub(crate) type Change = (Admission, &'static str, fn(&mut Input));

/// All changes.
pub(crate) fn changes() -> Vec<Change> {
    [numbers(), references(), others(), contents()].concat()
}

/// Phone number IDs that the emulator knows beside those of the resource.
pub(crate) fn many(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("20{n:013}")).collect()
}

fn numbers() -> Vec<Change> {
    use Admission as A;
    vec![
        (A::Accepted, "one number", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[1]])),
        (A::Accepted, "another order", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[1], NUMBERS[0]])),
        (A::Accepted, "one more number", |i| i.spec["phoneNumberIds"] = json!(NUMBERS)),
        (A::Accepted, "an unknown number", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[0], UNKNOWN])),
        (A::Accepted, "20 digits", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[0], "12345678901234567890"])),
        (A::Accepted, "500 numbers", |i| i.spec["phoneNumberIds"] = json!(many(500))),
        (A::Invalid, "501 numbers", |i| i.spec["phoneNumberIds"] = json!(many(501))),
        (A::Invalid, "no numbers", |i| i.spec["phoneNumberIds"] = json!([])),
        (A::Mistyped, "a number twice", |i| i.spec["phoneNumberIds"] = json!([NUMBERS[0], NUMBERS[0]])),
        (A::Invalid, "21 digits", |i| i.spec["phoneNumberIds"] = json!(["123456789012345678901"])),
        (A::Invalid, "an empty number", |i| i.spec["phoneNumberIds"] = json!([""])),
        (A::Invalid, "a telephone number", |i| i.spec["phoneNumberIds"] = json!(["+49 30 123"])),
        (A::Mistyped, "a number that is none to YAML", |i| i.spec["phoneNumberIds"] = json!([106540352242922_u64])),
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
    use Admission as A;
    vec![
        (A::Accepted, "another key", |i| i.spec["privateKeySecretRef"]["name"] = json!("other-key")),
        (A::Accepted, "a key as it is", |i| {
            i.spec["privateKeySecretRef"] = json!({"name": "other-key", "key": "plain.pem"})
        }),
        (A::Accepted, "an empty key", |i| i.spec["privateKeySecretRef"] = json!({"name": "other-key", "key": "empty"})),
        (A::Accepted, "a token for a key", |i| {
            i.spec["privateKeySecretRef"] = json!({"name": "meta-token", "key": "token"})
        }),
        (A::Accepted, "a certificate for a key", |i| {
            i.spec["privateKeySecretRef"] = json!({"name": "flows-tls", "key": "tls.crt"});
        }),
        (A::Accepted, "no such Secret", |i| i.spec["privateKeySecretRef"]["name"] = json!("a".repeat(253))),
        (A::Accepted, "no such key in it", |i| i.spec["privateKeySecretRef"]["key"] = json!("a".repeat(253))),
        (A::Invalid, "a name too long", |i| i.spec["privateKeySecretRef"]["name"] = json!("a".repeat(254))),
        (A::Invalid, "a name that is none", |i| i.spec["privateKeySecretRef"]["name"] = json!("Flows_Key")),
        (A::Invalid, "an empty name", |i| i.spec["privateKeySecretRef"]["name"] = json!("")),
        (A::Invalid, "a key name too long", |i| i.spec["privateKeySecretRef"]["key"] = json!("a".repeat(254))),
        (A::Invalid, "a key name that is none", |i| i.spec["privateKeySecretRef"]["key"] = json!("a/b")),
        (A::Invalid, "no key at all", |i| remove(i, "privateKeySecretRef")),
        (A::Accepted, "a certificate", |i| {
            key_from(i, "certificateSecretRef", json!({"name": "flows-tls", "key": "tls.crt"}))
        }),
        (A::Accepted, "a key for a certificate", |i| {
            key_from(i, "certificateSecretRef", json!({"name": "flows-key", "key": "private.pem"}));
        }),
        (A::Invalid, "a certificate and a key", |i| i.spec["certificateSecretRef"] = json!({"name": "a", "key": "b"})),
        (A::Accepted, "a public key", |i| key_from(i, "publicKey", json!(*NEW_PUBLIC))),
        (A::Accepted, "words for a public key", |i| key_from(i, "publicKey", json!("words"))),
        (A::Invalid, "an empty public key", |i| key_from(i, "publicKey", json!(""))),
        (A::Invalid, "a public key too long", |i| key_from(i, "publicKey", json!("a".repeat(4097)))),
        (A::Invalid, "a passphrase for a public key", |i| {
            remove(i, "privateKeySecretRef");
            i.spec["publicKey"] = json!(*NEW_PUBLIC);
        }),
        (A::Accepted, "a wrong passphrase", |i| i.spec["passphraseSecretRef"]["key"] = json!("wrong")),
        (A::Accepted, "no passphrase", |i| remove(i, "passphraseSecretRef")),
        (A::Accepted, "no Secret for the passphrase", |i| i.spec["passphraseSecretRef"]["name"] = json!("absent")),
        (A::Accepted, "an expired token", |i| i.spec["accessTokenSecretRef"]["key"] = json!("expired")),
        (A::Accepted, "words for a token", |i| i.spec["accessTokenSecretRef"]["key"] = json!("words")),
        (A::Accepted, "no Secret for the token", |i| i.spec["accessTokenSecretRef"]["name"] = json!("absent")),
        (A::Invalid, "no token", |i| remove(i, "accessTokenSecretRef")),
        (A::Accepted, "a wrong app secret", |i| i.spec["appSecretRef"]["key"] = json!("wrong")),
        (A::Accepted, "no app secret", |i| remove(i, "appSecretRef")),
        (A::Accepted, "no such app secret", |i| i.spec["appSecretRef"]["key"] = json!("absent")),
    ]
}

fn others() -> Vec<Change> {
    use Admission as A;
    vec![
        (A::Accepted, "mode Observe", |i| i.spec["mode"] = json!("Observe")),
        (A::Accepted, "mode Enforce", |i| i.spec["mode"] = json!("Enforce")),
        (A::Invalid, "mode enforce", |i| i.spec["mode"] = json!("enforce")),
        (A::Accepted, "an interval of a minute", |i| i.spec["checkInterval"] = json!("1m")),
        (A::Accepted, "an interval in parts", |i| i.spec["checkInterval"] = json!("1h30m0.5s")),
        (A::Accepted, "the longest interval", |i| i.spec["checkInterval"] = json!("720h")),
        (A::Invalid, "an interval below a minute", |i| i.spec["checkInterval"] = json!("59s")),
        (A::Invalid, "an interval above 30 days", |i| i.spec["checkInterval"] = json!("721h")),
        (A::Invalid, "an interval of seven digits", |i| i.spec["checkInterval"] = json!("1000000h")),
        (A::Invalid, "an interval in days", |i| i.spec["checkInterval"] = json!("1d")),
        (A::Invalid, "an empty interval", |i| i.spec["checkInterval"] = json!("")),
        (A::Accepted, "suspended", |i| i.spec["suspend"] = json!(true)),
        (A::Accepted, "not suspended", |i| i.spec["suspend"] = json!(false)),
        (A::Mistyped, "suspended in words", |i| i.spec["suspend"] = json!("yes")),
    ]
}

fn put(input: &mut Input, secret: &'static str, key: &'static str, content: Content) {
    input.secrets.entry(secret).or_default().insert(key, content);
}

fn contents() -> Vec<Change> {
    use {Admission as A, Content as C};
    vec![
        (A::Accepted, "the key is rotated", |i| put(i, "flows-key", "private.pem", C::NewEncrypted)),
        (A::Accepted, "the key loses its passphrase", |i| put(i, "flows-key", "private.pem", C::NewPlain)),
        (A::Accepted, "the key turns into words", |i| put(i, "flows-key", "private.pem", C::Words)),
        (A::Accepted, "the key is emptied", |i| put(i, "flows-key", "private.pem", C::Nothing)),
        (A::Accepted, "the key's Secret loses it", |i| drop(i.secrets.insert("flows-key", [].into()))),
        (A::Accepted, "the key's Secret is deleted", |i| drop(i.secrets.remove("flows-key"))),
        (A::Accepted, "the passphrase is wrong", |i| put(i, "flows-passphrase", "passphrase", C::WrongPassphrase)),
        (A::Accepted, "the token gets a newline", |i| put(i, "meta-token", "token", C::TokenAndNewline)),
        (A::Accepted, "the token expires", |i| put(i, "meta-token", "token", C::ExpiredToken)),
        (A::Accepted, "the token is emptied", |i| put(i, "meta-token", "token", C::Nothing)),
        (A::Accepted, "the token's Secret is deleted", |i| drop(i.secrets.remove("meta-token"))),
        (A::Accepted, "the app secret is wrong", |i| put(i, "meta-app", "secret", C::WrongAppSecret)),
        (A::Accepted, "the app secret's Secret is deleted", |i| drop(i.secrets.remove("meta-app"))),
    ]
}

/// The input after the change of this name.
pub(crate) fn changed(input: &Input, name: &str) -> Input {
    let mut input = input.clone();
    let (.., change) = changes().into_iter().find(|change| change.1 == name).unwrap();
    change(&mut input);
    input
}
