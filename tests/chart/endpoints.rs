//! The rights to find the pods of Flow endpoints: enough, nothing more, and only on demand.

use harness::cluster::config;
use kube::Client;
use serde_json::{Value, json};
use waflows_core::api::conditions::{ConditionReason, Reason};
use waflows_operator::endpoint::targets::{Policy, Target, targets};

use crate::chart::Objects;
use crate::cluster::Cluster;
use crate::rules::{Right, rights};

/// The rights that `endpointProbes.enabled` adds, and the words for the lack of each.
const ADDED: [(&str, &str, &str); 3] = [
    ("get", "services", "may not get Services in namespace"),
    ("list", "endpointslices", "may not list EndpointSlices in namespace"),
    ("get", "pods", "may not get Pods in namespace"),
];

/// A namespace with a Service of one pod. Pods of any kind are accepted there.
fn namespace_with_service(cluster: &Cluster) -> String {
    let namespace = cluster.namespace();
    cluster.kubectl(&["label", "namespace", &namespace, "pod-security.kubernetes.io/enforce-"], "");
    let wait = ["-n", &namespace, "wait", "--for=create", "serviceaccount/default", "--timeout=60s"];
    cluster.kubectl(&wait, "");
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "flows"},
            "spec": {"selector": {"app": "flows"}, "ports": [{"name": "http", "port": 80}]},
        },
        {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "flows-0", "labels": {"app": "flows"}},
            "spec": {"containers": [{"name": "flows", "image": "flows"}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "flows-x", "labels": {"kubernetes.io/service-name": "flows"}},
            "ports": [{"name": "http", "port": 8080}],
            "endpoints": [{
                "addresses": ["10.244.0.7"],
                "targetRef": {"kind": "Pod", "namespace": namespace, "name": "flows-0"},
            }],
        },
    ]});
    cluster.kubectl(&["-n", &namespace, "apply", "--server-side", "-f", "-"], &objects.to_string());
    let status = json!({"status": {"phase": "Running", "podIPs": [{"ip": "10.244.0.7"}], "podIP": "10.244.0.7"}});
    let patch = ["-n", &namespace, "patch", "pod", "flows-0", "--subresource=status", "--type=merge", "--patch"];
    cluster.kubectl(&[&patch[..], &[&status.to_string()]].concat(), "");
    namespace
}

/// Renders a release that finds pods.
fn render(cluster: &Cluster, namespace: &str, mut values: Value) -> Objects {
    values["crds"] = json!({"install": false});
    values["endpointProbes"] = json!({"enabled": true});
    Objects::render(cluster, "flows", namespace, &values)
}

/// What a release that has these objects finds.
async fn find(cluster: &Cluster, objects: &Objects, namespace: &str) -> Result<Vec<Target>, ConditionReason> {
    cluster.kubectl(&["apply", "--server-side", "-f", "-"], &objects.list());
    let token = cluster.kubectl(&["-n", namespace, "create", "token", "flows-waflows-operator"], "");
    let kubeconfig = cluster.control_plane.kubeconfig_for_token(token.trim()).unwrap();
    let client = Client::try_from(config(&kubeconfig).await.unwrap()).unwrap();
    let policy = Policy { services: true, ..Policy::default() };
    let endpoint = serde_json::from_value(json!({"service": {"name": "flows"}})).unwrap();
    targets(&client, &policy, namespace, &endpoint).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_suffice_to_find_pods() {
    let cluster = Cluster::shared();
    for is_scoped in [true, false] {
        let namespace = namespace_with_service(cluster);
        let values = if is_scoped { json!({"scopedNamespaces": [namespace]}) } else { json!({}) };
        let found = find(cluster, &render(cluster, &namespace, values), &namespace).await.unwrap();
        assert_eq!(found[0].address.to_string(), "10.244.0.7:8080");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_right_to_find_pods_is_needed() {
    let cluster = Cluster::shared();
    let namespace = namespace_with_service(cluster);
    let scoped = || render(cluster, &namespace, json!({"scopedNamespaces": [namespace]}));
    for right in rights(&scoped()) {
        let Some((.., words)) = ADDED.iter().find(|added| is_same(&right, added)) else { continue };
        let mut objects = scoped();
        right.take_from(&mut objects);
        let refusal = find(cluster, &objects, &namespace).await.unwrap_err();
        assert_eq!(refusal.reason, Reason::EndpointNotAllowed);
        assert!(refusal.message.contains(words), "{}", refusal.message);
    }
}

#[test]
fn there_are_just_these_rights_and_only_on_demand() {
    let cluster = Cluster::shared();
    let values = json!({"scopedNamespaces": ["shop"], "crds": {"install": false}});
    let with = rights(&render(cluster, "shop", values.clone()));
    let without = rights(&Objects::render(cluster, "flows", "shop", &values));
    assert_eq!(with.len(), without.len() + ADDED.len());
    for added in &ADDED {
        let count = |rights: &[Right]| rights.iter().filter(|right| is_same(right, added)).count();
        assert_eq!((count(&with), count(&without)), (1, 0), "{added:?}");
    }
}

fn is_same(right: &Right, (verb, resource, _): &(&str, &str, &str)) -> bool {
    right.verb == *verb && right.resource == *resource
}
