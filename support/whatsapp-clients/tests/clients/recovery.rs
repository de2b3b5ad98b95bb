//! What no customer sees.

use endpoint_emulator::KeyChange;

use crate::{NEW, OLD, World, put_on_numbers};

#[tokio::test(flavor = "multi_thread")]
async fn real_requests_are_answered_at_every_target() {
    let mut world = World::new().await;
    world.warm_up().await;
    world.go_on_for(50).await;
    world.traffic.stop().await;
    let counts = world.traffic.counts();
    assert_eq!((counts.wrong_key, counts.refreshed, world.traffic.failures()), (0, 0, Vec::new()), "{counts:?}");
    let seen = world.endpoint.requests();
    assert_eq!(seen.len() as u64, counts.requests);
    assert!(seen.iter().all(|request| request.action.as_deref() == Some("data_exchange")), "{seen:?}");
    assert!((0..2).all(|replica| seen.iter().any(|request| request.replica == replica)));
    let asked = world.meta.counters().calls.reads;
    assert!(asked < counts.requests, "some clients keep the key, and asked {asked} times for {counts:?}");
    assert!(asked > counts.requests / 3, "some clients keep no key, and asked {asked} times for {counts:?}");
}

/// A client that keeps the key for ever has the old one long after the endpoint has lost it.
#[tokio::test(flavor = "multi_thread")]
async fn clients_learn_of_a_new_key_by_421() {
    let mut world = World::new().await;
    world.warm_up().await;
    let both = [&*OLD.private_pem, &*NEW.private_pem];
    world.endpoint.set_keys_everywhere(&both, KeyChange::Now).unwrap();
    put_on_numbers(&world.meta, &NEW, "VALID");
    world.go_on_for(100).await;
    assert_eq!(world.traffic.counts().wrong_key, 0, "the endpoint has both keys");
    world.endpoint.set_keys_everywhere(&both[1..], KeyChange::Now).unwrap();
    world.go_on_for(200).await;
    world.traffic.stop().await;
    let counts = world.traffic.counts();
    assert_eq!(world.traffic.failures(), Vec::new());
    assert!(counts.refreshed > 0 && counts.refreshed == counts.wrong_key, "{counts:?}");
}

/// A client that has a key goes on with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_a_valid_signature_is_not_taken() {
    let mut world = World::new().await;
    world.warm_up().await;
    put_on_numbers(&world.meta, &NEW, "MISMATCH");
    world.go_on_for(100).await;
    world.traffic.stop().await;
    assert_eq!(world.traffic.failures(), Vec::new());
    let old = |key: Option<&str>| key == Some(&*OLD.fingerprint);
    assert!(world.endpoint.requests().iter().all(|request| old(request.opened_by.as_deref())));
}
