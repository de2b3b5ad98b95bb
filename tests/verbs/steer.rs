//! `rotate`, `proceed` and `abort` where the operator asks the endpoint.

use std::thread::JoinHandle;

use endpoint_emulator::{Config, Emulator, KeyChange};
use harness::process::Printed;
use harness::{FlowService, TestKey, World};
use serde_json::json;
use waflows_core::api::crd::{FlowsEncryptionKey, RotationPhase};

use crate::OPERATOR;
use crate::rotate::{file_of, held};
use crate::scene::{NUMBERS, verb_in, verb_of};

const FLAGS: [&str; 4] = ["--endpoint-probes", "--endpoint-allow-loopback", "--wait-scale", "0.02"];

/// A resource whose endpoint has two pods with its key.
async fn scene() -> (World, Emulator, TestKey) {
    let world = World::with_flags(OPERATOR, &NUMBERS, &FLAGS).await;
    let key = world.set_default_secrets().await;
    let endpoint = Emulator::start(Config { replicas: 2, ..Config::default() }).await.unwrap();
    endpoint.set_keys_everywhere(&[&key.private_pem], KeyChange::Now).unwrap();
    let (client, namespace) = (world.client.clone(), world.namespace.clone());
    FlowService { client, namespace, port: endpoint.address(0).port() }.serve(1..=2).await.unwrap();
    let mut spec = World::spec(&NUMBERS[..2]);
    spec["endpoint"] = json!({"service": {"name": "flows", "path": "/flows"}});
    world.apply("storefront", spec).await.unwrap();
    world.wait_ready("storefront").await;
    (world, endpoint, key)
}

async fn wait_for(world: &World, phase: RotationPhase) {
    let is_there = |resource: &FlowsEncryptionKey| {
        let rotation = resource.status.as_ref().and_then(|status| status.rotation.as_ref());
        rotation.is_some_and(|rotation| rotation.phase == phase)
    };
    world.wait("storefront", phase.as_str(), is_there).await;
}

/// Runs `rotate` beside the test.
fn rotating(world: &World, key: &TestKey) -> JoinHandle<Printed> {
    let (namespace, file) = (world.namespace.clone(), file_of(key));
    std::thread::spawn(move || {
        let file = file.path().to_str().unwrap();
        verb_of(&namespace, &["rotate", "storefront", "--key-file", file, "--yes"])
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_waits_for_the_endpoint_and_obeys() {
    let (world, endpoint, old) = scene().await;
    let [new, third, fourth] = [TestKey::generate(), TestKey::generate(), TestKey::generate()];

    let waiting = rotating(&world, &new);
    wait_for(&world, RotationPhase::Staged).await;
    let shown = verb_in(&world, &["status", "storefront", "-o", "wide"]).stdout;
    let line = shown.lines().find(|line| line.starts_with("  Rotation: Staged, from sha256:"));
    assert!(line.is_some_and(|line| line.len() <= 100), "{shown}");
    let listed = verb_in(&world, &["status", "storefront", "-o", "json"]).json();
    let rotation = &listed["resources"][0]["rotation"];
    assert_eq!((&rotation["phase"], &rotation["from"]), (&json!("Staged"), &json!(old.fingerprint)), "{listed}");
    assert!(rotation.get("fromPublicKey").is_none(), "{listed}");
    let aborted = verb_in(&world, &["abort", "storefront"]);
    assert!(aborted.code == 0 && aborted.stdout.contains("RolledBack, 2/2 valid"), "{aborted:?}");
    let ended = waiting.join().unwrap();
    assert!(ended.code == 1 && ended.stdout.contains("RolledBack"), "{ended:?}");
    assert!(ended.stdout.contains("No number gets the new key before every target"), "{ended:?}");
    assert_eq!(held(&world), [old.fingerprint.clone(), old.fingerprint]);
    let again = rotating(&world, &new).join().unwrap();
    assert!(again.code == 0 && again.stdout.contains("next: waflows-operator proceed storefront"), "{again:?}");

    let keys = [&*old.private_pem, &*new.private_pem, &*third.private_pem];
    endpoint.set_keys_everywhere(&keys, KeyChange::Now).unwrap();
    let proceeded = verb_in(&world, &["proceed", "storefront"]);
    assert_eq!(proceeded.code, 0, "{proceeded:?}");
    wait_for(&world, RotationPhase::Overlap).await;
    assert_eq!(held(&world), [new.fingerprint.clone(), new.fingerprint]);

    let rotated = rotating(&world, &third).join().unwrap();
    assert!(rotated.code == 0 && rotated.stdout.contains("Overlap, 2/2 valid"), "{rotated:?}");
    let words = rotated.stdout.replace('\n', " ");
    assert!(words.contains("The endpoint must keep the private key of"), "{rotated:?}");
    assert_eq!(verb_in(&world, &["proceed", "storefront"]).code, 0);
    wait_for(&world, RotationPhase::Completed).await;
    assert_eq!(verb_in(&world, &["proceed", "storefront"]).code, 1, "no rotation is going on");

    // The key that the numbers still hold comes back into the Secret.
    let waiting = rotating(&world, &fourth);
    wait_for(&world, RotationPhase::Staged).await;
    let back = verb_in(&world, &["rotate", "storefront", "--back", "--yes"]);
    assert!(back.code == 0 && back.stdout.contains("Done, 2/2 valid"), "{back:?}");
    let ended = waiting.join().unwrap();
    assert!(ended.code == 1 && ended.stdout.contains("Superseded"), "{ended:?}");
    assert_eq!(held(&world), [third.fingerprint.clone(), third.fingerprint]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_loses_the_key_needs_a_person_although_the_resource_is_ready() {
    let (world, endpoint, _) = scene().await;
    let well = verb_in(&world, &["status", "storefront"]);
    assert!(well.code == 0 && !well.stdout.contains("Endpoint"), "{well:?}");
    endpoint.set_keys_everywhere(&[&TestKey::generate().private_pem], KeyChange::Now).unwrap();
    world.request_sync("storefront", "now").await;
    let is_unavailable = |resource: &FlowsEncryptionKey| {
        let conditions = resource.status.iter().flat_map(|status| &status.conditions);
        conditions.into_iter().any(|condition| condition.type_ == "Available" && condition.status == "False")
    };
    world.wait("storefront", "not Available", is_unavailable).await;
    for arguments in [&["status", "storefront"][..], &["status", "--only-bad"]] {
        let shown = verb_in(&world, arguments);
        assert_eq!(shown.code, 1, "{shown:?}");
        assert!(shown.stdout.contains("  Endpoint: EndpointLacksKey: "), "{shown:?}");
    }
    let listed = verb_in(&world, &["status", "storefront", "-o", "json"]).json();
    let resource = &listed["resources"][0];
    assert_eq!(resource["ready"], "True");
    assert!(resource["endpointFault"].as_str().unwrap().starts_with("EndpointLacksKey: "), "{resource}");
}
