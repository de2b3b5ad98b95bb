//! What happens over time: drift, rotation, restarts, suspension, other writers.

use std::time::Duration;

use graph_emulator::{FOREIGN_PUBLIC_KEY, Fault, FaultAction};
use harness::{TestKey, World, condition_of, many_numbers, number_of};
use serde_json::json;
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::{FlowsEncryptionKey, NumberState};

use crate::OPERATOR;

const NUMBERS: [&str; 3] = ["106540352242922", "107995438950512", "108811432100233"];

fn reason(resource: &FlowsEncryptionKey) -> &str {
    condition_of(resource, ConditionType::Ready).1
}

#[tokio::test]
async fn drift_is_found_by_the_periodic_check_and_healed() {
    let world =
        World::with_flags(OPERATOR, &NUMBERS, &["--default-check-interval", "300ms", "--wait-scale", "0.9"]).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;
    world.emulator.lose_signature(NUMBERS[0]).unwrap();
    world.wait_until("healed", || world.at_meta(NUMBERS[0]).1.as_deref() == Some("VALID")).await;
    world.emulator.drop_key(NUMBERS[1]).unwrap();
    world.wait_until("put back", || world.at_meta(NUMBERS[1]).1.as_deref() == Some("VALID")).await;
    world.wait_ready("storefront").await;
    assert_eq!(NUMBERS.map(|id| world.emulator.calls_to(id).uploads), [2, 2, 1]);
}

#[tokio::test]
async fn observe_reports_and_never_uploads() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.emulator.set_foreign_key(NUMBERS[1], FOREIGN_PUBLIC_KEY).unwrap();
    let mut spec = World::spec(&NUMBERS[..2]);
    spec["mode"] = json!("Observe");
    world.apply("storefront", spec.clone()).await.unwrap();
    let resource = world.wait_reason("storefront", "DriftObserved").await;
    assert_eq!(number_of(&resource, NUMBERS[0]).state, NumberState::Missing);
    assert_eq!(number_of(&resource, NUMBERS[1]).state, NumberState::Foreign);
    assert_eq!(world.emulator.counters().calls.uploads, 0);

    spec["mode"] = json!("Enforce");
    world.apply("storefront", spec).await.unwrap();
    world.wait_ready("storefront").await;
}

/// A number of another resource with the key of the Secret `flows-key`. Once this number holds a new key, the operator
/// knows the key, and would have put it on all other numbers that it may write to.
const BYSTANDER: &str = "111033654322455";

#[tokio::test]
async fn suspension_keeps_the_status_and_stops_all_work() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.emulator.add_number(BYSTANDER);
    world.set_default_secrets().await;
    world.roll_out("bystander", &[BYSTANDER]).await;
    world.roll_out("storefront", &NUMBERS[..1]).await;

    let mut spec = World::spec(&NUMBERS[..1]);
    spec["suspend"] = json!(true);
    world.apply("storefront", spec.clone()).await.unwrap();
    let resource = world.wait_ready("storefront").await;
    assert_eq!(reason(&resource), "AllNumbersValid", "as it was");

    spec["phoneNumberIds"] = json!(NUMBERS);
    world.apply("storefront", spec.clone()).await.unwrap();
    let resource = world.wait_reason("storefront", "Suspended").await;
    assert_eq!(condition_of(&resource, ConditionType::Ready).0, "Unknown");
    let calls = world.emulator.calls_to(NUMBERS[0]);
    let new = TestKey::generate();
    world.set_secret("flows-key", "private.pem", &new.private_pem).await;
    world.wait_until("the other is rotated", || world.at_meta(BYSTANDER).0.as_ref() == Some(&new.fingerprint)).await;
    world.wait_ready("bystander").await;
    assert_eq!(world.emulator.calls_to(NUMBERS[0]), calls);
    assert_eq!(calls.uploads, 1);
    let untouched = world.resources().get("storefront").await.unwrap();
    assert_eq!(untouched.metadata.resource_version, resource.metadata.resource_version);

    spec["suspend"] = json!(false);
    world.apply("storefront", spec).await.unwrap();
    world.wait_ready("storefront").await;
    assert_eq!(NUMBERS.map(|id| world.emulator.calls_to(id).uploads), [2, 1, 1]);
}

