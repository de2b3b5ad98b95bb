//! Work on a resource is suspended and goes on: the operator sees at once what changed meanwhile.

use harness::{TestKey, World, condition_of, is_current, number_of};
use jiff::Timestamp;
use serde_json::{Value, json};
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::{FlowsEncryptionKey, NumberState};

use crate::OPERATOR;

const NUMBERS: [&str; 2] = ["106540352242922", "107995438950512"];

fn suspended(mut spec: Value) -> Value {
    spec["suspend"] = json!(true);
    spec
}

fn suspended_since(resource: &FlowsEncryptionKey) -> Option<Timestamp> {
    resource.status.as_ref()?.suspended_since.as_ref().map(|since| since.0)
}

async fn wait_suspended(world: &World, name: &str) -> FlowsEncryptionKey {
    let is_suspended = |resource: &FlowsEncryptionKey| is_current(resource) && suspended_since(resource).is_some();
    world.wait(name, "suspended", is_suspended).await
}

#[tokio::test]
async fn a_number_that_another_took_meanwhile_is_in_conflict_at_once() {
    let world = World::with_flags(OPERATOR, &NUMBERS, &["--wait-scale", "0.02"]).await;
    world.set_default_secrets().await;
    let before = world.roll_out("first", &NUMBERS[..1]).await;
    world.apply("first", suspended(World::spec(&NUMBERS[..1]))).await.unwrap();
    let resource = wait_suspended(&world, "first").await;
    assert_eq!(condition_of(&resource, ConditionType::Ready), condition_of(&before, ConditionType::Ready));

    let theirs = TestKey::generate();
    world.set_secret("second-key", "private.pem", &theirs.private_pem).await;
    let mut spec = World::spec(&NUMBERS[..1]);
    spec["privateKeySecretRef"]["name"] = "second-key".into();
    world.apply("second", spec).await.unwrap();
    world.wait_ready("second").await;

    // The next check would come after an hour.
    world.apply("first", World::spec(&NUMBERS[..1])).await.unwrap();
    let first = world.wait_reason("first", "NumberConflict").await;
    let number = number_of(&first, NUMBERS[0]);
    assert_eq!((number.state, &number.owned_since), (NumberState::Conflict, &None));
    assert!(number.message.contains("second"), "{}", number.message);
    assert_eq!(suspended_since(&first), None);
    let second = world.resources().get("second").await.unwrap();
    assert_eq!(number_of(&second, NUMBERS[0]).state, NumberState::Valid, "who took it keeps it");
    assert_eq!(world.at_meta(NUMBERS[0]).0, Some(theirs.fingerprint));
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).uploads, 2);
}

/// Only the status shows that work was suspended.
#[tokio::test]
async fn a_drift_is_healed_once_resumed_whenever_the_operator_ran() {
    let mut world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;
    world.operator.kill();
    world.apply("storefront", suspended(World::spec(&NUMBERS))).await.unwrap();
    let start = |world: &World| world.another(&[]);
    world.operator = start(&world);
    let since = suspended_since(&wait_suspended(&world, "storefront").await);
    let reads = world.emulator.counters().calls.reads;

    world.operator.kill();
    world.emulator.lose_signature(NUMBERS[0]).unwrap();
    world.operator = start(&world);
    // The operator has looked at everything once the bystander is Ready.
    let bystander = "111033654322455";
    world.emulator.add_number(bystander);
    world.roll_out("bystander", &[bystander]).await;
    let resource = world.resources().get("storefront").await.unwrap();
    assert_eq!(suspended_since(&resource), since);
    let of_ours = |world: &World| NUMBERS.map(|id| world.emulator.calls_to(id).reads).iter().sum::<u64>();
    assert_eq!(of_ours(&world), reads, "nobody looks at a suspended resource");

    world.operator.kill();
    world.apply("storefront", World::spec(&NUMBERS)).await.unwrap();
    world.operator = start(&world);
    let resource = world.wait_ready("storefront").await;
    assert_eq!(suspended_since(&resource), None);
    assert_eq!(world.at_meta(NUMBERS[0]).1.as_deref(), Some("VALID"));
    assert_eq!(NUMBERS.map(|id| world.emulator.calls_to(id).uploads), [2, 1]);
}

#[tokio::test]
async fn a_new_one_says_that_nothing_was_checked() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.apply("storefront", suspended(World::spec(&NUMBERS))).await.unwrap();
    let resource = world.wait_reason("storefront", "Suspended").await;
    let (status, _, message) = condition_of(&resource, ConditionType::Ready);
    assert_eq!(status, "Unknown");
    assert!(message.starts_with("Nothing was checked yet"), "{message}");
    assert_eq!(world.emulator.counters().calls.total(), 0);
    world.roll_out("storefront", &NUMBERS).await;
}
