//! Long reconciles: they write their status as they go on, and the status claims no more than what is true.

use std::time::{Duration, Instant};

use graph_emulator::{Fault, FaultAction};
use harness::{World, condition_of, is_current, many_numbers, number_of, strs};
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::{FlowsEncryptionKey, FlowsEncryptionKeyStatus, NumberState, PhoneNumberStatus};

use crate::OPERATOR;
use crate::history::History;

/// Enough for a reconcile of calls of a second each to last longer than the ten seconds between two checkpoints.
const CROWD: usize = 100;
/// Stored times are whole seconds.
const CHECKPOINT: Duration = Duration::from_secs(9);

async fn settled(numbers: &[&str]) -> (World, FlowsEncryptionKey) {
    let world = World::new(OPERATOR, numbers).await;
    world.set_default_secrets().await;
    let resource = world.roll_out("storefront", numbers).await;
    (world, resource)
}

fn status(resource: &FlowsEncryptionKey) -> &FlowsEncryptionKeyStatus {
    resource.status.as_ref().unwrap()
}

fn handled(resource: &FlowsEncryptionKey) -> Option<&str> {
    status(resource).last_handled_sync_request.as_deref()
}

fn count(resource: &FlowsEncryptionKey, is_so: impl Fn(&PhoneNumberStatus) -> bool) -> usize {
    status(resource).phone_numbers.iter().filter(|number| is_so(number)).count()
}

#[tokio::test]
async fn a_long_check_is_noted_after_ten_seconds_and_answers_a_request_only_at_its_end() {
    let ids = many_numbers(CROWD);
    let (world, before) = settled(&strs(&ids)).await;
    let history = History::of(&world, "storefront").await;
    world.emulator.set_latency(Duration::from_secs(1));
    let (asked, asked_at) = (Instant::now(), Timestamp::now());
    world.request_sync("storefront", "now").await;
    let is_read = |number: &PhoneNumberStatus| number.last_read_time.as_ref().is_some_and(|time| time.0 > asked_at);
    let resource = world.wait("storefront", "partly read", |resource| count(resource, is_read) > 0).await;
    assert!(asked.elapsed() >= CHECKPOINT, "{:?}", asked.elapsed());
    assert!(count(&resource, is_read) < CROWD, "the reconcile was over");
    assert_eq!(handled(&resource), None, "the request is not answered yet");
    assert_eq!(status(&resource).last_check_time, status(&before).last_check_time);
    assert_eq!(
        condition_of(&resource, ConditionType::Ready).0,
        "True",
        "a check changes nothing before it finds something"
    );

    world.emulator.set_latency(Duration::ZERO);
    let resource = world.wait("storefront", "answered", |resource| handled(resource) == Some("now")).await;
    assert_eq!(count(&resource, is_read), CROWD);
    let versions = history.up_to(&world, &resource).await;
    let written = versions.iter().filter(|version| version.status != before.status).count();
    assert_eq!(written, 2, "one checkpoint, and the end");
}

#[tokio::test]
async fn long_healing_is_noted_after_ten_seconds() {
    let ids = many_numbers(CROWD);
    let (world, _) = settled(&strs(&ids)).await;
    ids.iter().for_each(|id| drop(world.emulator.lose_signature(id).unwrap()));
    world.emulator.inject(Fault::new(FaultAction::Delay(Duration::from_secs(1))).uploads());
    let asked = Instant::now();
    world.request_sync("storefront", "now").await;
    let is_healed = |number: &PhoneNumberStatus| number.state == NumberState::Valid;
    let resource =
        world.wait("storefront", "partly healed", |resource| (1..CROWD).contains(&count(resource, is_healed))).await;
    assert!(asked.elapsed() >= CHECKPOINT, "{:?}", asked.elapsed());
    assert_eq!(status(&resource).valid, Some(format!("{}/{CROWD}", count(&resource, is_healed))));
    assert_eq!(handled(&resource), None);
    assert_eq!(condition_of(&resource, ConditionType::Reconciling).0, "True");

    world.emulator.clear_faults();
    world.wait("storefront", "answered", |resource| handled(resource) == Some("now")).await;
    world.wait_ready("storefront").await;
    assert!(ids.iter().all(|id| world.emulator.calls_to(id).uploads == 2));
}

