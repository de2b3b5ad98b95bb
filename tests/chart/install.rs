//! The installation without Helm: the chart with its default values, by `kubectl apply -k`.

use std::path::Path;
use std::process::Command;

use harness::process::run;
use serde_json::{Value, json};

use crate::admission::install_definitions_of_the_prometheus_operator;
use crate::chart::{Objects, copy};
use crate::cluster::Cluster;
use crate::pod::Pod;
use crate::scene::wait_until;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/install");

#[test]
fn the_manifests_are_what_the_chart_renders() {
    let manifests =
        [("crds", "crds.yaml"), ("operator", "operator.yaml"), ("monitoring", "components/monitoring/monitoring.yaml")];
    for (name, file) in manifests {
        let printed = run(Command::new(format!("{FOLDER}/render")).arg(name), "");
        assert!(printed.is_success(), "{}", printed.stderr);
        let stored = std::fs::read_to_string(format!("{FOLDER}/{file}")).unwrap();
        assert!(printed.stdout == stored, "install/{file} is not what the chart renders: run `make chart`");
        assert!(!stored.to_lowercase().contains("helm"), "{file} says something of Helm");
    }
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
    assert!(cluster.has("", "namespace/waflows"), "the namespace may have resources");
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

/// All of them together, with the rights and the environment that they leave.
#[test]
fn the_components_make_two_replicas_that_see_their_own_namespace_alone() {
    install_definitions_of_the_prometheus_operator();
    let cluster = Cluster::shared();
    let namespace = cluster.namespace();
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(FOLDER), &folder.path().join("install"));
    let components = ["namespaced", "ha", "monitoring"].map(|name| format!("install/components/{name}"));
    let resources = ["install/crds.yaml", "install/operator.yaml"];
    let images = json!([{"name": "waflows-operator", "newName": "registry.example.com/team/waflows-operator"}]);
    let kustomization =
        json!({"namespace": namespace, "resources": resources, "components": components, "images": images});
    std::fs::write(folder.path().join("kustomization.yaml"), kustomization.to_string()).unwrap();
    let mut objects = rendered(cluster, folder.path().to_str().unwrap());
    assert_eq!(objects.deployment()["spec"]["replicas"], 2);
    assert_eq!(objects.of_kind("ClusterRoleBinding").count(), 0);
    assert_eq!(own_role(&objects)["rules"], own_role(&of_the_chart(&namespace))["rules"]);

    assert_eq!(objects.of_kind("Namespace").count(), 0, "the namespace is somebody else's");

    objects.0.retain(|object| object["kind"] != "CustomResourceDefinition");
    let printed = cluster.try_kubectl(&["apply", "--server-side", "--validate=strict", "-f", "-"], &objects.list());
    assert!(printed.is_success() && printed.stderr.is_empty(), "{}", printed.stderr);
    serve_anywhere(&mut objects);
    let pod = Pod::start(cluster, &objects, "pod");
    let resource = include_str!("../../examples/minimal.yaml");
    cluster.kubectl(&["-n", &namespace, "apply", "-f", "-"], resource);
    let wait = ["-n", &namespace, "wait", "--for=condition=Reconciling", "fek/storefront", "--timeout=60s"];
    let printed = cluster.try_kubectl(&wait, "");
    assert!(printed.is_success(), "{}\nlog:\n{}", printed.stderr, pod.log());
    pod.assert_never_refused();
}

fn of_the_chart(namespace: &str) -> Objects {
    Objects::render(Cluster::shared(), "flows", namespace, &json!({"watch": {"namespaces": [namespace]}}))
}

/// The Role of the operator itself, not of its election.
fn own_role(objects: &Objects) -> &Value {
    let is_own = |role: &&Value| role["rules"][0]["resources"] == json!(["flowsencryptionkeys"]);
    objects.of_kind("Role").find(is_own).expect("a Role for the resources")
}

/// What `docs/operations.md` says, without the word `kubectl`.
fn how_to_remove_the_operator_alone() -> Vec<&'static str> {
    let (_, text) = include_str!("../../docs/operations.md").split_once("kubectl delete -k install").unwrap();
    let block = text.split("<!-- install -->\n```sh\n").nth(1).unwrap().split("```").next().unwrap();
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
