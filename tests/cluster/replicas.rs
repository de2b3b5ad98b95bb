//! Several replicas, one writer.

use std::collections::HashSet;
use std::time::Duration;

use harness::{TestKey, World, condition_of, many_numbers};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use waflows_core::api::conditions::ConditionType;

use crate::OPERATOR;

/// The shortest timing that leaves room for a call to Meta.
const LEASE: [&str; 5] = ["--leader-election", "--lease-duration", "6600ms", "--renew-deadline", "2s"];

fn flags<'a>(namespace: &'a str, further: &[&'a str]) -> Vec<&'a str> {
    LEASE.iter().chain(&["--lease-namespace", namespace]).chain(further).copied().collect()
}

const LEASE_NAME: &str = "waflows-operator";

fn leases(world: &World) -> Api<Lease> {
    Api::namespaced(world.client.clone(), &world.namespace)
}

async fn holder(world: &World) -> Option<String> {
    leases(world).get_opt(LEASE_NAME).await.unwrap()?.spec?.holder_identity.filter(|holder| !holder.is_empty())
}

/// The connections over which Meta was called.
fn connections(world: &World) -> HashSet<u64> {
    world.emulator.calls().iter().map(|call| call.connection).collect()
}

/// Writes the Lease like another replica that takes it now. Without a name, like a replica that gives it up.
async fn hand_lease_to(world: &World, holder: &str) {
    let renewed = MicroTime(jiff::Timestamp::now());
    let body = json!({"spec": {"holderIdentity": holder, "leaseDurationSeconds": 3600, "renewTime": renewed}});
    leases(world).patch(LEASE_NAME, &PatchParams::default(), &Patch::Merge(body)).await.unwrap();
}

#[tokio::test]
async fn a_standby_is_ready_and_takes_over_at_once_when_the_leader_ends() {
    let numbers = many_numbers(2);
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let mut world = World::with_flags(
        OPERATOR,
        &numbers,
        &["--leader-election", "--lease-namespace", "default", "--lease-name", "handover"],
    )
    .await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &numbers[..1]).await;
    let standby = world.another(&["--leader-election", "--lease-namespace", "default", "--lease-name", "handover"]);
    tokio::time::timeout(Duration::from_secs(30), async {
        while standby.get("/readyz").await.is_none_or(|(status, _)| status != 200) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("a standby is ready");
    assert!(!standby.log().contains("leading"), "{}", standby.log());

    assert_eq!(world.operator.terminate(), Some(0));
    world.operator = standby;
    world.roll_out("second", &numbers[1..]).await;
    assert_eq!(world.emulator.calls_to(numbers[0]).reads, 2, "the new leader had nothing to do for the first");
}

#[tokio::test]
async fn a_leader_that_was_paused_past_its_lease_writes_no_more() {
    let numbers = many_numbers(200);
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let mut world = World::new(OPERATOR, &numbers).await;
    let flags = flags(&world.namespace, &["--wait-scale", "0.05", "--default-check-interval", "2s"]);
    world.operator = world.another(&flags);
    world.emulator.set_latency(Duration::from_millis(50));
    let old = world.set_default_secrets().await;
    world.apply("storefront", World::spec(&numbers)).await.unwrap();
    world.wait_until("the first leader is at work", || world.emulator.counters().calls.uploads >= 30).await;
    let first = holder(&world).await;
    // Meta gets so slow that all calls which may be under way at once are under way when the process stops. A later
    // call can only begin after the pause.
    world.emulator.set_latency(Duration::from_secs(3));
    let calls = world.emulator.counters().calls.total();
    let all_wait = || {
        let counters = world.emulator.counters();
        counters.in_flight == 8 && counters.calls.total() >= calls + 8
    };
    world.wait_until("all calls are under way", all_wait).await;
    world.operator.signal("STOP");
    assert!(all_wait());
    let of_old = || {
        let digits = old.fingerprint.strip_prefix("sha256:").unwrap();
        world.emulator.uploads().iter().filter(|upload| upload.fingerprint.as_deref() == Some(digits)).count()
    };
    let (begun, connections) = (of_old(), connections(&world));
    assert!(begun < numbers.len(), "the reconcile was over");
    world.emulator.set_latency(Duration::from_millis(50));
    let second = world.another(&flags);
    let mut paused = std::mem::replace(&mut world.operator, second);

    let new = TestKey::generate();
    world.set_secret("flows-key", "private.pem", &new.private_pem).await;
    let is_done = |resource: &waflows_core::api::crd::FlowsEncryptionKey| {
        let status = resource.status.as_ref().unwrap();
        status.public_key_fingerprint.as_ref() == Some(&new.fingerprint)
            && condition_of(resource, ConditionType::Ready).0 == "True"
    };
    world.wait("storefront", "Ready with the new key", is_done).await;
    assert_ne!(holder(&world).await, first);

    let calls = world.emulator.calls().len();
    paused.signal("CONT");
    world.wait_until("the first leader sees that it is none", || paused.log().contains("no longer leading")).await;
    assert_eq!(paused.terminate(), Some(0), "its reconcile is over");
    assert_eq!(of_old(), begun, "an upload of the old key began after the pause");
    let later = world.emulator.calls().split_off(calls);
    assert!(later.iter().all(|call| !connections.contains(&call.connection)), "it called Meta after the pause");
    world
        .wait_until("every number holds the new key", || {
            numbers.iter().all(|id| world.at_meta(id) == (Some(new.fingerprint.clone()), Some("VALID".into())))
        })
        .await;
    world.wait("storefront", "Ready with the new key", is_done).await;
    assert_eq!(of_old(), begun);
}

#[tokio::test]
async fn who_regains_the_lease_uploads_the_key_of_now_and_never_the_old_one() {
    let numbers = many_numbers(60);
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let mut world = World::new(OPERATOR, &numbers).await;
    let flags = flags(&world.namespace, &["--default-check-interval", "300ms", "--wait-scale", "0.9"]);
    world.operator = world.another(&flags);
    world.emulator.set_latency(Duration::from_millis(100));
    let old = world.set_default_secrets().await;
    world.apply("storefront", World::spec(&numbers)).await.unwrap();
    world.wait_until("at work", || world.emulator.counters().calls.uploads >= 20).await;

    hand_lease_to(&world, "another-replica").await;
    world.wait_until("the loss is noticed", || world.operator.log().contains("no longer leading")).await;
    world.wait_until("what was under way is over", || world.emulator.counters().in_flight == 0).await;
    // If the operator kept anything of the former term, it would now put the old key back where it is missing.
    world.emulator.set_latency(Duration::ZERO);
    assert!(world.emulator.counters().calls.uploads < 60, "the reconcile was not cut short");
    world.emulator.drop_key(numbers[0]).unwrap();
    let new = TestKey::generate();
    world.set_secret("flows-key", "private.pem", &new.private_pem).await;
    world.request_sync("storefront", "while nobody works").await;
    let uploads = world.emulator.uploads().len();

    hand_lease_to(&world, "").await;
    world
        .wait("storefront", "Ready with the new key", |resource| {
            let status = resource.status.as_ref().unwrap();
            status.public_key_fingerprint.as_ref() == Some(&new.fingerprint)
                && status.valid.as_deref() == Some("60/60")
                && condition_of(resource, ConditionType::Ready).0 == "True"
        })
        .await;
    let digits = |key: &TestKey| key.fingerprint.trim_start_matches("sha256:").to_owned();
    let later = world.emulator.uploads().split_off(uploads);
    assert_eq!(later.len(), 60, "one for each number");
    let of = |key: &TestKey| later.iter().filter(|u| u.fingerprint.as_deref() == Some(&digits(key))).count();
    assert_eq!((of(&new), of(&old)), (60, 0));
}
