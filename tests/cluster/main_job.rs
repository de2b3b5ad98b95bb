//! From `kubectl apply` to a valid key on every number.

use harness::{TOKEN, TestKey, World, condition_of, number_of};
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::NumberState;

use crate::OPERATOR;

const NUMBERS: [&str; 3] = ["106540352242922", "107995438950512", "108811432100233"];

#[tokio::test]
async fn every_number_gets_the_key_with_exactly_one_upload() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    let key = world.set_default_secrets().await;
    let resource = world.roll_out("storefront", &NUMBERS).await;

    let status = resource.status.as_ref().unwrap();
    assert_eq!(status.valid.as_deref(), Some("3/3"));
    assert_eq!(status.public_key_fingerprint.as_ref(), Some(&key.fingerprint));
    assert_eq!(status.phone_numbers.iter().map(|n| n.phone_number_id.as_str()).collect::<Vec<_>>(), NUMBERS);
    for id in NUMBERS {
        let number = number_of(&resource, id);
        assert_eq!((number.state, number.signature_status.as_deref()), (NumberState::Valid, Some("VALID")));
        assert_eq!(number.key_fingerprint.as_ref(), Some(&key.fingerprint));
        assert_eq!(world.at_meta(id), (Some(key.fingerprint.clone()), Some("VALID".into())));
        let calls = world.emulator.calls_to(id);
        assert_eq!((calls.reads, calls.uploads), (2, 1), "read, upload, read back");
    }
    for kind in [ConditionType::KeyLoaded, ConditionType::TokenAccepted] {
        assert_eq!(condition_of(&resource, kind).0, "True");
    }
    for kind in [ConditionType::Reconciling, ConditionType::Stalled] {
        assert_eq!(condition_of(&resource, kind).0, "");
    }
}

#[tokio::test]
async fn applying_again_changes_nothing_and_own_writes_start_no_reconcile() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    let before = world.roll_out("storefront", &NUMBERS[..1]).await;
    let again = world.apply("storefront", World::spec(&NUMBERS[..1])).await.unwrap();
    assert_eq!(again.metadata.resource_version, before.metadata.resource_version, "applying again writes nothing");

    // A second resource becomes Ready. By then, any reconcile that the first one's writes had started would be over.
    world.roll_out("second", &NUMBERS[1..2]).await;
    let calls = world.emulator.calls_to(NUMBERS[0]);
    assert_eq!((calls.reads, calls.uploads), (2, 1));
    let now = world.resources().get("storefront").await.unwrap();
    assert_eq!(now.metadata.resource_version, before.metadata.resource_version);
}

#[tokio::test]
async fn a_new_key_in_the_secret_reaches_every_number() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    let old = world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;

    let new = TestKey::generate();
    world.set_secret("flows-key", "private.pem", &new.private_pem).await;
    let resource = world
        .wait("storefront", "Ready with the new key", |resource| {
            resource.status.as_ref().unwrap().public_key_fingerprint.as_ref() == Some(&new.fingerprint)
                && condition_of(resource, ConditionType::Ready).0 == "True"
        })
        .await;
    for id in NUMBERS {
        assert_eq!(world.at_meta(id), (Some(new.fingerprint.clone()), Some("VALID".into())));
        assert_eq!(world.emulator.calls_to(id).uploads, 2);
    }
    assert_eq!(resource.status.unwrap().previous_fingerprints, [old.fingerprint]);
}

#[tokio::test]
async fn a_lost_signature_is_healed_and_nothing_else_is_touched() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;

    world.emulator.lose_signature(NUMBERS[1]).unwrap();
    let resource = world.sync("storefront", "2026-11-22T10:00:00Z").await;
    assert_eq!(condition_of(&resource, ConditionType::Ready).0, "True", "healed within the reconcile");
    assert_eq!(world.at_meta(NUMBERS[1]).1.as_deref(), Some("VALID"));
    let uploads = NUMBERS.map(|id| world.emulator.calls_to(id).uploads);
    assert_eq!(uploads, [1, 2, 1]);
}

#[tokio::test]
async fn deleting_a_resource_takes_no_time_and_leaves_the_key_where_it_is() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    let resource = world.roll_out("storefront", &NUMBERS).await;
    assert_eq!(resource.metadata.finalizers, None);
    world.delete("storefront").await;
    assert_eq!(world.at_meta(NUMBERS[0]).1.as_deref(), Some("VALID"));
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).uploads, 1);
}

#[tokio::test]
async fn only_new_numbers_are_touched_and_removed_ones_leave_the_status() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS[..2]).await;

    let resource = world.roll_out("storefront", &NUMBERS[1..]).await;
    let ids: Vec<_> = resource.status.unwrap().phone_numbers.into_iter().map(|n| n.phone_number_id).collect();
    assert_eq!(ids, NUMBERS[1..]);
    let calls = NUMBERS.map(|id| world.emulator.calls_to(id).reads);
    assert_eq!(calls, [2, 2, 2], "the number that stayed was not asked again");
}

#[tokio::test]
async fn a_restart_with_nothing_due_costs_no_call_and_no_write() {
    let mut world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    let before = world.roll_out("storefront", &NUMBERS[..2]).await;
    assert_eq!(world.operator.terminate(), Some(0), "SIGTERM ends the operator in good order");

    world.operator = world.another(&[]);
    // A new resource comes after the old ones in the queue.
    world.roll_out("second", &NUMBERS[2..]).await;
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).reads, 2);
    let now = world.resources().get("storefront").await.unwrap();
    assert_eq!(now.metadata.resource_version, before.metadata.resource_version);
}

#[tokio::test]
async fn the_log_holds_neither_token_nor_key() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    let key = world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;
    let log = world.operator.log();
    assert!(log.contains("called the Graph API"), "the log is at level debug");
    assert!(!log.contains(TOKEN));
    let secret_line = key.private_pem.lines().nth(3).unwrap();
    assert!(!log.contains(secret_line));
}