#[tokio::test]
async fn a_request_that_another_one_overtakes_is_never_answered() {
    let ids = many_numbers(20);
    let (world, _) = settled(&strs(&ids)).await;
    let history = History::of(&world, "storefront").await;
    world.emulator.set_latency(Duration::from_millis(300));
    let reads = world.emulator.counters().calls.reads;
    world.request_sync("storefront", "first").await;
    world.wait_until("at work", || world.emulator.counters().calls.reads >= reads + 5).await;
    world.request_sync("storefront", "second").await;
    let resource = world.wait("storefront", "answered", |resource| handled(resource) == Some("second")).await;
    let versions = history.up_to(&world, &resource).await;
    assert!(!versions.iter().any(|version| handled(version) == Some("first")), "that check was cut short");
    let last_check = |resource: &FlowsEncryptionKey| status(resource).last_check_time.clone();
    let cut_short = versions.iter().filter(|version| handled(version).is_none());
    assert!(cut_short.clone().all(|version| last_check(version) == last_check(&versions[0])), "nor is it a check");
}

/// Another process writes the status while a reconcile reads for more than a second. The reconcile then wants to write
/// at its first checkpoint, and again at its end.
#[tokio::test]
async fn what_another_process_wrote_in_mid_reconcile_outlives_every_later_write_of_that_reconcile() {
    let ids = many_numbers(40);
    let world = World::new(OPERATOR, &strs(&ids)).await;
    let key = world.set_default_secrets().await;
    let resource = world.roll_out("storefront", &strs(&ids[..1])).await;
    world.emulator.set_latency(Duration::from_millis(400));
    world.apply("storefront", World::spec(&strs(&ids))).await.unwrap();
    world.wait_until("at work", || world.emulator.calls_to(&ids[1]).reads > 0).await;

    // The other process has put the key on the second number, and Meta did not sign it.
    let earlier = format!("sha256:{}", "0".repeat(64));
    let uploaded = (Timestamp::now() - Duration::from_secs(5)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let second = json!({
        "phoneNumberId": ids[1], "state": "Mismatch", "uploadAttempts": 1,
        "lastUploadTime": uploaded, "uploadedFingerprint": key.fingerprint,
    });
    let numbers = json!([number_of(&resource, &ids[0]), second]);
    let theirs = Patch::Merge(json!({"status": {"previousFingerprints": [earlier], "phoneNumbers": numbers}}));
    world.resources().patch_status("storefront", &PatchParams::default(), &theirs).await.unwrap();
    let history = History::of(&world, "storefront").await;
    world.wait_until("a status is dropped", || world.operator.log().contains("written by another process")).await;
    assert_eq!(world.emulator.counters().calls.uploads, 1, "the reconcile came to its uploads");
    world.emulator.set_latency(Duration::ZERO);
    let resource = world
        .wait("storefront", "at rest", |resource| {
            is_current(resource) && status(resource).valid.as_deref() == Some("39/40")
        })
        .await;
    for version in history.up_to(&world, &resource).await {
        assert_eq!(status(&version).previous_fingerprints, [earlier.as_str()]);
        let second = number_of(&version, &ids[1]);
        assert_eq!(second.last_upload_time.as_ref().map(|time| time.0.to_string()).as_ref(), Some(&uploaded));
        assert_eq!(second.upload_attempts, 1);
    }
    assert_eq!(number_of(&resource, &ids[1]).state, NumberState::Missing);
    let uploads = ids.iter().map(|id| world.emulator.calls_to(id).uploads).collect::<Vec<_>>();
    assert_eq!((uploads[1], uploads.iter().sum::<u64>()), (0, 39), "the second waits for its time");
}
