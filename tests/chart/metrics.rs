//! Metrics on an address of their own, for those who may read them: with the rights that the chart grants, and no others.

use harness::http;
use harness::wait::{PATIENCE, blocking_until};
use serde_json::json;

use crate::chart::Objects;
use crate::cluster::Cluster;
use crate::pod::Pod;

#[test]
fn metrics_are_for_those_who_may_read_them() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace();
    let values = json!({
        "crds": {"install": false}, "watch": {"namespaces": [namespace]},
        "extraArgs": ["--http-address=127.0.0.1:0", "--metrics-address=127.0.0.1:0"],
        "metrics": {"authorization": true, "address": "127.0.0.1:9090"},
    });
    let objects = Objects::render(cluster, "flows", &namespace, &values);
    cluster.kubectl(&["apply", "--server-side", "-f", "-"], &objects.list());
    for account in ["prometheus", "stranger"] {
        cluster.kubectl(&["-n", &namespace, "create", "serviceaccount", account], "");
    }
    let reader = format!("--clusterrole={namespace}:flows-waflows-operator-metrics-reader");
    let prometheus = format!("--serviceaccount={namespace}:prometheus");
    cluster.kubectl(&["create", "clusterrolebinding", &format!("{namespace}-prometheus"), &reader, &prometheus], "");
    let pod = Pod::start(cluster, &objects, "pod");
    let address = || metrics_address(&pod.log());
    assert!(blocking_until(PATIENCE, || address().is_some()), "{}", pod.log());
    let address = address().unwrap();

    let status = |token: Option<&str>| {
        let header = token.map(|token| format!("Authorization: Bearer {token}"));
        http::get_with(&address, "/metrics", header.as_deref()).map(|(status, _)| status)
    };
    let token = |account| cluster.kubectl(&["-n", &namespace, "create", "token", account], "");
    assert_eq!(status(None), Some(401));
    assert_eq!(status(Some("forged")), Some(401));
    assert_eq!(status(Some(token("stranger").trim())), Some(403));
    // RBAC learns of the binding a moment after it is stored.
    let of_prometheus = token("prometheus");
    let admitted = || status(Some(of_prometheus.trim())) == Some(200);
    assert!(blocking_until(PATIENCE, admitted), "{}", pod.log());

    // Each has its own address.
    assert_eq!(pod.page("/metrics").unwrap().0, 404);
    assert!(pod.page("/readyz").is_some_and(|(status, _)| status != 404));
    assert_eq!(http::get(&address, "/readyz").unwrap().0, 404);
    pod.assert_never_refused();
}

/// The address that the log names.
fn metrics_address(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("\"metrics_address\":\"")?;
    rest.split('"').next().map(str::to_owned)
}
