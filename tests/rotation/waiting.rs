//! The endpoint does not have the new key: the operator waits, and the old key stays.

use endpoint_emulator::KeyChange;
use harness::condition_of;
use serde_json::json;
use waflows_core::api::conditions::ConditionType;

use crate::stage::{NAME, NEW, OLD, Setup, Stage};

/// Property 2 of a rotation: a key that never comes to the endpoint never comes to a number.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_endpoint_never_gets_is_never_uploaded() {
    let rotation = json!({"progressDeadline": "2s"});
    let mut stage = Stage::new(&Setup { gate: Some("Required"), rotation, ..Setup::default() }).await;
    // One of two is not enough.
    stage.load(0, &[&OLD, &NEW], KeyChange::Now);
    stage.put_in_secret(&NEW).await;
    stage.wait_phase("Staged").await;
    stage.wait("Stalled", |resource| condition_of(resource, ConditionType::Stalled).0 == "True").await;
    stage.go_on_for(60).await;
    assert_eq!(stage.end().await, Vec::new(), "{}", stage.describe_failure().await);
    assert_eq!(stage.uploads_of(&NEW), Vec::new());
    assert_eq!(stage.leaked_secret().await, None);

    // The deadline never acts, and does not end the wait: the key may still come.
    stage.load(1, &[&OLD, &NEW], KeyChange::Now);
    stage.wait_until("the new key on all numbers", || stage.all_hold(&NEW)).await;
    stage.wait("going on", |resource| condition_of(resource, ConditionType::Stalled).0.is_empty()).await;
}

/// Property 5: somebody rotated by hand, and forgot the Secret. "Healing" would break a Flow that works.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_somebody_put_by_hand_is_left_alone_while_the_endpoint_opens_it() {
    let mut stage = Stage::new(&Setup { gate: Some("Required"), ..Setup::default() }).await;
    for replica in 0..2 {
        stage.load(replica, &[&OLD, &NEW], KeyChange::Now);
    }
    for number in &stage.numbers {
        stage.world.emulator.set_foreign_key(number, &NEW.public_pem()).unwrap();
    }
    for replica in 0..2 {
        stage.load(replica, &[&NEW], KeyChange::Now);
    }
    let before = stage.uploads_of(&OLD).len();
    stage.world.request_sync(NAME, "look").await;
    stage
        .wait("waiting for the endpoint, with a word on the Secret", |resource| {
            let (_, reason, message) = condition_of(resource, ConditionType::Ready);
            reason == "WaitingForEndpoint" && message.contains("Secret")
        })
        .await;
    stage.go_on_for(60).await;
    assert_eq!(stage.end().await, Vec::new(), "{}", stage.describe_failure().await);
    assert_eq!(stage.uploads_of(&OLD).len(), before);
    assert_eq!(stage.leaked_secret().await, None);

    // The remedy of the message. There is nothing to upload.
    stage.put_in_secret(&NEW).await;
    stage.world.wait_ready(NAME).await;
    assert_eq!(stage.uploads_of(&NEW), Vec::new());
}
