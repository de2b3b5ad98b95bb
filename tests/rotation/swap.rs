//! The endpoint changes its key without an overlap. Customers fail until the numbers have the new key, so the operator
//! hurries.

use std::time::Duration;

use endpoint_emulator::KeyChange;
use harness::condition_of;
use serde_json::json;
use waflows_core::api::conditions::ConditionType;

use crate::stage::{NEW, OLD, Setup, Stage, phase_of};

/// Longer than a request and its second try.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// Property 3: failures only until the uploads of FastForward.
#[tokio::test(flavor = "multi_thread")]
async fn a_swap_without_overlap_fails_only_until_the_numbers_follow() {
    let rotation = json!({"soak": "1h", "overlap": "1s"});
    let setup = Setup { numbers: 3, gate: Some("Required"), rotation, ..Setup::default() };
    let mut stage = Stage::new(&setup).await;
    stage.put_in_secret(&NEW).await;
    stage.wait_phase("Staged").await;
    assert_eq!(stage.traffic.counts().failures, 0, "{}", stage.describe_failure().await);
    stage.load(0, &[&NEW], KeyChange::Now);
    stage.load(1, &[&NEW], KeyChange::After(Duration::from_millis(800)));
    stage.wait_until("the new key at the last pod", || *stage.endpoint.keys(1)[0] == *NEW.fingerprint).await;
    let swapped = std::time::Instant::now();
    stage.wait_until("the new key on all numbers, without the soak", || stage.all_hold(&NEW)).await;
    let uploads = stage.uploads_of(&NEW);
    stage.go_on_for(100).await;
    stage.wait("over", |resource| phase_of(resource) == "Completed").await;
    let failures = stage.end().await;
    assert!(!failures.is_empty(), "the swap could not be seen: {}", stage.describe_failure().await);
    assert_eq!(uploads.len(), 3, "one for each number: {uploads:?}");
    let last = uploads.iter().map(|(_, at)| *at).max().unwrap();
    let late: Vec<_> = failures.iter().filter(|failure| failure.began > last).map(ToString::to_string).collect();
    assert!(late.is_empty(), "after the last upload: {late:?}\n{}", stage.describe_failure().await);
    assert!(failures.iter().all(|failure| failure.ended < last + UNDER_WAY), "{}", stage.describe_failure().await);
    println!("first upload {:?} after the last pod had the key", uploads[0].1.saturating_duration_since(swapped));
    assert_eq!(stage.leaked_secret().await, None);
}

/// The endpoint opens neither key: nothing that the operator could upload helps.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_opens_neither_key_gets_no_upload() {
    let stage = Stage::new(&Setup { gate: Some("Required"), ..Setup::default() }).await;
    let other = harness::TestKey::from_openssl();
    for replica in 0..2 {
        stage.load(replica, &[&other], KeyChange::Now);
    }
    stage.put_in_secret(&NEW).await;
    let resource = stage.wait_reason(ConditionType::Stalled, "EndpointLacksKey").await;
    assert_eq!(condition_of(&resource, ConditionType::Available).0, "False");
    stage.go_on_for(40).await;
    assert_eq!(stage.uploads_of(&NEW), Vec::new());
    stage.load(0, &[&OLD], KeyChange::Now);
    stage.load(1, &[&OLD], KeyChange::Now);
    stage.wait_reason(ConditionType::Available, "EndpointProven").await;
    assert_eq!(stage.uploads_of(&NEW), Vec::new(), "and the old key works on");
}