#[tokio::test]
async fn an_edit_that_is_taken_back_while_suspended_leaves_ready_as_it_was() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    let before = world.roll_out("storefront", &NUMBERS[..2]).await;
    let mut suspended = World::spec(&NUMBERS[..2]);
    suspended["suspend"] = json!(true);

    let mut other_token = suspended.clone();
    other_token["accessTokenSecretRef"]["name"] = json!("another-token");
    let mut more_numbers = suspended.clone();
    more_numbers["phoneNumberIds"] = json!(NUMBERS);
    for edited in [other_token, more_numbers] {
        world.apply("storefront", edited).await.unwrap();
        let resource = world.wait_reason("storefront", "Suspended").await;
        assert_eq!(condition_of(&resource, ConditionType::Ready).0, "Unknown");
        world.apply("storefront", suspended.clone()).await.unwrap();
        let resource = world.wait_ready("storefront").await;
        assert_eq!(
            condition_of(&resource, ConditionType::Ready),
            condition_of(&before, ConditionType::Ready),
            "as it was"
        );
    }
    world.roll_out("storefront", &NUMBERS[..2]).await;
    let calls = world.emulator.counters().calls;
    assert_eq!((calls.reads, calls.uploads), (6, 2), "resumed, each was read once more, and nothing was left to do");
}

#[tokio::test]
async fn a_new_key_that_is_not_valid_stays_on_one_number() {
    let world = World::with_flags(OPERATOR, &NUMBERS, &["--wait-scale", "0.01"]).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;

    world.emulator.inject(Fault::upload_lands_as("MISMATCH"));
    let new = TestKey::generate();
    world.set_secret("flows-key", "private.pem", &new.private_pem).await;
    let resource = world.wait_reason("storefront", "UploadsWithoutEffect").await;
    assert_eq!(condition_of(&resource, ConditionType::Stalled).0, "True");
    assert_eq!(number_of(&resource, NUMBERS[0]).state, NumberState::Mismatch);
    for id in &NUMBERS[1..] {
        assert_eq!(number_of(&resource, id).state, NumberState::Outdated);
        assert_eq!(world.emulator.calls_to(id).uploads, 1, "the new key never reached it");
    }

    world.emulator.clear_faults();
    world.wait_ready("storefront").await;
    assert!(NUMBERS.iter().all(|id| world.at_meta(id).0.as_ref() == Some(&new.fingerprint)));
}

#[tokio::test]
async fn a_number_whose_key_is_replaced_again_and_again_is_left_alone_until_asked() {
    let world =
        World::with_flags(OPERATOR, &NUMBERS, &["--default-check-interval", "200ms", "--wait-scale", "0.9"]).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;

    for uploads in 1..=3 {
        world.wait_until("put back", || world.emulator.calls_to(NUMBERS[0]).uploads == uploads).await;
        world
            .wait("storefront", "seen with our key", |r| {
                let number = number_of(r, NUMBERS[0]);
                number.state == NumberState::Valid && number.replaced_times.len() as u64 == uploads - 1
            })
            .await;
        world.emulator.set_foreign_key(NUMBERS[0], FOREIGN_PUBLIC_KEY).unwrap();
    }
    let resource = world.wait_reason("storefront", "NumberContested").await;
    assert_eq!(number_of(&resource, NUMBERS[0]).state, NumberState::Contested);
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).uploads, 3, "no fourth upload");
    assert_eq!(number_of(&resource, NUMBERS[1]).state, NumberState::Valid);

    world.request_sync("storefront", "we found the other script").await;
    world.wait_ready("storefront").await;
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_reconcile_repeats_no_more_than_what_was_under_way() {
    let ids = many_numbers(50);
    let numbers: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut world = World::new(OPERATOR, &numbers).await;
    world.emulator.set_latency(Duration::from_millis(20));
    world.set_default_secrets().await;
    world.apply("storefront", World::spec(&numbers)).await.unwrap();
    world.wait_until("half done", || world.emulator.counters().calls.uploads >= 25).await;
    world.operator.signal("KILL");
    world.operator = world.another(&[]);
    world.wait_ready("storefront").await;
    let uploads = world.emulator.counters().calls.uploads;
    assert!((50..=58).contains(&uploads), "{uploads}");
}

