//! The installation without Helm: the chart with its default values, by `kubectl apply -k`.

use std::path::Path;
use std::process::Command;

use harness::process::run;
use serde_json::{Value, json};

use crate::chart::{Objects, copy};
use crate::cluster::Cluster;
use crate::pod::Pod;
use crate::scene::wait_until;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/install");

#[test]
fn the_manifest_is_what_the_chart_renders() {
    let printed = run(&mut Command::new(format!("{FOLDER}/render")), "");
    assert!(printed.is_success(), "{}", printed.stderr);
    let stored = include_str!("../../install/operator.yaml");
    assert!(printed.stdout == stored, "install/operator.yaml is not what the chart renders: run `make chart`");
    assert!(!stored.to_lowercase().contains("helm"), "it says something of Helm");
}

#[test]
fn one_command_installs_all_that_the_operator_needs() {
    let cluster = Cluster::start();
    let apply = ["apply", "--server-side", "--validate=strict", "-k", FOLDER];
    let printed = cluster.try_kubectl(&apply, "");
    assert!(printed.is_success(), "{}", printed.stderr);
    // The creation of the Deployment would warn about pods that the namespace does not allow.
    assert_eq!(printed.stderr, "");
    assert_eq!(cluster.kubectl(&["diff", "--server-side", "-k", FOLDER], ""), "");

    let mut objects = rendered(&cluster, FOLDER);
    let image = &objects.deployment()["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(*image, format!("registry.example.com/team/waflows-operator:{}", env!("CARGO_PKG_VERSION")));
    serve_anywhere(&mut objects);
    let pod = Pod::start(&cluster, &objects, "pod");
    let resource = include_str!("../../examples/minimal.yaml");
    cluster.kubectl(&["wait", "--for=condition=Established", "crd/flowsencryptionkeys.waflows.dev"], "");
    cluster.kubectl(&["apply", "-f", "-"], resource);
    // The operator waits for the Secrets of the example. That takes every right except the right to publish an event.
    let wait = ["wait", "--for=condition=Reconciling", "fek/storefront", "--timeout=60s"];
    let printed = cluster.try_kubectl(&wait, "");
    assert!(printed.is_success(), "{}\nlog:\n{}", printed.stderr, pod.log());
    drop(pod);

    for command in how_to_remove_the_operator_alone() {
        cluster.kubectl(&command.split(' ').collect::<Vec<_>>(), "");
    }
    assert!(cluster.has("default", "fek/storefront"), "the definition and its resources stay");
    let of_the_operator = cluster.kubectl(&["get", "clusterroles,clusterrolebindings", "-o", "name"], "");
    assert!(!of_the_operator.contains("waflows"), "{of_the_operator}");
}

#[test]
fn in_another_namespace_there_is_a_leader_as_well() {
    let cluster = Cluster::start();
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(FOLDER), &folder.path().join("install"));
    std::fs::write(folder.path().join("kustomization.yaml"), "namespace: elsewhere\nresources: [install]\n").unwrap();
    let folder = folder.path().to_str().unwrap();
    cluster.kubectl(&["apply", "--server-side", "--validate=strict", "-k", folder], "");
    assert!(!cluster.has("", "namespace/waflows"));

    let mut objects = rendered(&cluster, folder);
    serve_anywhere(&mut objects);
    let pod = Pod::start(&cluster, &objects, "pod");
    wait_until(&pod, "leading", || pod.log().contains("\"message\":\"leading\""));
    let holder = &cluster.get("elsewhere", &["lease/waflows-operator"])["spec"]["holderIdentity"];
    assert!(holder.as_str().unwrap().starts_with("pod_"), "{holder}");
    pod.assert_never_refused();
}

/// What `docs/operations.md` says, without the word `kubectl`.
fn how_to_remove_the_operator_alone() -> Vec<&'static str> {
    let (_, text) = include_str!("../../docs/operations.md").split_once("kubectl delete -k install").unwrap();
    let block = text.split("```sh install\n").nth(1).unwrap().split("```").next().unwrap();
    block.lines().map(|line| line.strip_prefix("kubectl ").unwrap()).collect()
}

fn rendered(cluster: &Cluster, folder: &str) -> Objects {
    let objects: Vec<Value> = serde_saphyr::from_multiple(&cluster.kubectl(&["kustomize", folder], "")).unwrap();
    Objects(objects)
}

/// Other tests have their pods on the same machine.
fn serve_anywhere(objects: &mut Objects) {
    let deployment = objects.of_kind_mut("Deployment").next().unwrap();
    let arguments = &mut deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    arguments.as_array_mut().unwrap().push(json!("--http-address=127.0.0.1:0"));
}
