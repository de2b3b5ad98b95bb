//! Wrong clocks: times in the status that lie in the future.

use harness::{World, number_of};
use jiff::{Timestamp, ToSpan};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use waflows_core::api::crd::{FlowsEncryptionKey, NumberState};

use crate::OPERATOR;

const NUMBERS: [&str; 2] = ["106540352242922", "107995438950512"];
const FLAGS: [&str; 2] = ["--wait-scale", "0.02"];

/// Writes into every number's status what a writer with a wrong clock could have left there.
async fn rewrite_numbers(world: &World, change: impl Fn(&mut Value)) {
    let resource = world.resources().get("storefront").await.unwrap();
    let mut numbers = serde_json::to_value(resource.status.unwrap().phone_numbers).unwrap();
    numbers.as_array_mut().unwrap().iter_mut().for_each(change);
    let body = json!({"status": {"phoneNumbers": numbers, "lastCheckTime": next_year(), "nextCheckTime": next_year()}});
    world.resources().patch_status("storefront", &PatchParams::default(), &Patch::Merge(body)).await.unwrap();
}

fn next_year() -> String {
    let later = Timestamp::now() + (366 * 24).hours();
    later.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Whether every time of the status that something is computed from has come.
fn is_of_today(resource: &FlowsEncryptionKey) -> bool {
    let status = resource.status.as_ref().unwrap();
    let now = Timestamp::now();
    let of_numbers = status.phone_numbers.iter().flat_map(|number| [&number.last_read_time, &number.last_upload_time]);
    of_numbers.chain([&status.last_check_time]).flatten().all(|time| time.0 <= now)
}

#[tokio::test]
async fn numbers_that_seem_to_have_been_read_next_year_are_read_now() {
    let mut world = World::with_flags(OPERATOR, &NUMBERS, &FLAGS).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;
    world.operator.terminate();
    rewrite_numbers(&world, |number| {
        for time in ["lastReadTime", "lastUploadTime", "lastTransitionTime", "ownedSince"] {
            number[time] = json!(next_year());
        }
    })
    .await;

    world.operator = world.another(&FLAGS);
    let resource = world.wait("storefront", "of today", is_of_today).await;
    let next = resource.status.as_ref().unwrap().next_check_time.as_ref().unwrap().0;
    assert!(next <= Timestamp::now() + 2.hours(), "{next}");
    assert!(NUMBERS.iter().all(|id| number_of(&resource, id).state == NumberState::Valid));
    assert!(NUMBERS.iter().all(|id| world.emulator.calls_to(id).uploads == 1), "the key is there");
}

#[tokio::test]
async fn an_upload_that_seems_to_have_been_made_next_year_does_not_put_off_the_next_for_a_year() {
    let mut world = World::with_flags(OPERATOR, &NUMBERS, &FLAGS).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;
    world.operator.terminate();
    NUMBERS.iter().for_each(|id| drop(world.emulator.lose_signature(id).unwrap()));
    rewrite_numbers(&world, |number| {
        for time in ["lastReadTime", "lastUploadTime", "nextAttemptTime"] {
            number[time] = json!(next_year());
        }
        number["state"] = json!("Mismatch");
        number["uploadAttempts"] = json!(2);
    })
    .await;

    world.operator = world.another(&FLAGS);
    world
        .wait("storefront", "healed", |resource| {
            is_of_today(resource) && NUMBERS.iter().all(|id| number_of(resource, id).state == NumberState::Valid)
        })
        .await;
    assert!(NUMBERS.iter().all(|id| world.emulator.calls_to(id).uploads == 2), "one upload more for each");
}

#[tokio::test]
async fn times_to_come_that_are_written_while_it_works_do_not_stop_the_checks() {
    let flags = [FLAGS[0], FLAGS[1], "--default-check-interval", "300ms"];
    let world = World::with_flags(OPERATOR, &NUMBERS, &flags).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;
    rewrite_numbers(&world, |number| {
        number["lastReadTime"] = json!(next_year());
        number["nextAttemptTime"] = json!(next_year());
    })
    .await;
    world.wait("storefront", "of today", is_of_today).await;
    world.emulator.lose_signature(NUMBERS[1]).unwrap();
    world.wait_until("healed", || world.at_meta(NUMBERS[1]).1.as_deref() == Some("VALID")).await;
}
