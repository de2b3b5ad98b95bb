//! Several replicas, one writer.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use waflows_operator::conditions::ConditionType;

use crate::world::{Operator, TestKey, World, condition_of};

/// The shortest timing that leaves room for a call to Meta.
const LEASE: [&str; 5] = ["--leader-election", "--lease-duration", "6600ms", "--renew-deadline", "2s"];

fn many_numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("10{n:013}")).collect()
}

fn flags<'a>(namespace: &'a str, further: &[&'a str]) -> Vec<&'a str> {
    LEASE.iter().chain(&["--lease-namespace", namespace]).chain(further).copied().collect()
}

async fn holder(world: &World) -> Option<String> {
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), &world.namespace);
    leases.get_opt("waflows-operator").await.unwrap()?.spec?.holder_identity.filter(|holder| !holder.is_empty())
}

#[tokio::test]
async fn a_standby_is_ready_and_takes_over_at_once_when_the_leader_ends() {
    let numbers = many_numbers(2);
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let mut world =
        World::with_flags(&numbers, &["--leader-election", "--lease-namespace", "default", "--lease-name", "handover"])
            .await;
    world.set_default_secrets().await;
    world.apply("storefront", World::spec(&numbers[..1])).await.unwrap();
    world.wait_ready("storefront").await;
    let standby = Operator::start(
        &world.namespace,
        &world.emulator,
        &["--leader-election", "--lease-namespace", "default", "--lease-name", "handover"],
    );
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
    world.apply("second", World::spec(&numbers[1..])).await.unwrap();
    world.wait_ready("second").await;
    assert_eq!(world.emulator.calls_to(numbers[0]).reads, 2, "the new leader had nothing to do for the first");
}

#[tokio::test]
async fn a_leader_that_was_paused_past_its_lease_writes_no_more() {
    let numbers = many_numbers(200);
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let mut world = World::new(&numbers).await;
    let flags = flags(&world.namespace, &["--wait-scale", "0.05", "--default-check-interval", "2s"]);
    world.operator = Operator::start(&world.namespace, &world.emulator, &flags);
    world.emulator.set_latency(Duration::from_millis(50));
    let old = world.set_default_secrets().await;
    world.apply("storefront", World::spec(&numbers)).await.unwrap();
    world.wait_until("the first leader is at work", || world.emulator.counters().calls.uploads >= 30).await;
    let first = holder(&world).await;
    world.operator.signal("STOP");
    let paused = std::mem::replace(&mut world.operator, Operator::start(&world.namespace, &world.emulator, &flags));

    let new = TestKey::generate();
    world.set_secret("flows-key", "private.pem", &new.private_pem).await;
    let is_done = |resource: &waflows_operator::crd::FlowsEncryptionKey| {
        let status = resource.status.as_ref().unwrap();
        status.public_key_fingerprint.as_ref() == Some(&new.fingerprint)
            && condition_of(resource, ConditionType::Ready).0 == "True"
    };
    world.wait("storefront", "Ready with the new key", is_done).await;
    assert_ne!(holder(&world).await, first);

    let of_old = || {
        let digits = old.fingerprint.strip_prefix("sha256:").unwrap();
        world.emulator.uploads().iter().filter(|upload| upload.fingerprint.as_deref() == Some(digits)).count()
    };
    let before = of_old();
    paused.signal("CONT");
    world.wait_until("the first leader sees that it is none", || paused.log().contains("no longer leading")).await;
    // What had begun before the pause may still arrive; it is found and put right.
    world
        .wait_until("every number holds the new key", || {
            numbers.iter().all(|id| world.at_meta(id) == (Some(new.fingerprint.clone()), Some("VALID".into())))
        })
        .await;
    world.wait("storefront", "Ready with the new key", is_done).await;
    assert!(of_old() <= before + 8, "{} uploads of the old key after the pause", of_old() - before);
}
