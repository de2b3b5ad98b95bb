//! The same traffic without the gate. Customers see failures, so the other tests can fail.

use std::time::Instant;

use endpoint_emulator::KeyChange;
use whatsapp_clients::Cause;

use crate::stage::{NEW, OLD, Setup, Stage};

/// As a kubelet brings a changed Secret, which takes up to two minutes.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_endpoint_gets_late_fails_for_customers_until_then() {
    let mut stage = Stage::new(&Setup::default()).await;
    assert_eq!(stage.traffic.counts().failures, 0, "{}", stage.describe_failure().await);
    stage.put_in_secret(&NEW).await;
    stage.wait_until("failures", || stage.traffic.counts().failures > 10).await;
    for replica in 0..2 {
        stage.load(replica, &[&OLD, &NEW], KeyChange::Now);
    }
    let loaded = Instant::now();
    stage.go_on_for(60).await;
    for failure in stage.end().await {
        let seen = (failure.cause, failure.key.as_deref());
        assert_eq!(seen, (Cause::WrongKey, Some(&*NEW.fingerprint)), "{failure}");
        assert!(failure.began < loaded, "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_endpoint_never_gets_fails_for_customers_until_it_is_taken_back() {
    let mut stage = Stage::new(&Setup::default()).await;
    stage.put_in_secret(&NEW).await;
    stage.wait_until("the new key on all numbers", || stage.all_hold(&NEW)).await;
    stage.go_on_for(100).await;
    assert!(stage.traffic.counts().failures > 10, "{}", stage.describe_failure().await);
    stage.put_in_secret(&OLD).await;
    stage.wait_until("the old key on all numbers", || stage.all_hold(&OLD)).await;
    // A request that is under way may still fail.
    stage.go_on_for(40).await;
    let after = stage.traffic.counts().failures;
    stage.go_on_for(40).await;
    stage.end().await;
    assert_eq!(stage.traffic.counts().failures, after, "{}", stage.describe_failure().await);
}
