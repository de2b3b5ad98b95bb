//! `lastTransitionTime` of a number is the time at which people saw its state change, however often a reconcile writes.

use std::time::Duration;

use harness::{TestKey, World, is_current, many_numbers, number_of, strs};
use serde_json::json;
use waflows_core::api::crd::{FlowsEncryptionKey, NumberState};

use crate::OPERATOR;
use crate::history::History;

/// From version to version, the time of a number stays with its state.
fn check_times(versions: &[FlowsEncryptionKey]) {
    for pair in versions.windows(2) {
        let [before, after] = [&pair[0], &pair[1]].map(|version| &version.status.as_ref().unwrap().phone_numbers);
        for number in after {
            let id = &number.phone_number_id;
            let Some(before) = before.iter().find(|before| before.phone_number_id == *id) else { continue };
            if before.state == number.state {
                assert_eq!(before.last_transition_time, number.last_transition_time, "{id} stays {:?}", number.state);
            } else {
                assert!(before.last_transition_time <= number.last_transition_time, "{id}: back in time");
            }
        }
    }
}

#[tokio::test]
async fn a_state_that_a_checkpoint_showed_dates_from_then() {
    let ids = many_numbers(60);
    let world = World::new(OPERATOR, &strs(&ids)).await;
    world.emulator.set_latency(Duration::from_millis(400));
    world.set_default_secrets().await;
    // Nothing is uploaded. So the states at a checkpoint after a second are also those at the end of the reconcile.
    let mut spec = World::spec(&strs(&ids));
    spec["mode"] = json!("Observe");
    world.apply("storefront", spec).await.unwrap();
    let history = History::of(&world, "storefront").await;
    let resource = world.wait_reason("storefront", "DriftObserved").await;
    let versions = history.up_to(&world, &resource).await;
    let is_partly_read = |version: &&FlowsEncryptionKey| {
        let numbers = &version.status.as_ref().unwrap().phone_numbers;
        let missing = numbers.iter().filter(|number| number.state == NumberState::Missing).count();
        (1..ids.len()).contains(&missing)
    };
    assert!(versions.iter().any(|version| is_partly_read(&version)), "a checkpoint came in between");
    check_times(&versions);
}

#[tokio::test]
async fn a_state_that_was_left_and_came_back_in_one_reconcile_dates_from_its_return() {
    let number = "106540352242922";
    let world = World::new(OPERATOR, &[number]).await;
    world.set_default_secrets().await;
    let before = world.roll_out("storefront", &[number]).await;
    let history = History::of(&world, "storefront").await;
    // Stored times are whole seconds: the announcement comes more than a second after the beginning.
    world.emulator.set_latency(Duration::from_millis(1100));
    let new = TestKey::generate();
    world.set_secret("flows-key", "private.pem", &new.private_pem).await;
    let resource = world
        .wait("storefront", "rotated", |resource| {
            let status = resource.status.as_ref().unwrap();
            is_current(resource)
                && status.public_key_fingerprint.as_ref() == Some(&new.fingerprint)
                && number_of(resource, number).state == NumberState::Valid
        })
        .await;
    let versions = history.up_to(&world, &resource).await;
    check_times(&versions);
    let time = |resource| number_of(resource, number).last_transition_time.clone().unwrap();
    let announced = versions.iter().find(|version| number_of(version, number).state == NumberState::Outdated);
    assert!(time(announced.expect("an announcement")) > time(&before));
    assert!(time(&resource) > time(announced.expect("an announcement")));
}
