//! A GitOps tool renames a resource or moves it to another namespace: it deletes one resource, and creates one with the
//! same spec.

use graph_emulator::{Fault, GraphError};
use harness::{TOKEN, TestKey, World, condition_of, new_namespace, number_of};
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::{FlowsEncryptionKey, NumberState};

use crate::OPERATOR;
use crate::history::History;

const NUMBERS: [&str; 2] = ["106540352242922", "107995438950512"];
/// A wait of a minute becomes an hour: nothing in these tests waits for its end.
const NO_WAIT_ENDS: [&str; 2] = ["--wait-scale", "60"];

/// A world in which `old` is Ready, and its key.
async fn world() -> (World, TestKey) {
    let world = World::with_flags(OPERATOR, &NUMBERS, &NO_WAIT_ENDS).await;
    let key = world.set_default_secrets().await;
    world.roll_out("old", &NUMBERS).await;
    (world, key)
}

fn is_stalled(resource: &FlowsEncryptionKey) -> bool {
    condition_of(resource, ConditionType::Stalled).0 == "True"
}

/// Asserts that the resource became Ready without an upload, was never Stalled since the version, and owns its numbers.
async fn check_takeover(world: &World, version: &str, name: &str) {
    let ready = |resource: &FlowsEncryptionKey| condition_of(resource, ConditionType::Ready).0 == "True";
    let resource =
        world.wait_since(version, name, "Ready or Stalled", |resource| ready(resource) || is_stalled(resource)).await;
    assert!(!is_stalled(&resource), "{:?}", resource.status);
    assert!(NUMBERS.iter().all(|id| number_of(&resource, id).owned_since.is_some()));
    assert!(NUMBERS.iter().all(|id| world.emulator.calls_to(id).uploads == 1), "the key is already there");
}

#[tokio::test]
async fn deleted_first_the_new_one_is_ready_at_once() {
    let (world, _) = world().await;
    let version = world.version().await;
    world.delete("old").await;
    world.apply("new", World::spec(&NUMBERS)).await.unwrap();
    check_takeover(&world, &version, "new").await;
}

#[tokio::test]
async fn created_first_the_new_one_is_ready_once_the_old_one_has_gone() {
    let (world, _) = world().await;
    let version = world.version().await;
    world.apply("new", World::spec(&NUMBERS)).await.unwrap();
    world.wait_reason("new", "NumberHandover").await;
    world.delete("old").await;
    check_takeover(&world, &version, "new").await;
}

#[tokio::test]
async fn into_another_namespace_in_either_order() {
    for is_deleted_first in [true, false] {
        let (mut world, key) = world().await;
        let (here, there) = (world.namespace.clone(), new_namespace(&world.client).await);
        world.operator.kill();
        world.operator = world.launch.start(&format!("{here},{there}"), &NO_WAIT_ENDS);

        world.namespace.clone_from(&there);
        world.set_secret("flows-key", "private.pem", &key.private_pem).await;
        world.set_secret("meta-token", "token", TOKEN).await;
        let version = world.version().await;
        if !is_deleted_first {
            world.apply("old", World::spec(&NUMBERS)).await.unwrap();
            world.wait_reason("old", "NumberHandover").await;
        }
        world.namespace = here;
        if is_deleted_first {
            // The operator has seen everything once the bystander is Ready.
            let number = "111033654322455";
            world.emulator.add_number(number);
            world.roll_out("bystander", &[number]).await;
        }
        world.delete("old").await;
        world.namespace = there;
        if is_deleted_first {
            world.apply("old", World::spec(&NUMBERS)).await.unwrap();
        }
        check_takeover(&world, &version, "old").await;
    }
}

/// A first call that fails in passing is no reason to wait for the former owner.
#[tokio::test]
async fn a_passing_failure_of_the_first_call_is_tried_again_soon() {
    let world = World::with_flags(OPERATOR, &NUMBERS, &["--wait-scale", "0.1"]).await;
    world.set_default_secrets().await;
    world.roll_out("old", &NUMBERS).await;
    world.delete("old").await;
    let passing = GraphError::new(503, 2, "Service temporarily unavailable").transient(true);
    world.emulator.inject(Fault::error(passing).times(1));
    world.apply("new", World::spec(&NUMBERS)).await.unwrap();
    let history = History::of(&world, "new").await;
    let resource = world.wait_ready("new").await;
    let versions = history.up_to(&world, &resource).await;
    let states = versions.iter().filter_map(|version| version.status.as_ref()).flat_map(|status| &status.phone_numbers);
    assert!(states.clone().all(|number| number.state != NumberState::Conflict));
}
