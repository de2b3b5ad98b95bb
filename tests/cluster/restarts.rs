//! The operator still leaves numbers alone after a restart, with the real waits.

use graph_emulator::{FOREIGN_PUBLIC_KEY, Fault};
use harness::{World, condition_of, is_current, number_of};
use jiff::Timestamp;
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::{FlowsEncryptionKey, NumberState, PhoneNumberStatus};

use crate::OPERATOR;

const NUMBERS: [&str; 2] = ["106540352242922", "107995438950512"];
const LATER: [&str; 2] = ["108811432100233", "109922543211344"];

async fn world() -> World {
    let world = World::new(OPERATOR, &NUMBERS).await;
    LATER.iter().for_each(|id| world.emulator.add_number(id));
    world.set_default_secrets().await;
    world
}

/// Another process takes over. It has read everything when this returns: the new resource is the last in its queue.
async fn restart(world: &mut World, number: &str) {
    world.operator.kill();
    world.operator = world.another(&[]);
    world.apply(&format!("later-{number}"), World::spec(&[number])).await.unwrap();
    world.wait_ready(&format!("later-{number}")).await;
}

/// The token's Secret has a new version. The operator reads every number again, and resets no backoff.
async fn read_again(world: &World) -> FlowsEncryptionKey {
    world.touch_secret("meta-token").await;
    let secret = world.secrets().get("meta-token").await.unwrap();
    world
        .wait("storefront", "read with the Secret as it is", |resource| {
            let observed = &resource.status.as_ref().unwrap().observed_secrets;
            is_current(resource)
                && observed.iter().any(|it| Some(&it.resource_version) == secret.metadata.resource_version.as_ref())
                && condition_of(resource, ConditionType::Ready).1 != "RollingOut"
        })
        .await
}

fn memory(number: &PhoneNumberStatus) -> (Option<Timestamp>, i32, Option<&String>, usize) {
    let uploaded = number.last_upload_time.as_ref().map(|time| time.0);
    (uploaded, number.upload_attempts, number.uploaded_fingerprint.as_ref(), number.replaced_times.len())
}

#[tokio::test]
async fn the_wait_after_an_upload_without_a_valid_signature() {
    let mut world = world().await;
    world.emulator.inject(Fault::upload_lands_as("MISMATCH").number(NUMBERS[0]));
    world.apply("storefront", World::spec(&NUMBERS[..1])).await.unwrap();
    let before = world.wait_reason("storefront", "SignatureLost").await;
    let number = number_of(&before, NUMBERS[0]);
    let next = number.next_attempt_time.as_ref().unwrap().0;
    let wait = next.duration_since(number.last_upload_time.as_ref().unwrap().0).as_secs();
    assert_eq!((number.state, number.upload_attempts, wait), (NumberState::Mismatch, 1, 60));
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).uploads, 1);

    restart(&mut world, LATER[0]).await;
    let after = world.resources().get("storefront").await.unwrap();
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version, "nothing was due");

    // Nor does the new process forget the wait when it has to read the number.
    let reads = world.emulator.calls_to(NUMBERS[0]).reads;
    for (restarts, later) in [None, Some(LATER[1])].into_iter().enumerate() {
        if let Some(later) = later {
            restart(&mut world, later).await;
        }
        let after = read_again(&world).await;
        assert_eq!(world.emulator.calls_to(NUMBERS[0]).reads, reads + 1 + restarts as u64);
        assert_eq!(memory(number_of(&after, NUMBERS[0])), memory(number));
        assert_eq!(number_of(&after, NUMBERS[0]).next_attempt_time.as_ref().unwrap().0, next);
        assert_eq!(condition_of(&after, ConditionType::Ready).1, "SignatureLost");
    }
    // All of this took place within the wait.
    assert!(Timestamp::now() < next && world.emulator.calls_to(NUMBERS[0]).uploads == 1);
}

#[tokio::test]
async fn a_contested_number() {
    let mut world = world().await;
    world.roll_out("storefront", &NUMBERS).await;
    for replaced in 1..=3 {
        world.emulator.set_foreign_key(NUMBERS[0], FOREIGN_PUBLIC_KEY).unwrap();
        let resource = read_again(&world).await;
        let number = number_of(&resource, NUMBERS[0]);
        let expected = if replaced == 3 { NumberState::Contested } else { NumberState::Valid };
        assert_eq!((number.state, number.replaced_times.len()), (expected, replaced));
    }
    let before = world.wait_reason("storefront", "NumberContested").await;
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).uploads, 3, "the first, and two that put it back");

    restart(&mut world, LATER[0]).await;
    let after = world.resources().get("storefront").await.unwrap();
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version, "nothing was due");
    let after = read_again(&world).await;
    restart(&mut world, LATER[1]).await;
    let later = read_again(&world).await;
    for resource in [after, later] {
        assert_eq!(number_of(&resource, NUMBERS[0]).state, NumberState::Contested);
        assert_eq!(memory(number_of(&resource, NUMBERS[0])), memory(number_of(&before, NUMBERS[0])));
        assert_eq!(condition_of(&resource, ConditionType::Ready).1, "NumberContested");
    }
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).uploads, 3);
    assert_eq!(world.emulator.calls_to(NUMBERS[1]).uploads, 1);

    // A person may ask for another go.
    world.request_sync("storefront", "we found the other script").await;
    world.wait_ready("storefront").await;
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).uploads, 4);
}
