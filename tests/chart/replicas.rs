//! Replicas: ready, taking turns.

use serde_json::Value;

use crate::chart::Objects;
use crate::pod::Pod;
use crate::scene::{Scene, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_takes_over_in_the_whole_cluster() {
    let scene = Scene::new().await;
    let objects = scene.cluster_wide();
    tokio::task::block_in_place(|| take_over(&scene, &objects));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_takes_over_in_some_namespaces() {
    let scene = Scene::new().await;
    let objects = scene.scoped();
    tokio::task::block_in_place(|| take_over(&scene, &objects));
}

fn take_over(scene: &Scene, objects: &Objects) {
    scene.install(objects);
    let mut first = scene.start(objects, "flows-0");
    wait_until(&first, "leading", || leads(scene, "flows-0"));
    let mut second = scene.start(objects, "flows-1");
    scene.wait_ready(&first);
    wait_until(&second, "ready while it waits", || probes_succeed(objects, &second));
    assert!(leads(scene, "flows-0"));

    assert_eq!(first.terminate(), Some(0));
    wait_until(&second, "leading", || leads(scene, "flows-1"));
    let before = fingerprint(scene);
    scene.set_key();
    wait_until(&second, "rotated", || fingerprint(scene) != before);
    scene.wait_ready(&second);
    assert_eq!(second.terminate(), Some(0));
    for pod in [first, second] {
        pod.assert_never_refused();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_without_rights_lives_and_is_not_ready() {
    let scene = Scene::new().await;
    let mut objects = scene.scoped();
    for role in objects.of_kind_mut("Role") {
        role["rules"].as_array_mut().unwrap().retain(|rule| rule["resources"] != serde_json::json!(["secrets"]));
    }
    tokio::task::block_in_place(|| {
        scene.install(&objects);
        let pod = scene.start(&objects, "flows-0");
        // From here on it has tried, and has the API server's answer.
        wait_until(&pod, "refused", || pod.log().contains("cannot list resource \"secrets\""));
        wait_until(&pod, "alive", || probe(&objects, &pod, "livenessProbe") == Some(200));
        // What it says of the API server it says until that has answered for the first time.
        let incomplete = "the lists of FlowsEncryptionKeys and Secrets are not complete\n";
        wait_until(&pod, "held up by the lists alone", || pod.page("/readyz") == Some((503, incomplete.to_owned())));
        assert_eq!(probe(&objects, &pod, "readinessProbe"), Some(503));
    });
}

fn leads(scene: &Scene, pod: &str) -> bool {
    if !scene.cluster.has(&scene.namespace, "lease/flows-waflows-operator") {
        return false;
    }
    let lease = scene.cluster.get(&scene.namespace, &["lease", "flows-waflows-operator"]);
    lease["spec"]["holderIdentity"].as_str().is_some_and(|holder| holder.starts_with(&format!("{pod}_")))
}

fn fingerprint(scene: &Scene) -> Value {
    let number = scene.emulator.number(crate::scene::NUMBER).unwrap();
    number.fingerprint.as_deref().into()
}

fn probes_succeed(objects: &Objects, pod: &Pod) -> bool {
    ["livenessProbe", "readinessProbe"].iter().all(|name| probe(objects, pod, name) == Some(200))
}

/// What a probe of the Deployment is answered; nothing before the pod listens.
fn probe(objects: &Objects, pod: &Pod, name: &str) -> Option<u16> {
    let container = &objects.deployment()["spec"]["template"]["spec"]["containers"][0];
    let probe = &container[name]["httpGet"];
    assert_eq!(probe["port"], container["ports"][0]["name"]);
    let path = probe["path"].as_str().unwrap();
    Some(pod.page(path)?.0)
}
