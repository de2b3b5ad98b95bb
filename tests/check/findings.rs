//! What is wrong with keys, Secrets and the manifests as a whole.

use harness::TOKEN;
use harness::process::openssl;
use serde_json::{Value, json};

use crate::scene::{NUMBERS, PRIVATE_KEY, Scene, resource, resource_with, secret, token_secret};

const FILES: [&str; 2] = ["storefront.yaml", "secrets.yaml"];

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_that_does_not_open_the_key_needs_a_person() {
    let scene = Scene::new().await;
    let encrypt = ["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:right"];
    let encrypted = openssl(&encrypt, PRIVATE_KEY.as_bytes());
    let reference = json!({"passphraseSecretRef": {"name": "passphrase", "key": "value"}});
    scene.write("storefront.yaml", &[resource_with(&NUMBERS, reference), token_secret(TOKEN)]);
    let secrets = |passphrase: &str| {
        let secrets = [secret("flows-key", "private.pem", &encrypted), secret("passphrase", "value", passphrase)];
        scene.write("secrets.yaml", &secrets);
    };
    secrets("wrong");
    let (code, _, action, reason, message) = scene.first_number(&FILES, &[]);
    assert_eq!((code, action.as_str(), reason.as_str()), (1, "None", "PassphraseWrong"));
    assert!(message.contains("Secret messaging/flows-key, entry private.pem"), "{message}");
    assert_eq!(scene.emulator.counters().calls.total(), 0, "without a key there is nothing to ask");
    secrets("right\n");
    assert_eq!(scene.first_number(&FILES, &[]).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_no_secret_has_needs_a_person() {
    let scene = Scene::with_secrets().await;
    let reference = json!({"accessTokenSecretRef": {"name": "meta-token", "key": "tokn"}});
    scene.write("storefront.yaml", &[resource_with(&NUMBERS, reference)]);
    let (code, _, _, reason, message) = scene.first_number(&FILES, &["--allow-missing-secrets"]);
    assert_eq!((code, reason.as_str()), (1, "SecretKeyNotFound"), "{message}");
    assert!(message.contains("It has: token. Correct accessTokenSecretRef.key"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_not_given_cannot_be_judged_unless_that_is_allowed() {
    let scene = Scene::new().await;
    scene.write("storefront.yaml", &[resource("storefront", &NUMBERS)]);
    for offline in [&[][..], &["--offline"]] {
        let (code, _, _, reason, message) = scene.first_number(&FILES[..1], offline);
        assert_eq!((code, reason.as_str()), (2, "SecretNotFound"));
        let both = ["messaging/flows-key", "messaging/meta-token"];
        assert!(both.iter().all(|name| message.contains(&format!("Secret {name} is not among"))), "{message}");
        let allowed = [offline, &["--allow-missing-secrets"]].concat();
        assert_eq!(scene.first_number(&FILES[..1], &allowed).0, 0);
    }
    assert_eq!(scene.emulator.counters().calls.total(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_missing_secret_of_five_hundred_numbers_is_one_line_and_stays_five_hundred_in_json() {
    let scene = Scene::new().await;
    let numbers: Vec<_> = (0..500).map(|offset: u64| (100_000_000_000_000 + offset).to_string()).collect();
    let numbers: Vec<_> = numbers.iter().map(String::as_str).collect();
    scene.write("storefront.yaml", &[resource("storefront", &numbers), token_secret(TOKEN)]);
    let printed = scene.check(&FILES[..1], &[]);
    let lines: Vec<_> = printed.stdout.lines().collect();
    let [_, line, "", summary] = lines[..] else { panic!("{printed:?}") };
    assert!(line.contains("  500 numbers  "), "{line}");
    let named = "100000000000000, 100000000000001, 100000000000002 and 497 more: Secret messaging/flows-key is not";
    assert!(line.contains(named), "{line}");
    assert_eq!((printed.code, summary), (2, "1 resource, 500 numbers: 500 unknown."));
    let (_, report) = scene.report(&FILES[..1], &[]);
    assert_eq!(report["resources"][0]["phoneNumbers"].as_array().unwrap().len(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_keys_are_read_and_meta_is_not_asked() {
    let scene = Scene::with_secrets().await;
    scene.write("storefront.yaml", &[resource("storefront", &NUMBERS)]);
    let (code, report) = scene.report(&FILES, &["--offline"]);
    let resource = &report["resources"][0];
    assert_eq!((code, &resource["phoneNumbers"][0]["reason"]), (0, &json!("NotAsked")), "{report}");
    assert!(resource["publicKeyFingerprint"].is_string(), "{report}");

    scene.write("secrets.yaml", &[secret("flows-key", "private.pem", "private.pem"), token_secret(TOKEN)]);
    let (code, _, _, reason, message) = scene.first_number(&FILES, &["--offline"]);
    assert_eq!((code, reason.as_str()), (1, "KeyNotRecognized"), "{message}");
    assert_eq!(scene.emulator.counters().calls.total(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_resources_with_the_same_number_are_a_conflict() {
    let scene = Scene::with_secrets().await;
    scene.write("storefront.yaml", &[resource("storefront", &NUMBERS[..2]), resource("support", &NUMBERS[1..])]);
    for flags in [&[][..], &["--offline"]] {
        let (code, report) = scene.report(&FILES, flags);
        let numbers = |n: usize| report["resources"][n]["phoneNumbers"].as_array().unwrap().clone();
        let states: Vec<Vec<Value>> =
            [0, 1].map(|n| numbers(n).iter().map(|number| number["outcome"].clone()).collect()).to_vec();
        assert_eq!(code, 1, "{report}");
        assert_eq!(states, [[json!("Fine"), json!("Fine")], [json!("ActionNeeded"), json!("Fine")]], "{report}");
        let contested = &numbers(1)[0];
        assert_eq!((&contested["state"], &contested["reason"]), (&json!("Conflict"), &json!("NumberConflict")));
        assert!(contested["message"].as_str().unwrap().contains("storefront owns this number"), "{contested}");
    }
    // A resource that only observes holds up no other.
    let mut observer = resource("support", &NUMBERS[1..]);
    observer["spec"]["mode"] = "Observe".into();
    scene.write("storefront.yaml", &[resource("storefront", &NUMBERS[..2]), observer]);
    let (_, report) = scene.report(&FILES, &["--offline"]);
    assert_eq!(report["outcome"], "Fine", "{report}");
}
