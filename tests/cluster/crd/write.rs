//! Who may write what: users the spec, the operator the status, and several managers without removing each other's
//! fields.

use kube::ResourceExt;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{Place, minimal, resource, with};

#[tokio::test]
async fn a_write_of_the_spec_leaves_the_status_and_the_other_way_round() {
    let place = Place::new().await;
    let created = place.apply("storefront", "gitops", &minimal().into()).await;
    assert_eq!(created.data["status"], json!({"observedGeneration": -1}));

    let both = json!({"spec": {"mode": "Observe"}, "status": {"valid": "1/1"}});
    let merge = Patch::Merge(both);
    let after_spec = place.resources().patch("storefront", &PatchParams::default(), &merge).await.unwrap();
    assert_eq!(after_spec.data["spec"]["mode"], "Observe");
    assert_eq!(after_spec.data["status"], json!({"observedGeneration": -1}));
    assert_eq!(after_spec.metadata.generation, Some(2));

    let both = Patch::Merge(json!({"spec": {"mode": "Enforce"}, "status": {"valid": "1/1"}}));
    let after_status = place.resources().patch_status("storefront", &PatchParams::default(), &both).await.unwrap();
    assert_eq!(after_status.data["spec"]["mode"], "Observe");
    assert_eq!(after_status.data["status"], json!({"observedGeneration": -1, "valid": "1/1"}));
    assert_eq!(after_status.metadata.generation, Some(2), "a status is no change of the spec");
}

#[tokio::test]
async fn a_status_brought_along_at_creation_is_dropped() {
    let place = Place::new().await;
    let mut object = resource("storefront", "spec", &minimal().into());
    object["status"] = json!({"valid": "1/1", "observedGeneration": 1});
    let object = serde_json::from_value(object).unwrap();
    let created = place.resources().create(&PostParams::default(), &object).await.unwrap();
    assert_eq!(created.data["status"], json!({"observedGeneration": -1}));
}

#[tokio::test]
async fn applying_the_same_again_changes_nothing_whoever_does_it() {
    let place = Place::new().await;
    let spec = with(json!({"checkInterval": "30m", "phoneNumberIds": ["2", "1"]}));
    place.apply("storefront", "gitops", &spec).await;
    // The first write after the creation stores the default status.
    let first = place.apply("storefront", "gitops", &spec).await;
    let again = place.apply("storefront", "gitops", &spec).await;
    assert_eq!(again, first, "not even the resourceVersion");

    let second = place.apply("storefront", "other", &spec).await;
    assert_eq!(second.data, first.data);
    assert_eq!(second.metadata.generation, Some(1));
    let both = place.resources().get("storefront").await.unwrap().resource_version();
    let third = place.apply("storefront", "other", &spec).await;
    assert_eq!(third.resource_version(), both);
}

#[tokio::test]
async fn two_managers_add_phone_number_ids_to_one_set() {
    let place = Place::new().await;
    place.apply("storefront", "gitops", &with(json!({"phoneNumberIds": ["1", "2"]}))).await;
    let merged = place.apply("storefront", "other", &json!({"phoneNumberIds": ["3", "2"]})).await;
    assert_eq!(ids(&merged.data), ["1", "2", "3"]);

    // What only one of them listed goes with it; what the other lists stays.
    let left = place.apply("storefront", "gitops", &with(json!({"phoneNumberIds": ["1"]}))).await;
    assert_eq!(ids(&left.data), ["1", "2", "3"]);
    let left = place.apply("storefront", "other", &json!({"phoneNumberIds": ["3"]})).await;
    assert_eq!(ids(&left.data), ["1", "3"]);
}

fn ids(object: &Value) -> Vec<&str> {
    let mut ids: Vec<_> = object["spec"]["phoneNumberIds"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn a_secret_ref_changes_as_a_whole() {
    let place = Place::new().await;
    place.apply("storefront", "gitops", &minimal().into()).await;
    let other =
        Patch::Apply(resource("storefront", "spec", &json!({"privateKeySecretRef": {"name": "new", "key": "k"}})));
    let refused = place.resources().patch("storefront", &PatchParams::apply("other"), &other).await;
    let kube::Error::Api(conflict) = refused.unwrap_err() else { panic!("no answer of the API server") };
    assert!(
        conflict.is_conflict() && conflict.message.ends_with("conflict with \"gitops\": .spec.privateKeySecretRef"),
        "{conflict:?}"
    );
}

#[tokio::test]
async fn conditions_merge_by_type() {
    let place = Place::new().await;
    place.apply("storefront", "gitops", &minimal().into()).await;
    let condition = |kind: &str| json!({"type": kind, "status": "True", "reason": "Tested", "message": "", "lastTransitionTime": "2026-11-22T10:00:00Z"});
    let conditions =
        |kinds: &[&str]| json!({"conditions": kinds.iter().map(|kind| condition(kind)).collect::<Vec<_>>()});
    place.apply_status("storefront", "waflows-operator", &conditions(&["Ready", "KeyLoaded"])).await.unwrap();
    let merged = place.apply_status("storefront", "other", &conditions(&["Approved"])).await.unwrap();
    let expected = ["Ready", "KeyLoaded", "Approved"].map(condition);
    assert_eq!(merged.data["status"]["conditions"], json!(expected));

    let without_one = place.apply_status("storefront", "waflows-operator", &conditions(&["Ready"])).await.unwrap();
    assert_eq!(without_one.data["status"]["conditions"], json!(["Ready", "Approved"].map(condition)));
    assert!(place.apply_status("storefront", "third", &conditions(&["Ready", "Ready"])).await.is_err());
}
