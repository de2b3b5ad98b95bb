//! Messages about the Secrets of a resource: each sentence names the object and the remedy.

use harness::objects::typed_spec;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use waflows_core::api::conditions::Reason;

use super::*;

fn secret_ref(name: &str, key: &str) -> SecretKeyRef {
    SecretKeyRef { name: name.into(), key: key.into() }
}

fn resource(numbers: &[&str]) -> FlowsEncryptionKey {
    let numbers = numbers.iter().map(ToString::to_string).collect();
    let spec = typed_spec(secret_ref("flows-key", "private.pem"), secret_ref("meta-token", "token"), numbers);
    let mut resource = FlowsEncryptionKey::new("storefront", spec);
    resource.metadata.namespace = Some("messaging".into());
    resource
}

/// A file that claims to be an encrypted key, but no passphrase opens it.
const ENCRYPTED: &str = "-----BEGIN RSA PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF

AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
-----END RSA PRIVATE KEY-----";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAncf7uYNQnl6XNpAwQPRT
U5ouQNEfc85shGXKsk4HBtchhb2R+5zpsWtA9xkJCYIzT5nZF/DdBooQipA9KH7Y
6Zu++XOLxJgBgdke7Jw+9A8xaHpFZ2ev+159WlWtVvA/8SppDWgD4J4ZvaSyFCon
gIYdfIT5yGZl+TXInHnGFL7W010syKAQ4hNnjc3lsok/3mfetqOmcd8RxcRVX42D
2c0OawL+BtTNrE8uwutJ6iZR6DPB4hVVLERdKxa/YPptdOU08B1zZv2aaZv3Jr7I
+HzS31ABRBzL+LbdmFMcQjukhkHqDxXa7YXZkn9AjtmlVV60ymbFr9p4UIBSj5Ey
PwIDAQAB
-----END PUBLIC KEY-----";
const TOKEN: &str = "EAAGm0PX4ZCpsBAO9ZBZAq0123456789";

fn found(entries: &[(&str, &str)]) -> Fetched {
    let data = entries.iter().map(|(name, value)| ((*name).to_owned(), ByteString(value.as_bytes().to_vec())));
    Fetched::Found(Secret { data: Some(data.collect()), ..Secret::default() }.into())
}

async fn inputs(resource: &FlowsEncryptionKey, key: Fetched, token: Fetched) -> Inputs {
    let secrets = [("flows-key", key), ("meta-token", token)];
    let secrets = secrets.map(|(name, fetched)| (name.to_owned(), Arc::new(fetched)));
    open(resource, secrets.into(), None).await.inputs
}

async fn key_verdict(resource: &FlowsEncryptionKey, key: Fetched) -> ConditionReason {
    inputs(resource, key, Fetched::NotFound).await.key.unwrap_err()
}

fn says(verdict: &ConditionReason, reason: Reason, message: &str) {
    assert_eq!((verdict.reason, verdict.message.as_str()), (reason, message));
}

#[tokio::test]
async fn what_is_not_there_is_told_with_what_is() {
    let resource = resource(&["1"]);
    says(
        &key_verdict(&resource, Fetched::NotFound).await,
        Reason::SecretNotFound,
        "Secret messaging/flows-key does not exist. Create it with the private key in its entry private.pem, or correct \
         privateKeySecretRef.name.",
    );
    let crowd = ["1", "2", "3", "4", "5", "6", "7"].map(|name| (name, ""));
    let rows: [(&[(&str, &str)], &str); 4] = [
        (&[], "is empty"),
        (&[("tls.key", "")], "has: tls.key"),
        (&crowd[..5], "has: 1, 2, 3, 4, 5"),
        (&crowd, "has: 1, 2, 3, 4, 5 and 2 more"),
    ];
    for (entries, has) in rows {
        let remedy = "Correct privateKeySecretRef.key or add the entry.";
        says(
            &key_verdict(&resource, found(entries)).await,
            Reason::SecretKeyNotFound,
            &format!("Secret messaging/flows-key has no entry private.pem. It {has}. {remedy}"),
        );
    }
    let token = inputs(&resource, Fetched::NotFound, found(&[("TOKEN", TOKEN)])).await.credentials.unwrap_err();
    let remedy = "Correct accessTokenSecretRef.key or add the entry.";
    let message = format!("Secret messaging/meta-token has no entry token. It has: TOKEN. {remedy}");
    says(&token, Reason::SecretKeyNotFound, &message);
}

