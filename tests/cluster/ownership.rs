//! A number has one owner, however many resources list it.

use std::time::Duration;

use harness::{TestKey, World, condition_of, number_of};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::NumberState;

use crate::OPERATOR;

const NUMBERS: [&str; 2] = ["106540352242922", "107995438950512"];

/// A spec with a key of its own.
async fn spec_with_key(world: &World, secret: &str, key: &TestKey, numbers: &[&str]) -> Value {
    world.set_secret(secret, "private.pem", &key.private_pem).await;
    let mut spec = World::spec(numbers);
    spec["privateKeySecretRef"]["name"] = secret.into();
    spec
}

/// `first` owns the first number, and `second` wants it with a key of its own, which is returned.
async fn rivals(world: &World) -> TestKey {
    world.set_default_secrets().await;
    world.roll_out("first", &NUMBERS[..1]).await;
    let key = TestKey::generate();
    let spec = spec_with_key(world, "second-key", &key, &NUMBERS[..1]).await;
    world.apply("second", spec).await.unwrap();
    world.wait_reason("second", "NumberConflict").await;
    key
}

#[tokio::test]
async fn the_first_to_read_a_number_owns_it_and_the_other_reports_a_conflict() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    let first = world.set_default_secrets().await;
    world.roll_out("first", &NUMBERS[..1]).await;

    let spec = spec_with_key(&world, "second-key", &TestKey::generate(), &NUMBERS).await;
    world.apply("second", spec).await.unwrap();
    let second = world.wait_reason("second", "NumberConflict").await;
    let number = number_of(&second, NUMBERS[0]);
    assert_eq!((number.state, number.owned_since.as_ref()), (NumberState::Conflict, None));
    assert!(number.message.contains("FlowsEncryptionKey first"), "{}", number.message);
    assert_eq!(number_of(&second, NUMBERS[1]).state, NumberState::Valid, "its other number has no trouble");
    assert_eq!(world.at_meta(NUMBERS[0]).0, Some(first.fingerprint));
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).uploads, 1);
}

#[tokio::test]
async fn two_that_start_together_never_both_upload() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    let keys = [TestKey::generate(), TestKey::generate()];
    let first = spec_with_key(&world, "key-a", &keys[0], &NUMBERS).await;
    let second = spec_with_key(&world, "key-b", &keys[1], &NUMBERS).await;
    let (a, b) = tokio::join!(world.apply("a", first), world.apply("b", second));
    a.unwrap();
    b.unwrap();

    let settled = |name| {
        world.wait(name, "settled", |resource| {
            let status = resource.status.as_ref().unwrap();
            status.phone_numbers.len() == 2
                && status.phone_numbers.iter().all(|n| matches!(n.state, NumberState::Valid | NumberState::Conflict))
        })
    };
    let (a, b) = tokio::join!(settled("a"), settled("b"));
    for id in NUMBERS {
        let states = [number_of(&a, id).state, number_of(&b, id).state];
        assert!(states.contains(&NumberState::Valid) && states.contains(&NumberState::Conflict), "{id}: {states:?}");
        assert_eq!(world.emulator.calls_to(id).uploads, 1);
    }
}

#[tokio::test]
async fn with_the_same_key_the_next_takes_over_at_once() {
    // A wait of a minute becomes an hour: nothing in this test waits for its end.
    let world = World::with_flags(OPERATOR, &NUMBERS, &["--wait-scale", "60"]).await;
    world.set_default_secrets().await;
    world.roll_out("first", &NUMBERS[..1]).await;
    world.apply("second", World::spec(&NUMBERS[..1])).await.unwrap();
    world.wait_reason("second", "NumberHandover").await;

    world.delete("first").await;
    let second = world.wait_ready("second").await;
    assert!(number_of(&second, NUMBERS[0]).owned_since.is_some());
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).uploads, 1, "the key is already there");
}

#[tokio::test]
async fn with_another_key_the_next_waits_whether_the_owner_comes_back() {
    let world = World::with_flags(OPERATOR, &NUMBERS, &["--wait-scale", "0.05"]).await;
    let key = rivals(&world).await;

    // Recreated at once, as GitOps tools do, the owner gets its number back.
    world.delete("first").await;
    world.roll_out("first", &NUMBERS[..1]).await;
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).uploads, 1);

    // Once the owner is gone for good, the other resource takes over after the wait.
    world.delete("first").await;
    world.wait_ready("second").await;
    assert_eq!(world.at_meta(NUMBERS[0]).0, Some(key.fingerprint));
}

#[tokio::test]
async fn a_suspended_or_observing_resource_holds_up_no_other() {
    let world = World::with_flags(OPERATOR, &NUMBERS, &["--wait-scale", "0.02"]).await;
    let key = rivals(&world).await;

    let mut observing = World::spec(&NUMBERS[..1]);
    observing["mode"] = json!("Observe");
    world.apply("first", observing).await.unwrap();
    world.wait_ready("second").await;
    assert_eq!(world.at_meta(NUMBERS[0]).0, Some(key.fingerprint));
    world.request_sync("first", "1").await;
    let first = world.wait_reason("first", "DriftObserved").await;
    assert_eq!(condition_of(&first, ConditionType::Stalled).0, "True");
    assert_eq!(number_of(&first, NUMBERS[0]).state, NumberState::Foreign);
}

/// Another deployment or an older replica may write a claim at any time.
#[tokio::test]
async fn an_owner_that_appears_during_a_reconcile_stops_the_remaining_uploads() {
    let ids: Vec<String> = (0..100).map(|n| format!("20000000000{n:04}")).collect();
    let numbers: Vec<&str> = ids.iter().map(String::as_str).collect();
    let world = World::new(OPERATOR, &numbers).await;
    world.set_default_secrets().await;
    let mut spec = World::spec(&numbers);
    spec["accessTokenSecretRef"]["name"] = "not-there-yet".into();
    world.apply("second", spec).await.unwrap();
    world.wait_reason("second", "SecretNotFound").await;
    world.emulator.set_latency(Duration::from_millis(100));
    world.apply("first", World::spec(&numbers)).await.unwrap();
    world.wait_until("uploads are under way", || world.emulator.counters().calls.uploads >= 10).await;

    let claims: Vec<_> = numbers
        .iter()
        .map(|id| json!({"phoneNumberId": id, "state": "Valid", "ownedSince": "2026-01-01T00:00:00Z"}))
        .collect();
    let patch = Patch::Merge(json!({"status": {"phoneNumbers": claims}}));
    world.resources().patch_status("second", &PatchParams::default(), &patch).await.unwrap();
    world.wait_reason("first", "NumberConflict").await;
    let uploads = world.emulator.counters().calls.uploads;
    assert!(uploads < 60, "{uploads} of 100 were made");
}