#[tokio::test]
async fn a_rotation_interrupts_a_slow_reconcile_and_the_old_key_goes_no_further() {
    let ids = many_numbers(500);
    let numbers: Vec<&str> = ids.iter().map(String::as_str).collect();
    let world = World::new(OPERATOR, &numbers).await;
    world.emulator.set_latency(Duration::from_millis(50));
    let old = world.set_default_secrets().await;
    world.apply("storefront", World::spec(&numbers)).await.unwrap();
    world.wait_until("under way", || world.emulator.counters().calls.uploads >= 40).await;

    let new = TestKey::generate();
    world.set_secret("flows-key", "private.pem", &new.private_pem).await;
    let changed = world.emulator.now();
    let fingerprint =
        |upload: &graph_emulator::Upload| upload.fingerprint.as_deref().map(|digits| format!("sha256:{digits}"));
    world
        .wait_until("rotated", || {
            world.emulator.uploads().iter().any(|u| fingerprint(u).as_ref() == Some(&new.fingerprint))
        })
        .await;
    world.emulator.set_latency(Duration::ZERO);
    let resource = world
        .wait("storefront", "Ready with the new key", |resource| {
            let status = resource.status.as_ref().unwrap();
            status.public_key_fingerprint.as_ref() == Some(&new.fingerprint)
                && condition_of(resource, ConditionType::Ready).0 == "True"
        })
        .await;
    assert_eq!(resource.status.unwrap().valid.as_deref(), Some("500/500"));
    let mut of_old = world.emulator.uploads();
    of_old.retain(|upload| fingerprint(upload).as_ref() == Some(&old.fingerprint));
    assert!(of_old.len() < 500, "the reconcile was not interrupted");
    let last = of_old.last().unwrap().at;
    assert!(last <= changed + Duration::from_secs(1), "an upload of the old key {:?} after the change", last - changed);
}

#[tokio::test]
async fn a_long_reading_is_seen_in_the_status_before_the_first_upload() {
    let ids = many_numbers(500);
    let numbers: Vec<&str> = ids.iter().map(String::as_str).collect();
    let world = World::new(OPERATOR, &numbers).await;
    world.emulator.set_latency(Duration::from_millis(200));
    world.set_default_secrets().await;
    world.apply("storefront", World::spec(&numbers)).await.unwrap();
    let resource = world.wait_reason("storefront", "RollingOut").await;
    assert_eq!(world.emulator.counters().calls.uploads, 0);
    assert_eq!(condition_of(&resource, ConditionType::Reconciling).0, "True");
    let states: Vec<_> = resource.status.iter().flat_map(|status| &status.phone_numbers).map(|n| n.state).collect();
    assert!(states.contains(&NumberState::Missing) && states.contains(&NumberState::Pending), "{states:?}");
}

#[tokio::test]
async fn a_rotation_while_numbers_fail_reaches_them_once_they_recover() {
    let world = World::with_flags(OPERATOR, &NUMBERS, &["--wait-scale", "0.02"]).await;
    world.set_default_secrets().await;
    let fault = world.emulator.inject(Fault::new(FaultAction::ResetBeforeAnswer).number(NUMBERS[1]));
    world.apply("storefront", World::spec(&NUMBERS)).await.unwrap();
    world.wait_reason("storefront", "GraphUnreachable").await;

    let new = TestKey::generate();
    world.set_secret("flows-key", "private.pem", &new.private_pem).await;
    world.wait_until("rotated", || world.at_meta(NUMBERS[2]).0.as_ref() == Some(&new.fingerprint)).await;
    world.emulator.clear_fault(fault);
    world.wait_ready("storefront").await;
    assert!(NUMBERS.iter().all(|id| world.at_meta(id).0.as_ref() == Some(&new.fingerprint)));
}

#[tokio::test]
async fn a_change_cuts_a_hanging_call_short() {
    // Every wait lasts for hours, so that only the change itself can bring the next reconcile about.
    let world = World::with_flags(OPERATOR, &NUMBERS, &["--wait-scale", "3600"]).await;
    world.set_default_secrets().await;
    let fault = world.emulator.inject(Fault::new(FaultAction::Hang).reads());
    world.apply("storefront", World::spec(&NUMBERS)).await.unwrap();
    world.wait_until("a call hangs", || world.emulator.counters().in_flight > 0).await;
    world.emulator.clear_fault(fault);
    world.request_sync("storefront", "now").await;
    world.wait_ready("storefront").await;
}
