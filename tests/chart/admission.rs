//! A real API server accepts all objects of the chart, also under the strictest Pod Security Standard.

use serde_json::{Value, json};

use crate::chart::Objects;
use crate::cluster::Cluster;
use crate::tools;

#[test]
fn the_defaults_are_accepted() {
    accepts("defaults", &json!({}));
}

#[test]
fn everything_at_once_is_accepted() {
    let cluster = Cluster::shared();
    let folder = tools::prometheus_operator_definitions();
    for kind in ["servicemonitors", "prometheusrules"] {
        let file = format!("{folder}/monitoring.coreos.com_{kind}.yaml");
        cluster.kubectl(&["apply", "--server-side", "-f", &file], "");
        let name = format!("crd/{kind}.monitoring.coreos.com");
        cluster.kubectl(&["wait", "--for=condition=Established", &name, "--timeout=60s"], "");
    }
    accepts("everything", &everything());
}

#[test]
fn a_proxy_and_a_certificate_authority_are_accepted() {
    accepts(
        "proxy",
        &json!({
            "proxy": {"httpProxy": "http://proxy:3128", "httpsProxy": "http://proxy:3128", "noProxy": "10.0.0.0/8,.svc"},
            "caBundle": {"configMapName": "corporate-roots"},
        }),
    );
}

#[test]
fn an_account_and_roles_of_someone_else_are_accepted() {
    accepts(
        "account",
        &json!({
            "serviceAccount": {"create": false},
            "rbac": {"create": false, "aggregateToView": false, "aggregateToEdit": false, "aggregateToAdmin": false},
            "crds": {"install": false},
            "podDisruptionBudget": {"enabled": false},
        }),
    );
}

#[test]
fn names_that_look_like_numbers_are_accepted() {
    let cluster = Cluster::shared();
    cluster.kubectl(&["create", "namespace", "1001"], "");
    cluster.kubectl(&["create", "priorityclass", "1001", "--value=1"], "");
    let names = ["nameOverride", "priorityClassName"].map(|value| (value.to_owned(), json!("1001")));
    let mut values: Value = names.into_iter().collect();
    values["serviceAccount"] = json!({"name": "1001"});
    values["imagePullSecrets"] = json!([{"name": "1001"}]);
    values["caBundle"] = json!({"configMapName": "1001"});
    values["podLabels"] = json!({"number": "1001"});
    accepts_in("1001", "1001", &values);
}

/// A value for nearly every key of values.yaml.
pub(crate) fn everything() -> Value {
    json!({
        "fullnameOverride": "keys",
        "commonLabels": {"team": "messaging"},
        "commonAnnotations": {"example.com/team": "messaging"},
        "replicaCount": 3,
        "image": {"registry": "registry.example.com", "repository": "team/waflows-operator", "digest": format!("sha256:{:064}", 7)},
        "imagePullSecrets": [{"name": "pull"}],
        "crds": {"keep": false, "annotations": {"argocd.argoproj.io/sync-options": "ServerSideApply=true"}},
        "graph": {"url": "https://graph.example.com", "apiVersion": "v26.0", "requestsPerSecond": 0, "concurrency": 1_000_000},
        "concurrency": 1,
        "defaultCheckInterval": "1h30m",
        "selector": "tier in (gold, silver),!retired",
        "scopedNamespaces": ["default", "default", "kube-public"],
        "endpointProbes": {
            "enabled": true, "allowedHosts": ["flows.example.com", "*.example.org", "flows.example.com", "2001:db8::1"],
            "allowPrivateAddresses": true, "allowHostNetwork": true,
        },
        "logFormat": "text",
        "logLevel": "info,kube=debug",
        "leaderElection": {"leaseDuration": "30s", "renewDeadline": "20s"},
        "serviceAccount": {"name": "keys-account", "annotations": {"a/b": "c"}},
        "deploymentAnnotations": {"a/b": "c"},
        "podAnnotations": {"a/b": "c"},
        "podLabels": {"a": "b"},
        "resources": {"requests": {"cpu": 1}, "limits": {"memory": "1Gi"}},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}]},
        ]}}},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"},
        ],
        "priorityClassName": "system-cluster-critical",
        "terminationGracePeriodSeconds": 60,
        "revisionHistoryLimit": 2,
        "livenessProbe": {"initialDelaySeconds": 1, "periodSeconds": 20, "timeoutSeconds": 5, "failureThreshold": 2},
        "readinessProbe": {"periodSeconds": 5},
        "dnsConfig": {"nameservers": ["10.0.0.10"], "searches": ["example.com"], "options": [{"name": "ndots", "value": "1"}]},
        "strategy": {"type": "Recreate"},
        "extraEnv": [{"name": "RUST_BACKTRACE", "value": "1"}],
        "httpAddress": "[::]:9090",
        "extraEnvFrom": [{"secretRef": {"name": "tracing"}}],
        "extraArgs": ["--allow-http-graph-url"],
        "extraVolumes": [{"name": "scratch", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
        "proxy": {"httpsProxy": "http://proxy:3128"},
        "caBundle": {"configMapName": "roots", "key": "roots.pem"},
        "podDisruptionBudget": {"minAvailable": "50%"},
        "networkPolicy": {"enabled": true},
        "metrics": {"annotations": {"prometheus.io/scrape": "true"}, "perResource": false},
        "serviceMonitor": {
            "enabled": true, "additionalLabels": {"release": "prometheus"}, "interval": "1m", "scrapeTimeout": "10s",
            "relabelings": [{"action": "labeldrop", "regex": "pod"}],
            "metricRelabelings": [{"action": "drop", "sourceLabels": ["__name__"], "regex": "waflows_build_info"}],
        },
        "prometheusRule": {
            "enabled": true, "additionalLabels": {"release": "prometheus"}, "runbookUrl": "https://wiki.example.com/flows",
        },
        "grafanaDashboard": {"enabled": true, "annotations": {"grafana_folder": "Messaging"}, "labels": {"dashboards": "yes"}},
    })
}

fn accepts(release: &str, values: &Value) {
    accepts_in(&Cluster::shared().namespace(), release, values);
}

fn accepts_in(namespace: &str, release: &str, values: &Value) {
    let cluster = Cluster::shared();
    let objects = Objects::render(cluster, release, namespace, values);
    let server_side =
        ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-"];
    let printed = cluster.try_kubectl(&server_side, &objects.list());
    assert!(printed.is_success(), "{}", printed.stderr);
    // For the pods of a Deployment, Pod Security only warns.
    assert_eq!(printed.stderr, "");

    let mut pod = objects.deployment()["spec"]["template"].clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!("pod");
    for account in objects.of_kind("ServiceAccount") {
        cluster.kubectl(&["apply", "--server-side", "-f", "-"], &account.to_string());
    }
    let printed = cluster.try_kubectl(
        &["-n", namespace, "create", "--dry-run=server", "--validate=strict", "-f", "-"],
        &pod.to_string(),
    );
    assert!(printed.is_success() && printed.stderr.is_empty(), "{}", printed.stderr);
}
