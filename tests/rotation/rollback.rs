//! Property 4: the way back, in both phases. No customer sees it.

use endpoint_emulator::KeyChange;
use graph_emulator::{Fault, GraphError};
use harness::TOKEN;
use serde_json::{Value, json};

use crate::stage::{NEW, OLD, Setup, Stage};

/// A rotation with an endpoint that has both keys.
async fn begun(numbers: usize, rotation: Value, prepare: impl FnOnce(&Stage)) -> Stage {
    let stage = Stage::new(&Setup { numbers, gate: Some("Required"), rotation, ..Setup::default() }).await;
    for replica in 0..2 {
        stage.load(replica, &[&OLD, &NEW], KeyChange::Now);
    }
    prepare(&stage);
    stage.put_in_secret(&NEW).await;
    stage
}

/// Waits until all numbers hold the old key again, and asserts that no customer saw anything, and that each number got
/// each key at most this often since the start.
async fn assert_back(mut stage: Stage, forward: usize) {
    stage.wait_phase("RolledBack").await;
    stage.wait_until("the old key on all numbers", || stage.all_hold(&OLD)).await;
    stage.go_on_for(60).await;
    assert_eq!(stage.end().await, Vec::new(), "{}", stage.describe_failure().await);
    for number in &stage.numbers {
        let count = |uploads: Vec<(String, std::time::Instant)>| uploads.iter().filter(|(id, _)| id == number).count();
        let (new, old) = (count(stage.uploads_of(&NEW)), count(stage.uploads_of(&OLD)));
        assert!(new <= forward && old <= 2, "{number}: {new} of the new key, {old} of the old one");
    }
    assert_eq!(stage.leaked_secret().await, None);
    // The same key is not tried again.
    let uploads = stage.uploads_of(&NEW).len();
    stage.world.request_sync(crate::stage::NAME, "look again").await;
    stage.world.sync(crate::stage::NAME, "and again").await;
    assert_eq!(stage.uploads_of(&NEW).len(), uploads);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_meta_does_not_sign_goes_back_from_the_canary() {
    let stage = begun(3, json!({}), |stage| {
        stage.world.emulator.inject(Fault::upload_lands_as("MISMATCH").token(TOKEN).times(3));
    });
    let stage = stage.await;
    assert_back(stage, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_goes_back_from_the_canary() {
    let stage = begun(3, json!({"soak": "1h"}), |_| {}).await;
    stage.wait_phase("Canary").await;
    stage.wait_until("the new key on one number", || stage.uploads_of(&NEW).len() == 1).await;
    stage.annotate("waflows.dev/abort-requested-at", "now").await;
    assert_back(stage, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_loses_the_new_key_takes_the_canary_back() {
    let stage = begun(3, json!({"soak": "1h"}), |_| {}).await;
    stage.wait_until("the new key on one number", || stage.uploads_of(&NEW).len() == 1).await;
    // The canary's clients fail at this pod with the new key, and their second try may meet the same pod. The rollback
    // ends such failures. So the traffic leaves this pod first, as after a failed readiness probe.
    stage.traffic.set_targets(vec![stage.endpoint.url(0)]);
    stage.load(1, &[&OLD], KeyChange::Now);
    assert_back(stage, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_goes_back_while_the_key_rolls_out() {
    // The last number does not take its key, so that the phase lasts.
    let last = crate::stage::NUMBERS[2];
    let refusal = GraphError::new(500, 2, "Service temporarily unavailable").transient(true);
    let stage = begun(3, json!({}), |stage| {
        stage.world.emulator.inject(Fault::error(refusal).uploads().token(TOKEN).number(last));
    });
    let stage = stage.await;
    stage.wait_until("the new key on two numbers", || stage.uploads_of(&NEW).len() == 2).await;
    stage.wait_phase("RollingOut").await;
    stage.annotate("waflows.dev/abort-requested-at", "now").await;
    assert_back(stage, 1).await;
}
