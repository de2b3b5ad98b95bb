//! What the operator's process reports of an endpoint.

use std::time::Instant;

use endpoint_emulator::{Behaviour, Config, KeyChange};
use harness::TestKey;
use harness::world::World;
use serde_json::{Value, json};
use waflows_core::api::conditions::{ConditionType, find};
use waflows_core::api::crd::FlowsEncryptionKey;
use waflows_core::endpoint::ProbeOutcome;

use crate::scene::Scene;

pub(crate) const OPERATOR: &str = env!("CARGO_BIN_EXE_waflows-operator");
const NUMBERS: [&str; 2] = ["111111111111111", "222222222222222"];
const MARKER: &str = "marker-of-the-endpoint";
const FLAGS: [&str; 2] = ["--endpoint-probes", "--endpoint-allow-loopback"];

/// A resource with an endpoint of this many pods, which have its key.
pub(crate) async fn with_endpoint(replicas: u8, flags: &[&str]) -> (World, Scene, TestKey) {
    let world = World::with_flags(OPERATOR, &NUMBERS, flags).await;
    let key = world.set_default_secrets().await;
    let config = Config { replicas, ..Config::default() };
    let client = harness::cluster::client().await;
    let scene = Scene::inside(client, world.namespace.clone(), config, key.clone()).await;
    scene.serve(replicas).await;
    world.apply("storefront", spec()).await.unwrap();
    (world, scene, key)
}

fn spec() -> Value {
    let mut spec = World::spec(&NUMBERS);
    spec["endpoint"] = json!({"service": {"name": "flows", "path": "/flows"}});
    spec
}

