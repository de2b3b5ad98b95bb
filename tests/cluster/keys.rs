//! Keys in all forms, through Secrets of a real API server. `crates/key/tests` tests how each form is read.

use harness::{TOKEN, TestKey, World, condition_of};
use serde_json::json;
use waflows_core::api::conditions::ConditionType;

use crate::OPERATOR;

const NUMBERS: [&str; 1] = ["106540352242922"];

#[tokio::test]
async fn an_encrypted_key_and_its_passphrase_may_change_together() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_secret("meta-token", "token", TOKEN).await;
    let key = TestKey::generate();
    world.set_secret("flows-key", "private.pem", key.encrypted("first")).await;
    let mut spec = World::spec(&NUMBERS);
    world.apply("storefront", spec.clone()).await.unwrap();
    let resource = world.wait_reason("storefront", "PassphraseMissing").await;
    assert!(condition_of(&resource, ConditionType::KeyLoaded).2.contains("passphraseSecretRef"));

    spec["passphraseSecretRef"] = json!({"name": "passphrase", "key": "value"});
    world.apply("storefront", spec).await.unwrap();
    world.wait_reason("storefront", "SecretNotFound").await;
    // An editor's newline at the end does no harm.
    world.set_secret("passphrase", "value", "first\n").await;
    let resource = world.wait_ready("storefront").await;
    assert_eq!(resource.status.unwrap().public_key_fingerprint.as_ref(), Some(&key.fingerprint));

    let next = TestKey::generate();
    world.set_secret("flows-key", "private.pem", next.encrypted("second")).await;
    let resource = world.wait_reason("storefront", "PassphraseRejected").await;
    assert_eq!(condition_of(&resource, ConditionType::Reconciling).0, "True", "no failure yet");
    let resource = world.wait_reason("storefront", "PassphraseWrong").await;
    assert_eq!(condition_of(&resource, ConditionType::Stalled).0, "True");
    world.set_secret("passphrase", "value", "second").await;
    let resource = world.wait_ready("storefront").await;
    assert_eq!(resource.status.unwrap().public_key_fingerprint.as_ref(), Some(&next.fingerprint));
    assert!(!world.operator.log().contains("second\""), "no passphrase in the log");
}

#[tokio::test]
async fn a_tls_secret_works_as_it_is_and_a_wrong_pair_is_reported() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_secret("meta-token", "token", TOKEN).await;
    let (key, other) = (TestKey::generate(), TestKey::generate());
    let certificate = key.certificate();
    let tls = |private_pem: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "flows-tls"}, "type": "kubernetes.io/tls",
            "stringData": {"tls.crt": certificate, "tls.key": private_pem}})
    };
    let apply = async |secret: serde_json::Value| {
        let patch = kube::api::Patch::Apply(&secret);
        world.secrets().patch("flows-tls", &kube::api::PatchParams::apply("cert-manager"), &patch).await.unwrap();
    };
    apply(tls(&key.private_pem)).await;
    let mut spec = World::spec(&NUMBERS);
    spec["privateKeySecretRef"] = json!({"name": "flows-tls", "key": "tls.key"});
    world.apply("by-key", spec.clone()).await.unwrap();
    let resource = world.wait_ready("by-key").await;
    assert_eq!(resource.status.unwrap().public_key_fingerprint.as_ref(), Some(&key.fingerprint));

    spec.as_object_mut().unwrap().remove("privateKeySecretRef");
    spec["certificateSecretRef"] = json!({"name": "flows-tls", "key": "tls.crt"});
    world
        .apply(
            "by-key",
            json!({"phoneNumberIds": NUMBERS, "accessTokenSecretRef": spec["accessTokenSecretRef"],
        "certificateSecretRef": spec["certificateSecretRef"]}),
        )
        .await
        .unwrap();
    world.wait_ready("by-key").await;

    apply(tls(&other.private_pem)).await;
    let resource = world.wait_reason("by-key", "CertificateMismatch").await;
    let message = condition_of(&resource, ConditionType::KeyLoaded).2;
    assert!(message.contains("flows-tls") && message.contains("does not belong"), "{message}");
}

#[tokio::test]
async fn a_public_key_in_the_spec_needs_no_private_half() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_secret("meta-token", "token", TOKEN).await;
    let key = TestKey::generate();
    let public = key.public_pem();
    let spec = json!({"publicKey": public, "phoneNumberIds": NUMBERS,
        "accessTokenSecretRef": {"name": "meta-token", "key": "token"}});
    world.apply("hsm", spec.clone()).await.unwrap();
    let resource = world.wait_ready("hsm").await;
    assert_eq!(resource.status.unwrap().public_key_fingerprint.as_ref(), Some(&key.fingerprint));

    let mut private = spec;
    private["publicKey"] = key.private_pem.clone().into();
    let refused = world.apply("hsm", private).await.unwrap_err().to_string();
    assert!(refused.contains("spec.publicKey") && refused.contains("must not hold a private key"), "{refused}");
}
