//! The spec changes while a reconcile is under way: the operator drops what the spec no longer asks for, and does
//! nothing twice.

use std::time::Duration;

use harness::{World, condition_of, number_of};
use serde_json::{Value, json};
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::FlowsEncryptionKey;

use crate::OPERATOR;

const COUNT: usize = 60;

fn ids() -> Vec<String> {
    (0..COUNT).map(|n| format!("10{n:013}")).collect()
}

fn strs(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}

fn is_observed(resource: &FlowsEncryptionKey) -> bool {
    resource.status.as_ref().is_some_and(|status| status.observed_generation == resource.metadata.generation)
}

/// A reconcile that has put the key on some of sixty numbers. Meta is slow.
async fn reconcile_under_way(ids: &[String]) -> World {
    let numbers = strs(ids);
    let world = World::new(OPERATOR, &numbers).await;
    world.emulator.set_latency(Duration::from_millis(100));
    world.set_default_secrets().await;
    world.apply("storefront", World::spec(&numbers)).await.unwrap();
    world.wait_until("under way", || world.emulator.counters().calls.uploads >= 10).await;
    world
}

/// Changes the spec in the middle of a reconcile, and back once the change is over. Returns the resource before the
/// change back.
async fn stop_and_go_on(change: Value, is_over: impl Fn(&FlowsEncryptionKey) -> bool) -> FlowsEncryptionKey {
    let ids = ids();
    let world = reconcile_under_way(&ids).await;
    let mut spec = World::spec(&strs(&ids));
    spec.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    world.apply("storefront", spec).await.unwrap();
    world.wait("storefront", "observed", |resource| is_observed(resource) && is_over(resource)).await;
    world.wait_until("what was under way is over", || world.emulator.counters().in_flight == 0).await;
    let uploads = world.emulator.counters().calls.uploads;
    assert!((10..COUNT as u64).contains(&uploads), "{uploads}");
    let stopped = world.resources().get("storefront").await.unwrap();

    world.emulator.set_latency(Duration::ZERO);
    world.roll_out("storefront", &strs(&ids)).await;
    let twice: Vec<_> = ids.iter().filter(|id| world.emulator.calls_to(id).uploads != 1).collect();
    assert!(twice.is_empty(), "each number got the key once, except {twice:?}");
    stopped
}

#[tokio::test]
async fn a_suspension_stops_a_reconcile_and_its_end_goes_on_where_it_was() {
    let stopped = stop_and_go_on(json!({"suspend": true}), |_| true).await;
    assert_ne!(condition_of(&stopped, ConditionType::Ready).0, "True");
}

#[tokio::test]
async fn observing_stops_the_uploads_of_a_reconcile_and_enforcing_goes_on_where_it_was() {
    // While the operator reads the numbers again, the status shows that as well.
    let is_over = |resource: &_| condition_of(resource, ConditionType::Ready).1 == "DriftObserved";
    let stopped = stop_and_go_on(json!({"mode": "Observe"}), is_over).await;
    assert!(stopped.status.unwrap().phone_numbers.iter().all(|number| number.owned_since.is_none()));
}

#[tokio::test]
async fn numbers_that_are_removed_and_added_in_the_middle_of_a_reconcile_get_what_the_spec_says_last() {
    let ids = ids();
    let world = reconcile_under_way(&ids).await;
    let (kept, added) = (&ids[..20], "15550783881");
    world.emulator.add_number(added);
    let mut numbers = strs(kept);
    numbers.push(added);
    let resource = world.roll_out("storefront", &numbers).await;
    assert_eq!(resource.status.as_ref().unwrap().valid.as_deref(), Some("21/21"));
    assert_eq!(number_of(&resource, added).signature_status.as_deref(), Some("VALID"));
    assert!(numbers.iter().all(|id| world.emulator.calls_to(id).uploads == 1));
    assert_eq!(world.emulator.calls_to(&ids[COUNT - 1]).uploads, 0, "removed before its turn");

    // A number that comes back is read, not written.
    numbers.push(&ids[0]);
    numbers.remove(0);
    world.roll_out("storefront", &numbers[..20]).await;
    let resource = world.roll_out("storefront", &numbers).await;
    assert!(number_of(&resource, &ids[0]).last_upload_time.is_none(), "forgotten meanwhile");
    assert_eq!(world.emulator.calls_to(&ids[0]).uploads, 1);
}

#[tokio::test]
async fn under_observation_drift_is_no_longer_healed_and_is_once_enforced_again() {
    let ids = &ids()[..2];
    let world =
        World::with_flags(OPERATOR, &strs(ids), &["--default-check-interval", "300ms", "--wait-scale", "0.9"]).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &strs(ids)).await;
    let mut spec = World::spec(&strs(ids));
    spec["mode"] = json!("Observe");
    world.apply("storefront", spec).await.unwrap();
    world.wait("storefront", "observed", is_observed).await;

    world.emulator.lose_signature(&ids[0]).unwrap();
    let resource = world.wait_reason("storefront", "DriftObserved").await;
    assert_eq!(condition_of(&resource, ConditionType::Stalled).0, "True", "a person must act");
    let reads = world.emulator.calls_to(&ids[0]).reads;
    world.wait_until("checked on", || world.emulator.calls_to(&ids[0]).reads > reads + 3).await;
    assert_eq!(world.emulator.counters().calls.uploads, 2);

    world.roll_out("storefront", &strs(ids)).await;
    assert_eq!([&ids[0], &ids[1]].map(|id| world.emulator.calls_to(id).uploads), [2, 1]);
}
