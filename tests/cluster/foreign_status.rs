//! Another field manager writes to the status. The status belongs to the operator alone.

use harness::{World, condition_of};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::FlowsEncryptionKey;

use crate::OPERATOR;

const NUMBERS: [&str; 2] = ["106540352242922", "107995438950512"];

fn theirs(kind: &str) -> Value {
    json!({
        "type": kind, "status": "True", "reason": "Theirs", "message": "By another hand.",
        "lastTransitionTime": "2026-11-22T10:00:00Z",
    })
}

/// The other one applies it to the status.
async fn interfere(world: &World, status: Value) {
    apply_status(world, "another", status).await;
}

async fn apply_status(world: &World, manager: &str, status: Value) {
    let body = json!({"apiVersion": "waflows.dev/v1alpha1", "kind": "FlowsEncryptionKey", "status": status});
    world
        .resources()
        .patch_status("storefront", &PatchParams::apply(manager).force(), &Patch::Apply(body))
        .await
        .unwrap();
}

/// Who owns which fields of the status, or of the spec: manager, operation, and the top-level fields. Entries for
/// labels alone do not count: Kubernetes 1.33 drops them when somebody applies a status.
fn owners(resource: &FlowsEncryptionKey, of_status: bool) -> Vec<(&str, &str, Vec<&str>)> {
    let entries = resource.metadata.managed_fields.iter().flatten();
    let entries = entries.filter(|entry| entry.subresource.as_deref().is_some() == of_status);
    let part = if of_status { "f:status" } else { "f:spec" };
    entries
        .map(|entry| {
            let fields = entry.fields_v1.as_ref().and_then(|fields| fields.0[part].as_object());
            let names = fields.into_iter().flat_map(|fields| fields.keys()).filter_map(|name| name.strip_prefix("f:"));
            (entry.manager.as_deref().unwrap(), entry.operation.as_deref().unwrap(), names.collect::<Vec<_>>())
        })
        .filter(|(_, _, names)| !names.is_empty())
        .collect()
}

fn types(resource: &FlowsEncryptionKey) -> Vec<&str> {
    let conditions = resource.status.iter().flat_map(|status| &status.conditions);
    conditions.map(|condition| condition.type_.as_str()).collect()
}

#[tokio::test]
async fn conditions_that_contradict_the_operator_s_go_at_once() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    let before = world.roll_out("storefront", &NUMBERS).await;
    for conditions in [json!([theirs("Reconciling"), theirs("Stalled")]), json!([theirs("Stalled"), theirs("Ours")])] {
        interfere(&world, json!({"conditions": conditions})).await;
        let resource =
            world.wait("storefront", "the operator's alone", |resource| types(resource) == types(&before)).await;
        let ready = |resource| condition_of(resource, ConditionType::Ready);
        assert_eq!(ready(&resource), ready(&before));
    }
    assert_eq!(world.emulator.counters().calls.uploads, 2);

    // The same while work is suspended, without a call to Meta.
    let reads = world.emulator.counters().calls.reads;
    let mut spec = World::spec(&NUMBERS);
    spec["suspend"] = json!(true);
    world.apply("storefront", spec).await.unwrap();
    world.wait_ready("storefront").await;
    interfere(&world, json!({"conditions": [theirs("Reconciling"), theirs("Stalled")]})).await;
    world.wait("storefront", "the operator's alone", |resource| types(resource) == types(&before)).await;
    assert_eq!(world.emulator.counters().calls.reads, reads);
}

#[tokio::test]
async fn a_status_that_is_deleted_is_back_at_once_without_an_upload() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    let before = world.roll_out("storefront", &NUMBERS).await;
    let nothing = Patch::Merge(json!({"status": null}));
    world.resources().patch_status("storefront", &PatchParams::default(), &nothing).await.unwrap();
    let resource = world.wait("storefront", "observed", |it| types(it) == types(&before)).await;
    assert_eq!(condition_of(&resource, ConditionType::Ready).0, "True");
    assert_eq!(world.emulator.counters().calls.uploads, 2);
}

#[tokio::test]
async fn whatever_else_is_there_goes_with_the_next_check() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    let before = world.roll_out("storefront", &NUMBERS).await;
    let number = json!({"phoneNumberId": NUMBERS[0], "state": "Refused", "message": "By another hand."});
    interfere(
        &world,
        json!({
            "valid": "9/9",
            "shortFingerprint": "sha256:theirs",
            "suspendedSince": "2026-11-22T10:00:00Z",
            "phoneNumbers": [number],
            "conditions": [theirs("Ours")],
        }),
    )
    .await;
    let resource = world.sync("storefront", "now").await;
    let status = |resource: &FlowsEncryptionKey| {
        let status = resource.status.clone().unwrap();
        let numbers: Vec<_> = status.phone_numbers.iter().map(|n| (n.phone_number_id.clone(), n.state)).collect();
        (status.valid, status.short_fingerprint, status.suspended_since, numbers)
    };
    assert_eq!(status(&resource), status(&before));
    assert_eq!(types(&resource), types(&before));
    assert_eq!(world.emulator.counters().calls.uploads, 2);
}

/// Version 0.1.0 applied its status (server-side apply), under the same name.
#[tokio::test]
async fn what_an_earlier_version_applied_goes_and_the_fields_of_others_stay() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;
    let labels = Patch::Merge(json!({"metadata": {"labels": {"team": "payments"}, "annotations": {"note": "theirs"}}}));
    let before = world.resources().patch("storefront", &PatchParams::default(), &labels).await.unwrap();
    let mut status = json!(before.status);
    status["suspendedSince"] = json!("2026-11-22T10:00:00Z");
    apply_status(&world, "waflows-operator", status).await;

    let resource = world.sync("storefront", "now").await;
    assert_eq!(resource.status.as_ref().unwrap().suspended_since, None, "a field that is gone stays with nobody");
    let [("waflows-operator", "Apply", applied), ("waflows-operator", "Update", updated)] =
        &owners(&resource, true)[..]
    else {
        panic!("{:?}", resource.metadata.managed_fields)
    };
    let stored = json!(resource.status);
    assert!(applied.iter().all(|field| stored.get(field).is_some()), "{applied:?}");
    // Each field that has changed since belongs to the update alone. Times may be the same: they are whole seconds.
    let before_check = json!(before.status);
    let changed = stored.as_object().unwrap().keys().filter(|field| before_check.get(*field) != stored.get(*field));
    for field in changed {
        assert!(
            updated.contains(&field.as_str()) && !applied.contains(&field.as_str()),
            "{field}: {applied:?}, {updated:?}"
        );
    }

    assert_eq!(owners(&resource, false), owners(&before, false));
    assert_eq!((&resource.spec, &resource.metadata.labels), (&before.spec, &before.metadata.labels));
    assert_eq!(resource.metadata.annotations.as_ref().unwrap()["note"], "theirs");
}
