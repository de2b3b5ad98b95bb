//! `rotate`, `proceed` and `abort`.

use harness::{TestKey, World};
use serde_json::json;

use crate::OPERATOR;
use crate::scene::{NUMBERS, verb_in};

/// A file with a new key.
pub(crate) fn file_of(key: &TestKey) -> tempfile::NamedTempFile {
    file_with(&key.private_pem)
}

fn file_with(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

pub(crate) fn held(world: &World) -> Vec<String> {
    NUMBERS[..2].iter().map(|number| world.at_meta(number).0.unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_replaces_the_key_and_back_brings_the_old_one() {
    let world = World::with_flags(OPERATOR, &NUMBERS, &["--wait-scale", "0.02"]).await;
    let old = world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS[..2]).await;
    let new = TestKey::generate();
    let file = file_of(&new);
    let rotate = ["rotate", "storefront", "--key-file", file.path().to_str().unwrap()];

    let looked = verb_in(&world, &[&rotate[..], &["--dry-run"]].concat());
    assert_eq!(looked.code, 0, "{looked:?}");
    assert!(looked.stdout.contains(&old.fingerprint) && looked.stdout.contains(&new.fingerprint), "{looked:?}");
    assert!(looked.stdout.contains("has no spec.endpoint, so nobody can see"), "{looked:?}");
    let unasked = verb_in(&world, &rotate);
    assert!(unasked.code == 2 && unasked.stderr.contains("nobody can be asked: give --yes"), "{unasked:?}");
    assert_eq!(held(&world), [old.fingerprint.clone(), old.fingerprint.clone()], "nothing was written");

    let rotated = verb_in(&world, &[&rotate[..], &["--yes"]].concat());
    assert!(rotated.code == 0 && rotated.stdout.contains("Done, 2/2 valid"), "{rotated:?}");
    assert_eq!(held(&world), [new.fingerprint.clone(), new.fingerprint.clone()]);
    let again = verb_in(&world, &rotate);
    assert!(again.code == 0 && again.stdout.contains("has this key already"), "{again:?}");

    let back = verb_in(&world, &["rotate", "storefront", "--back", "--yes"]);
    assert_eq!(back.code, 0, "{back:?}");
    assert_eq!(held(&world), [old.fingerprint.clone(), old.fingerprint]);
    for printed in [looked, rotated, back] {
        assert!(!printed.stdout.contains("PRIVATE KEY") && !printed.stderr.contains("PRIVATE KEY"));
    }
}

async fn value(world: &World, secret: &str, entry: &str) -> String {
    let data = world.secrets().get(secret).await.unwrap().data.unwrap();
    String::from_utf8(data[entry].0.clone()).unwrap()
}

/// Nobody reads the Secret, because the resource is suspended.
#[tokio::test(flavor = "multi_thread")]
async fn the_key_that_the_numbers_hold_is_never_lost() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    let old = world.set_default_secrets().await;
    let mut spec = World::spec(&NUMBERS[..2]);
    world.apply("storefront", spec.clone()).await.unwrap();
    world.wait_ready("storefront").await;
    spec["suspend"] = json!(true);
    world.apply("storefront", spec).await.unwrap();
    let [new, third] = [TestKey::generate(), TestKey::generate()];
    for key in [&new, &new, &third, &third] {
        let file = file_of(key);
        let rotated = verb_in(&world, &["rotate", "storefront", "--key-file", file.path().to_str().unwrap(), "--yes"]);
        assert!(rotated.code == 1 && rotated.stdout.contains("suspended"), "{rotated:?}");
        assert_eq!(value(&world, "flows-key", "private.pem").await, key.private_pem);
        assert_eq!(value(&world, "flows-key", "private.pem.previous").await, old.private_pem);
    }
    let back = verb_in(&world, &["rotate", "storefront", "--back", "--yes"]);
    assert!(back.stdout.contains(&old.fingerprint), "{back:?}");
    assert_eq!(value(&world, "flows-key", "private.pem").await, old.private_pem);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_key_comes_back_with_its_passphrase_after_one_that_needs_none() {
    let world = World::with_flags(OPERATOR, &NUMBERS, &["--wait-scale", "0.02"]).await;
    world.set_default_secrets().await;
    let old = TestKey::generate();
    world.set_secret("encrypted", "private.pem", old.encrypted("correct horse")).await;
    world.set_secret("passphrase", "passphrase", "correct horse").await;
    let mut spec = World::spec(&NUMBERS[..2]);
    spec["privateKeySecretRef"]["name"] = json!("encrypted");
    spec["passphraseSecretRef"] = json!({"name": "passphrase", "key": "passphrase"});
    world.apply("storefront", spec).await.unwrap();
    world.wait_ready("storefront").await;
    let new = TestKey::generate();
    let file = file_of(&new);
    let rotated = verb_in(&world, &["rotate", "storefront", "--key-file", file.path().to_str().unwrap(), "--yes"]);
    assert_eq!(rotated.code, 0, "{rotated:?}");
    assert_eq!(held(&world), [new.fingerprint.clone(), new.fingerprint]);
    let back = verb_in(&world, &["rotate", "storefront", "--back", "--yes"]);
    assert_eq!(back.code, 0, "{back:?}");
    assert_eq!(held(&world), [old.fingerprint.clone(), old.fingerprint]);
}

/// The first key is encrypted, the second is not, the third has another passphrase. Nobody reads them.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_numbers_hold_keeps_its_passphrase() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    let old = TestKey::generate();
    let encrypted = old.encrypted("correct horse");
    let data = json!({"metadata": {"name": "encrypted"}, "stringData": {"private.pem": encrypted, "passphrase": "correct horse"}});
    world.secrets().create(&kube::api::PostParams::default(), &serde_json::from_value(data).unwrap()).await.unwrap();
    let mut spec = World::spec(&NUMBERS[..2]);
    spec["privateKeySecretRef"]["name"] = json!("encrypted");
    spec["passphraseSecretRef"] = json!({"name": "encrypted", "key": "passphrase"});
    world.apply("storefront", spec.clone()).await.unwrap();
    world.wait_ready("storefront").await;
    spec["suspend"] = json!(true);
    world.apply("storefront", spec).await.unwrap();

    let rotate = |key: &str, passphrase: Option<&str>| {
        let [key_file, passphrase_file] = [key, passphrase.unwrap_or_default()].map(file_with);
        let mut arguments = vec!["rotate", "storefront", "--yes", "--key-file", key_file.path().to_str().unwrap()];
        if passphrase.is_some() {
            arguments.extend(["--passphrase-file", passphrase_file.path().to_str().unwrap()]);
        }
        let rotated = verb_in(&world, &arguments);
        assert!(rotated.code == 1 && rotated.stdout.contains("suspended"), "{rotated:?}");
    };
    rotate(&TestKey::generate().private_pem, None);
    let third = TestKey::generate();
    rotate(&third.encrypted("battery staple"), Some("battery staple"));
    assert_eq!(value(&world, "encrypted", "passphrase").await, "battery staple");
    rotate(&TestKey::generate().private_pem, None);
    for (entry, expected) in [("private.pem.previous", &*encrypted), ("passphrase.previous", "correct horse")] {
        assert_eq!(value(&world, "encrypted", entry).await, expected, "{entry}");
    }
    let back = verb_in(&world, &["rotate", "storefront", "--back", "--yes"]);
    assert!(back.stdout.contains(&old.fingerprint), "{back:?}");
    for (entry, expected) in [("private.pem", &*encrypted), ("passphrase", "correct horse")] {
        assert_eq!(value(&world, "encrypted", entry).await, expected, "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_secret_takes_over_by_its_reference() {
    let world = World::with_flags(OPERATOR, &NUMBERS, &["--wait-scale", "0.02"]).await;
    let old = world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS[..2]).await;
    let new = TestKey::generate();
    world.set_secret("flows-key-2", "private.pem", &new.private_pem).await;
    let rotated = verb_in(&world, &["rotate", "storefront", "--to", "flows-key-2/private.pem", "--yes"]);
    assert_eq!(rotated.code, 0, "{rotated:?}");
    assert_eq!(held(&world), [new.fingerprint.clone(), new.fingerprint]);
    assert_eq!(verb_in(&world, &["rotate", "storefront", "--back", "--yes"]).code, 0);
    assert_eq!(held(&world), [old.fingerprint.clone(), old.fingerprint]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_go_wrong_is_refused_before_anything_is_written() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    let before = world.roll_out("storefront", &NUMBERS[..1]).await;
    world.set_secret("broken", "private.pem", "no key").await;
    let file = file_of(&TestKey::generate());
    let key_file = ["--key-file", file.path().to_str().unwrap()];
    for (arguments, says) in [
        (vec!["--to", "flows-key-2"], "give SECRET/KEY"),
        (vec!["--to", "nobody/private.pem"], "/nobody: does not exist: create it"),
        (vec!["--to", "broken/private.pem"], "/broken, entry private.pem: "),
        (vec!["--back"], "there is no key to go back to"),
        (vec!["--key-file", "/nonexistent"], "/nonexistent"),
        (vec![], "required"),
    ] {
        let printed = verb_in(&world, &[&["rotate", "storefront", "--yes"], arguments.as_slice()].concat());
        assert!(printed.code == 2 && printed.stderr.contains(says), "{arguments:?}: {printed:?}");
    }
    // An owner that exists: without one, the garbage collector deletes the Secret.
    let owner = json!({"apiVersion": "waflows.dev/v1alpha1", "kind": "FlowsEncryptionKey", "name": "storefront",
        "uid": before.metadata.uid});
    let owned = json!({"metadata": {"ownerReferences": [owner]}});
    let patch = kube::api::Patch::Merge(owned);
    world.secrets().patch("flows-key", &kube::api::PatchParams::default(), &patch).await.unwrap();
    let printed = verb_in(&world, &[&["rotate", "storefront", "--yes"], &key_file[..]].concat());
    assert!(printed.code == 2 && printed.stderr.contains("is written by a controller"), "{printed:?}");
    let of_cert_manager =
        json!({"metadata": {"ownerReferences": null, "annotations": {"cert-manager.io/certificate-name": "flows"}}});
    let patch = kube::api::Patch::Merge(of_cert_manager);
    world.secrets().patch("flows-key", &kube::api::PatchParams::default(), &patch).await.unwrap();
    let printed = verb_in(&world, &[&["rotate", "storefront", "--yes"], &key_file[..]].concat());
    assert!(printed.code == 2 && printed.stderr.contains("is written by a controller"), "{printed:?}");
    let after = world.resources().get("storefront").await.unwrap();
    assert_eq!(after.metadata.generation, before.metadata.generation);

    let pair = TestKey::generate();
    let both = json!({"metadata": {"name": "pair"}, "stringData": {"tls.key": pair.private_pem, "tls.crt": pair.certificate()}});
    world.secrets().create(&kube::api::PostParams::default(), &serde_json::from_value(both).unwrap()).await.unwrap();
    let mut spec = World::spec(&NUMBERS[1..2]);
    spec["privateKeySecretRef"] = json!({"name": "pair", "key": "tls.key"});
    world.apply("with-certificate", spec).await.unwrap();
    let printed = verb_in(&world, &[&["rotate", "with-certificate", "--yes"], &key_file[..]].concat());
    assert!(printed.code == 2 && printed.stderr.contains("make a second Secret with both"), "{printed:?}");
    let none = verb_in(&world, &["proceed", "storefront"]);
    assert!(none.code == 1 && none.stdout.contains("no rotation is going on"), "{none:?}");
}
