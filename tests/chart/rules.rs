//! The operator's rights: enough, and nothing more.

use serde_json::{Value, json};

use crate::chart::Objects;
use crate::scene::{NUMBER, Scene, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_suffice_in_the_whole_cluster() {
    let scene = Scene::new().await;
    let objects = scene.cluster_wide();
    assert_eq!(objects.of_kind("ClusterRoleBinding").count(), 1);
    tokio::task::block_in_place(|| work(&scene, &objects));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_suffice_in_some_namespaces() {
    let scene = Scene::new().await;
    let objects = scene.scoped();
    assert_eq!(objects.of_kind("ClusterRoleBinding").count(), 0);
    tokio::task::block_in_place(|| work(&scene, &objects));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_suffice_in_namespaces_with_a_label() {
    let scene = Scene::new().await;
    let objects = scene.labelled();
    tokio::task::block_in_place(|| work(&scene, &objects));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_to_watch_namespaces_is_needed_for_their_labels() {
    let scene = Scene::new().await;
    let mut objects = scene.labelled();
    let rules = objects.of_kind_mut("ClusterRole").flat_map(|role| role["rules"].as_array_mut().unwrap());
    let rule = rules.into_iter().find(|rule| rule["resources"] == json!(["namespaces"])).unwrap();
    rule["verbs"] = json!(["watch"]);
    tokio::task::block_in_place(|| {
        scene.install(&objects);
        let pod = scene.start(&objects, "flows-0");
        wait_until(&pod, "logged", || pod.log().contains("cannot list resource \"namespaces\""));
        assert!(pod.page("/readyz").is_some_and(|(status, _)| status == 503), "nothing is known of the namespaces");
        assert_eq!(scene.emulator.counters().calls.total(), 0);
    });
}

/// Everything that the operator does, without ever being refused.
fn work(scene: &Scene, objects: &Objects) {
    scene.install(objects);
    let mut pod = scene.start(objects, "flows-0");
    scene.wait_ready(&pod);
    assert!(scene.emulator.number(NUMBER).unwrap().fingerprint.is_some());
    wait_until(&pod, "published", || scene.events().iter().any(|event| event["reason"] == "KeyUploaded"));
    let lease = || scene.cluster.get(&scene.namespace, &["lease", "flows-waflows-operator"]);
    let renewed = lease()["spec"]["renewTime"].clone();
    scene.keep_busy_until(&pod, "published again as one series, and the Lease renewed", || {
        scene.events().iter().any(|event| event["series"]["count"].as_u64() >= Some(2))
            && lease()["spec"]["renewTime"] != renewed
    });
    assert_eq!(pod.terminate(), Some(0));
    pod.assert_never_refused();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_single_right_is_needed() {
    let scene = Scene::new().await;
    let rights = rights(&scene.scoped());
    assert!(rights.len() >= 10, "{rights:?}");
    let tasks: Vec<_> = rights.into_iter().map(|right| tokio::spawn(is_missed(right))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Runs the operator without this right, and waits for it to complain of just that.
async fn is_missed(right: Right) {
    let scene = Scene::new().await;
    let mut objects = scene.scoped();
    right.take_from(&mut objects);
    let complaint = match (right.resource.as_str(), right.verb.as_str()) {
        ("secrets", "get") => "The operator may not read Secret".to_owned(),
        (resource, verb) => format!("cannot {verb} resource \"{resource}\""),
    };
    tokio::task::block_in_place(|| {
        scene.install(&objects);
        let pod = scene.start(&objects, "flows-0");
        scene.keep_busy_until(&pod, &complaint, || pod.log().contains(&complaint));
    });
}

/// A verb on a resource.
#[derive(Debug)]
pub(crate) struct Right {
    group: String,
    pub(crate) resource: String,
    pub(crate) verb: String,
}

impl Right {
    pub(crate) fn take_from(&self, objects: &mut Objects) {
        let mut taken = 0;
        for rule in objects.of_kind_mut("Role").flat_map(|role| role["rules"].as_array_mut().unwrap()) {
            if rule["apiGroups"] == json!([self.group]) && rule["resources"] == json!([self.resource]) {
                let verbs = rule["verbs"].as_array_mut().unwrap();
                let before = verbs.len();
                verbs.retain(|verb| *verb != self.verb.as_str());
                taken += before - verbs.len();
            }
        }
        assert_eq!(taken, 1, "{self:?} is granted once");
        for role in objects.of_kind_mut("Role") {
            // The API server refuses rules without verbs.
            role["rules"].as_array_mut().unwrap().retain(|rule| rule["verbs"] != json!([]));
        }
    }
}

/// All rights that the Roles grant. Each is for one resource of one group, and none is a wildcard.
pub(crate) fn rights(objects: &Objects) -> Vec<Right> {
    let rules = objects.of_kind("Role").flat_map(|role| role["rules"].as_array().unwrap());
    rules
        .flat_map(|rule| {
            let (group, resource) = (only(&rule["apiGroups"]), only(&rule["resources"]));
            let verbs = rule["verbs"].as_array().unwrap().iter();
            verbs.map(move |verb| Right { group: group.clone(), resource: resource.clone(), verb: text(verb) })
        })
        .collect()
}

fn only(values: &Value) -> String {
    let values = values.as_array().unwrap();
    assert_eq!(values.len(), 1, "{values:?}");
    text(&values[0])
}

fn text(value: &Value) -> String {
    let text = value.as_str().unwrap().to_owned();
    assert_ne!(text, "*");
    text
}