/// Waits until a condition has this status and reason.
async fn wait_for(world: &World, kind: ConditionType, status: &str, reason: &str) -> FlowsEncryptionKey {
    let what = format!("{} {status} {reason}", kind.as_str());
    world
        .wait("storefront", &what, |resource| {
            let conditions = resource.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
            find(conditions, kind).is_some_and(|found| found.status == status && found.reason == reason)
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pod_is_asked_and_the_status_says_that_all_have_the_key() {
    let (world, scene, _) = with_endpoint(3, &FLAGS).await;
    let resource = wait_for(&world, ConditionType::EndpointReady, "True", "EndpointProven").await;
    let status = resource.status.unwrap();
    assert_eq!(find(&status.conditions, ConditionType::Available).unwrap().status, "True");
    let endpoint = status.endpoint.unwrap();
    assert_eq!((endpoint.targets, endpoint.opens_key_in_use.as_deref()), (3, Some("3/3")));
    assert_eq!((endpoint.recovers_clients, endpoint.outcome), (Some(true), Some(ProbeOutcome::Proven)));
    assert_eq!(scene.emulator.requests().len(), 6, "each pod, with the key and with a key that nobody has");
}

/// The operator finds the wrong key while the resource is Ready, uploads nothing, and publishes one event.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_with_another_key_is_found_and_reported_once_and_nothing_is_uploaded() {
    let (world, scene, key) = with_endpoint(2, &FLAGS).await;
    wait_for(&world, ConditionType::EndpointReady, "True", "EndpointProven").await;
    let uploads = harness::state::uploads(&world.emulator);
    let other = TestKey::generate();
    scene.emulator.set_keys(1, &[&other.private_pem], KeyChange::Now).unwrap();
    world.request_sync("storefront", "look").await;
    let resource = wait_for(&world, ConditionType::EndpointReady, "False", "EndpointLacksKey").await;
    let status = resource.status.unwrap();
    assert_eq!(find(&status.conditions, ConditionType::Ready).unwrap().status, "True", "Ready is about Meta");
    let endpoint = status.endpoint.unwrap();
    assert_eq!((endpoint.opens_key_in_use.as_deref(), endpoint.http_status), (Some("1/2"), Some(421)));
    let failing: Vec<_> = endpoint.failing.iter().map(|it| (it.target.as_str(), it.outcome)).collect();
    assert_eq!(failing, [("pod/flows-2", ProbeOutcome::WrongKey)]);
    assert_eq!(harness::state::uploads(&world.emulator), uploads);

    scene.emulator.set_keys(1, &[&key.private_pem], KeyChange::Now).unwrap();
    let resource = wait_for(&world, ConditionType::EndpointReady, "True", "EndpointProven").await;
    let endpoint = resource.status.unwrap().endpoint.unwrap();
    // A merge patch must not leave what is gone.
    assert_eq!((endpoint.opens_key_in_use.as_deref(), endpoint.failing.len()), (Some("2/2"), 0));
    let lacks = |reason: &str| {
        let reason = reason.to_owned();
        let world = &world;
        async move { world.events().await.iter().filter(|event| event.reason.as_deref() == Some(&*reason)).count() }
    };
    assert_eq!((lacks("EndpointLacksKey").await, lacks("EndpointProven").await), (1, 1));
}

/// The operator reports only the name of the outcome and the HTTP status, whatever an endpoint answers.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_answer_is_shown() {
    let (world, scene, _) = with_endpoint(1, &FLAGS).await;
    wait_for(&world, ConditionType::EndpointReady, "True", "EndpointProven").await;
    scene.emulator.set_marker(MARKER);
    scene.emulator.set_behaviour(0, Behaviour::Status(500));
    world.request_sync("storefront", "look").await;
    wait_for(&world, ConditionType::EndpointReady, "False", "EndpointAnswerWrong").await;
    for (where_, text) in harness::secrecy::texts(&world).await {
        assert!(!text.contains(MARKER), "{where_}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_flag_no_request_leaves_and_the_condition_names_the_flag() {
    let (world, scene, _) = with_endpoint(1, &[]).await;
    let resource = wait_for(&world, ConditionType::EndpointReady, "False", "EndpointNotAllowed").await;
    let status = resource.status.unwrap();
    assert_eq!(find(&status.conditions, ConditionType::Ready).unwrap().status, "True");
    let message = &find(&status.conditions, ConditionType::EndpointReady).unwrap().message;
    assert!(message.contains("--endpoint-probes"), "{message}");
    assert!(scene.emulator.requests().is_empty());
}

/// While nothing changes, nothing is written, and each target is asked once in a check interval.
#[tokio::test(flavor = "multi_thread")]
async fn at_rest_nothing_is_written() {
    let (world, scene, _) = with_endpoint(2, &FLAGS).await;
    let resource = wait_for(&world, ConditionType::EndpointReady, "True", "EndpointProven").await;
    let version = |resource: &FlowsEncryptionKey| resource.metadata.resource_version.clone();
    let asked = scene.emulator.requests().len();
    // Time goes by until another resource has been reconciled.
    let mut other = World::spec(&NUMBERS[..1]);
    other["mode"] = json!("Observe");
    world.apply("other", other).await.unwrap();
    world.wait_ready("other").await;
    let again = world.resources().get("storefront").await.unwrap();
    assert_eq!(version(&again), version(&resource));
    assert_eq!(scene.emulator.requests().len(), asked);
}

/// Pods that do not answer hold the prober, not the reconciles, and only so many requests are open.
#[tokio::test(flavor = "multi_thread")]
async fn dead_endpoints_delay_no_reconcile() {
    const DEAD: usize = 100;
    let (world, scene, _) = with_endpoint(5, &FLAGS).await;
    wait_for(&world, ConditionType::EndpointReady, "True", "EndpointProven").await;
    (0..5).for_each(|replica| scene.emulator.set_behaviour(replica, Behaviour::Silent));
    scene.emulator.clear_journal();
    let begun = Instant::now();
    for n in 0..DEAD {
        let mut spec = World::spec(&NUMBERS[..1]);
        spec["mode"] = json!("Observe");
        spec["endpoint"] = json!({"service": {"name": "flows", "path": "/flows"}});
        world.apply(&format!("dead-{n}"), spec).await.unwrap();
    }
    for n in 0..DEAD {
        world.wait_ready(&format!("dead-{n}")).await;
    }
    // A request to a silent pod takes ten seconds. Eight resources are asked at a time, with all five of their pods.
    let most = 8 * 5 * (1 + begun.elapsed().as_secs() / 10);
    let asked = scene.emulator.requests().len() as u64;
    assert!(asked <= most, "{asked} requests in {:?}", begun.elapsed());
    let last = world.resources().get(&format!("dead-{}", DEAD - 1)).await.unwrap();
    let endpoint = find(&last.status.unwrap().conditions, ConditionType::EndpointReady).cloned().unwrap();
    assert_eq!(endpoint.status, "Unknown", "it did not wait for an answer: {endpoint:?}");
}
