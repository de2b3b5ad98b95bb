//! What a customer sees.

use std::time::{Duration, Instant};

use endpoint_emulator::{Behaviour, KeyChange};
use harness::wait::until;
use whatsapp_clients::Cause;

use crate::{NEW, NUMBERS, OLD, World, put_on_numbers};

/// Waits until there are failures, and returns their causes without repetition.
async fn causes(world: &World) -> Vec<Cause> {
    assert!(until(|| world.traffic.counts().failures > 5).await, "{:?}", world.traffic.counts());
    let mut causes: Vec<_> = world.traffic.failures().iter().map(|failure| failure.cause).collect();
    causes.sort_unstable();
    causes.dedup();
    causes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_endpoint_lacks_fails_at_the_second_try_too() {
    let mut world = World::new().await;
    world.warm_up().await;
    // A request that is under way at the change began before.
    let before = Instant::now() - Duration::from_secs(1);
    put_on_numbers(&world.meta, &NEW, "VALID");
    assert_eq!(causes(&world).await, [Cause::WrongKey]);
    put_on_numbers(&world.meta, &OLD, "VALID");
    world.go_on_for(50).await;
    world.traffic.stop().await;
    for failure in world.traffic.failures() {
        assert!(failure.began > before && failure.ended >= failure.began, "{failure}");
        assert_eq!(failure.key.as_deref(), Some(&*NEW.fingerprint), "{failure}");
        assert!(NUMBERS.contains(&&*failure.number) && failure.target.is_some(), "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_answers_500_in_place_of_421_strands_clients() {
    let world = World::new().await;
    world.warm_up().await;
    world.endpoint.set_keys_everywhere(&[&OLD.private_pem, &NEW.private_pem], KeyChange::Now).unwrap();
    put_on_numbers(&world.meta, &NEW, "VALID");
    (0..2).for_each(|replica| world.endpoint.set_behaviour(replica, Behaviour::Undecryptable(500)));
    world.endpoint.set_keys_everywhere(&[&NEW.private_pem], KeyChange::Now).unwrap();
    assert_eq!(causes(&world).await, [Cause::Status(500)]);
    assert!(world.traffic.failures().iter().all(|failure| failure.key.as_deref() == Some(&*OLD.fingerprint)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_target_of_two_without_the_key_is_seen() {
    let world = World::new().await;
    world.warm_up().await;
    world.endpoint.set_keys(1, &[&NEW.private_pem], KeyChange::Now).unwrap();
    assert_eq!(causes(&world).await, [Cause::WrongKey]);
    let url = world.endpoint.url(1);
    assert!(world.traffic.failures().iter().all(|failure| failure.target.as_deref() == Some(&*url)));
    assert!(world.traffic.counts().refreshed > 0, "the second try may meet the other target");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_answer_has_its_cause() {
    for (behaviour, cause) in [
        (Behaviour::Clear, Cause::Unreadable),
        (Behaviour::IvNotFlipped, Cause::Unreadable),
        (Behaviour::OtherPayload, Cause::Unreadable),
        (Behaviour::Broken, Cause::Unreachable),
        (Behaviour::Status(503), Cause::Status(503)),
    ] {
        let world = World::new().await;
        world.warm_up().await;
        (0..2).for_each(|replica| world.endpoint.set_behaviour(replica, behaviour));
        assert_eq!(causes(&world).await, [cause], "{behaviour:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_valid_key_there_is_no_request() {
    let world = World::with(|config| config.token = "of nobody".to_owned()).await;
    assert_eq!(causes(&world).await, [Cause::NoKey]);
    assert!(world.endpoint.requests().is_empty());
}
