//! `rotate`, `proceed` and `abort`.

use harness::{TestKey, World};
use serde_json::json;

use crate::OPERATOR;
use crate::scene::{NUMBERS, verb_in};

/// A file with a new key.
pub(crate) fn file_of(key: &TestKey) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &key.private_pem).unwrap();
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
    let after = world.resources().get("storefront").await.unwrap();
    assert_eq!(after.metadata.generation, before.metadata.generation);
    let none = verb_in(&world, &["proceed", "storefront"]);
    assert!(none.code == 1 && none.stdout.contains("no rotation is going on"), "{none:?}");
}
