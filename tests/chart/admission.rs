//! A real API server accepts all objects of the chart, also under the strictest Pod Security Standard.

use serde_json::{Value, json};

use crate::chart::{CHART, Objects, helm};
use crate::cluster::Cluster;
use crate::tools;

#[test]
fn the_defaults_are_accepted() {
    accepts("defaults", &json!({}));
}

#[test]
fn everything_at_once_is_accepted() {
    install_definitions_of_the_prometheus_operator();
    accepts("everything", &everything());
    let mut with_pod_monitor = everything();
    with_pod_monitor["metrics"]["podMonitor"] = with_pod_monitor["metrics"]["serviceMonitor"].take();
    let token = json!({"credentials": {"name": "scrape", "key": "token"}});
    with_pod_monitor["metrics"]["podMonitor"]["endpointFields"] = json!({"authorization": token});
    with_pod_monitor["metrics"]["serviceMonitor"] = json!({});
    accepts("pod-monitor", &with_pod_monitor);
}

/// Each with the name of a release, and the values.
#[test]
fn the_usual_installations_are_accepted() {
    let installations = [
        ("scoped", json!({"watch": {"namespaces": ["default", "kube-public"]}, "crds": {"install": false}})),
        ("labelled", json!({"watch": {"namespaceSelector": "flows=enabled"}, "crds": {"install": false}})),
        ("sharded", json!({"watch": {"selector": "shard in (a, b)"}, "crds": {"install": false}})),
        ("available", json!({"replicaCount": 3, "strategy": {"rollingUpdate": {"maxUnavailable": 0}}})),
        ("no-roles", json!({"rbac": {"create": false}})),
        // OpenShift gives each namespace users of its own, and sets them by admission.
        ("any-user", json!({"podSecurityContext": {"runAsUser": 1_000_680_000, "fsGroup": 1_000_680_000}})),
        ("own-users", json!({"hostUsers": false})),
        ("secret-ca", json!({"caBundle": {"secretName": "roots"}})),
        ("mirrored", json!({"global": {"imageRegistry": "mirror.example.com", "imagePullSecrets": ["pull"]}})),
    ];
    for (release, values) in installations {
        accepts(release, &values);
    }
}

#[test]
fn the_pod_of_helm_test_is_accepted() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace();
    let show = ["template", "flows", CHART, "--namespace", &namespace, "--show-only", "templates/test.yaml"];
    let rendered = helm(cluster, &show, &json!({}));
    assert!(rendered.is_success(), "{}", rendered.stderr);
    let apply = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];
    let printed = cluster.try_kubectl(&apply, &rendered.stdout);
    assert!(printed.is_success() && printed.stderr.is_empty(), "{}", printed.stderr);
}

/// For objects that the cluster does not know without them.
pub(crate) fn install_definitions_of_the_prometheus_operator() {
    let cluster = Cluster::shared();
    let folder = tools::prometheus_operator_definitions();
    for kind in ["servicemonitors", "podmonitors", "prometheusrules"] {
        let file = format!("{folder}/monitoring.coreos.com_{kind}.yaml");
        cluster.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &file], "");
        let name = format!("crd/{kind}.monitoring.coreos.com");
        cluster.kubectl(&["wait", "--for=condition=Established", &name, "--timeout=60s"], "");
    }
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
        "graph": {"url": "https://graph.example.com", "apiVersion": "v26.0", "requestsPerSecond": 0, "concurrency": 1_000_000, "tokenInspection": false},
        "concurrency": 1,
        "defaultCheckInterval": "1h30m",
        "watch": {"selector": "tier in (gold, silver),!retired", "namespaces": ["default", "default", "kube-public"]},
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
        "hostUsers": true,
        "hostAliases": [{"ip": "10.0.0.7", "hostnames": ["graph.internal"]}],
        "dnsPolicy": "None",
        "initContainers": [other_container("first")],
        "extraContainers": [other_container("beside")],
        "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}}],
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
        "metrics": {
            "annotations": {"prometheus.io/scrape": "true"}, "perResource": false,
            "address": "[::]:9091", "authorization": true,
            "serviceMonitor": {
                "enabled": true, "additionalLabels": {"release": "prometheus"}, "annotations": {"a/b": "c"},
                "interval": "1m", "scrapeTimeout": "10s", "honorLabels": false, "namespace": "default",
                "relabelings": [{"action": "labeldrop", "regex": "pod"}],
                "metricRelabelings": [{"action": "drop", "sourceLabels": ["__name__"], "regex": "waflows_build_info"}],
                "endpointFields": {"followRedirects": false}, "specFields": {"sampleLimit": 10000},
            },
            "prometheusRule": {
                "enabled": true, "additionalLabels": {"release": "prometheus"}, "annotations": {"a/b": "c"},
                "namespace": "default", "runbookUrl": "https://wiki.example.com/flows",
                "disabledAlerts": ["WaflowsKeyOld"], "alertLabels": {"team": "messaging"}, "keepFiringFor": "10m",
                "alerts": {"WaflowsNoLeader": {"for": "1m", "keepFiringFor": "1h", "severity": "warning", "labels": {"a": "b"}}},
                "thresholds": {"keyAgeDays": 90, "graphErrorRatio": 0.25},
            },
            "dashboard": {
                "enabled": true, "annotations": {"grafana_folder": "Messaging"}, "labels": {"dashboards": "yes"},
                "namespace": "default",
            },
        },
    })
}

/// A container that the strictest Pod Security Standard allows.
fn other_container(name: &str) -> Value {
    json!({
        "name": name, "image": "registry.example.com/other:1",
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
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
