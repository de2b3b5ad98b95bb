//! Objects that this version of the operator cannot read: those of a newer definition, after a rollback.

use graph_emulator::Config;
use harness::{Operator, TestKey, World, condition_of, kubectl, new_control_plane};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use waflows_core::api::conditions::ConditionType;

use crate::OPERATOR;

const NUMBERS: [&str; 5] =
    ["106540352242922", "107995438950512", "108811432100233", "109922543211344", "111033654322455"];

/// Lets the API server take any spec, and waits until it does.
pub(crate) async fn accept_any_spec(control_plane: &control_plane::ControlPlane, world: &World) {
    let schema = "/spec/versions/0/schema/openAPIV3Schema";
    let patch = json!([
        // A field selector needs a field of the schema.
        {"op": "remove", "path": "/spec/versions/0/selectableFields"},
        {"op": "replace", "path": format!("{schema}/properties/spec"),
         "value": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
        {"op": "replace", "path": format!("{schema}/required"), "value": []},
    ]);
    kubectl(
        control_plane,
        &["patch", "crd", "flowsencryptionkeys.waflows.dev", "--type=json", "-p", &patch.to_string()],
    );
    let body = json!({
        "apiVersion": "waflows.dev/v1alpha1", "kind": "FlowsEncryptionKey", "metadata": {"name": "no-spec"},
    });
    // The definition is served a moment after it was stored.
    tokio::time::timeout(std::time::Duration::from_secs(60), async {
        let apply = Patch::Apply(&body);
        // The answer cannot be read as a FlowsEncryptionKey, which is intended. Only a refusal is an error here.
        while let Err(kube::Error::Api(_)) = world.resources().patch("no-spec", &PatchParams::apply("t"), &apply).await
        {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the relaxed definition is served");
}

pub(crate) async fn merge_spec(world: &World, name: &str, change: Value) {
    let body = json!({"spec": change});
    match world.resources().patch(name, &PatchParams::default(), &Patch::Merge(&body)).await {
        // The returned object may be unreadable.
        Ok(_) | Err(kube::Error::SerdeError(_)) => {}
        Err(error) => panic!("{name}: {error}"),
    }
}

pub(crate) fn is_reported(operator: &Operator, namespace: &str, name: &str) -> bool {
    let object = format!("{namespace}/{name}");
    operator.log().lines().any(|line| line.contains("cannot be read and is left alone") && line.contains(&object))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_read_is_named_and_left_alone_until_it_is_mended() {
    let control_plane = new_control_plane();
    let flags = ["--default-check-interval", "300ms", "--wait-scale", "0.9"];
    let mut world = World::on(OPERATOR, &control_plane, Config::default(), &NUMBERS, &flags).await;
    let old = world.set_default_secrets().await;
    let [known, good, mode, numbers, later] = NUMBERS;
    world.apply("known", World::spec(&[known])).await.unwrap();
    world.apply("good", World::spec(&[good])).await.unwrap();
    world.wait_ready("known").await;
    world.wait_ready("good").await;
    accept_any_spec(&control_plane, &world).await;

    for (name, id) in [("mode", mode), ("numbers", numbers)] {
        let mut spec = World::spec(&[id]);
        match name {
            "mode" => spec["mode"] = json!("Future"),
            _ => spec["phoneNumberIds"] = json!(7),
        }
        let created = world.apply(name, spec).await;
        assert!(matches!(created, Err(kube::Error::SerdeError(_))), "{created:?}");
    }
    // A resource that the operator worked on becomes unreadable.
    merge_spec(&world, "known", json!({"mode": "Future"})).await;
    let reported = |world: &World| {
        ["no-spec", "mode", "numbers", "known"].iter().all(|name| is_reported(&world.operator, &world.namespace, name))
    };
    world.wait_until("all four are reported", || reported(&world)).await;
    assert!(world.operator.log().contains("was it written for another version of the definition?"));

    // The others go on, with a new key, and after a restart that lists everything again.
    let calls = [known, mode, numbers].map(|id| world.emulator.calls_to(id));
    world.emulator.lose_signature(known).unwrap();
    let new = TestKey::generate();
    world.set_secret("flows-key", "private.pem", &new.private_pem).await;
    world.wait_until("rotated", || world.at_meta(good).0.as_ref() == Some(&new.fingerprint)).await;
    world.operator.terminate();
    world.operator = world.another(&flags);
    world.wait_until("all four are reported", || reported(&world)).await;
    world.roll_out("later", &[later]).await;
    let reads = world.emulator.calls_to(good).reads;
    world.wait_until("checked again", || world.emulator.calls_to(good).reads > reads + 3).await;
    assert_eq!([known, mode, numbers].map(|id| world.emulator.calls_to(id)), calls, "not a call for any of them");
    assert_eq!(world.at_meta(known).0, Some(old.fingerprint));

    // Once mended, the operator works on each at once.
    merge_spec(&world, "known", json!({"mode": "Enforce"})).await;
    merge_spec(&world, "mode", json!({"mode": null})).await;
    merge_spec(&world, "numbers", json!({"phoneNumberIds": [numbers]})).await;
    for (name, id) in [("known", known), ("mode", mode), ("numbers", numbers)] {
        let resource = world.wait_ready(name).await;
        assert_eq!(condition_of(&resource, ConditionType::Stalled).0, "");
        world.wait_until("put on", || world.at_meta(id) == (Some(new.fingerprint.clone()), Some("VALID".into()))).await;
    }
    assert_eq!([known, mode, numbers].map(|id| world.emulator.calls_to(id).uploads), [2, 1, 1]);
}