#[tokio::test]
async fn a_passphrase_that_does_not_fit_is_named_with_the_key() {
    let mut resource = resource(&["1"]);
    resource.spec.passphrase_secret_ref = Some(secret_ref("flows-key", "passphrase"));
    let verdict = key_verdict(&resource, found(&[("private.pem", ENCRYPTED), ("passphrase", "wrong")])).await;
    assert_eq!(verdict.reason, Reason::PassphraseRejected);
    let begin = "The passphrase (Secret messaging/flows-key, entry passphrase) does not open the private key (Secret \
                 messaging/flows-key, entry private.pem): correct the passphrase;";
    assert!(verdict.message.starts_with(begin), "{}", verdict.message);
}

#[tokio::test]
async fn a_public_key_is_pasted_and_not_copied_into_a_secret() {
    let mut resource = resource(&["1"]);
    resource.spec.private_key_secret_ref = None;
    let whole = PUBLIC.to_owned() + "\n";
    let paste = "paste all of it, from BEGIN PUBLIC KEY to END PUBLIC KEY.";
    let rows = [
        (whole[..whole.len() - 40].to_owned(), Reason::KeyDamaged, format!("ends too early: {paste}")),
        (whole.replace("MIIB", "!!!!"), Reason::KeyDamaged, format!("is damaged: {paste}")),
        (" \n".to_owned(), Reason::KeyEmpty, format!("is empty: {paste}")),
        (
            "public.pem".to_owned(),
            Reason::KeyNotRecognized,
            format!("is the name of a file instead of the key in it: {paste}"),
        ),
    ];
    for (text, reason, said) in rows {
        resource.spec.public_key = Some(text);
        says(&key_verdict(&resource, Fetched::NotFound).await, reason, &format!("spec.publicKey {said}"));
    }
    resource.spec.public_key = Some("not a key".to_owned());
    let verdict = key_verdict(&resource, Fetched::NotFound).await;
    assert!(verdict.message.starts_with("spec.publicKey: the value is a text, but"), "{}", verdict.message);
}

#[tokio::test]
async fn what_stands_around_a_token_is_told_before_meta_is_asked() {
    use base64::Engine;
    let encoded = base64::engine::general_purpose::STANDARD.encode(TOKEN);
    let rows = [
        (format!("\"{TOKEN}\""), "begins and ends with a quote: store it without"),
        (encoded, "is base64-encoded once too often: store what `base64 -d` makes of it"),
        (format!("Bearer {TOKEN}\n"), "begins with \"Bearer \": store what follows"),
        ("\n".to_owned(), "is empty"),
    ];
    let mut resource = resource(&["1"]);
    for (stored, fault) in rows {
        let token = inputs(&resource, Fetched::NotFound, found(&[("token", &stored)])).await.credentials.unwrap_err();
        let message = format!("Secret messaging/meta-token, entry token: the access token {fault}.");
        says(&token, Reason::CredentialMalformed, &message);
    }
    resource.spec.app_secret_ref = Some(secret_ref("meta-token", "app"));
    let secrets = found(&[("token", TOKEN), ("app", "'0123456789abcdef'")]);
    let app = inputs(&resource, Fetched::NotFound, secrets).await.credentials.unwrap_err();
    let message =
        "Secret messaging/meta-token, entry app: the app secret begins and ends with a quote: store it without.";
    says(&app, Reason::CredentialMalformed, message);
}
