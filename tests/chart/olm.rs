//! `install/olm`: the bundle for the Operator Lifecycle Manager, made of the chart. With `WAFLOWS_GENERATE` set it is written
//! instead of compared: that is `make chart`.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::chart::Objects;
use crate::cluster::Cluster;
use crate::tools;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/install/olm");
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// People put their own in its place.
const IMAGE: &str = "registry.example.com/team/waflows-operator";

#[test]
fn the_bundle_is_what_the_chart_renders_and_the_validator_finds_nothing() {
    let definition = include_str!("../../crds/flowsencryptionkeys.waflows.dev.yaml");
    check("manifests/flowsencryptionkeys.waflows.dev.yaml", definition);
    let text = serde_saphyr::to_string(&cluster_service_version()).unwrap();
    check("manifests/waflows-operator.clusterserviceversion.yaml", &text);
    tools::run("operator-verify", &["manifests", &format!("{FOLDER}/manifests")]);
}

fn check(file: &str, text: &str) {
    let path = Path::new(FOLDER).join(file);
    if std::env::var_os("WAFLOWS_GENERATE").is_some() {
        std::fs::write(path, text).unwrap();
    } else {
        let stored = std::fs::read_to_string(path).unwrap_or_default();
        assert!(stored == text, "install/olm/{file} is not what the chart renders: run `make chart`");
    }
}

/// The release of the chart that the bundle is made of. Its Roles hold for the namespaces that the OperatorGroup names, or
/// for all if it names none: OLM sees to this.
fn chart() -> Objects {
    let values = json!({
        "crds": {"install": false}, "fullnameOverride": "waflows-operator", "watch": {"namespaces": ["waflows"]},
        "image": {"registry": "registry.example.com", "repository": "team/waflows-operator"},
    });
    Objects::render(Cluster::shared(), "waflows-operator", "waflows", &values)
}

fn cluster_service_version() -> Value {
    let chart = chart();
    let rules = chart.of_kind("Role").flat_map(|role| role["rules"].as_array().unwrap()).collect::<Vec<_>>();
    json!({
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "ClusterServiceVersion",
        "metadata": {
            "name": format!("waflows-operator.v{VERSION}"),
            "annotations": {
                "alm-examples": format!("{:#}", json!([example()])),
                "capabilities": "Deep Insights",
                "categories": "Security",
                "containerImage": format!("{IMAGE}:{VERSION}"),
                "description": "Keeps the encryption key of WhatsApp Flows on every phone number",
            },
        },
        "spec": {
            "displayName": "waflows-operator",
            "description": "Keeps the encryption key of WhatsApp Flows on every phone number. You declare which key belongs on which numbers. The operator uploads the key through Meta's Graph API, checks Meta's signature and repairs drift.",
            "version": VERSION,
            "maturity": "alpha",
            "minKubeVersion": "1.33.0",
            "keywords": ["whatsapp", "flows", "encryption"],
            "provider": {"name": "The maintainers of waflows-operator"},
            "maintainers": [{"name": "The maintainers of waflows-operator", "email": "waflows-operator@example.com"}],
            "icon": [{
                "base64data": STANDARD.encode(include_bytes!("../../docs/pictures/icon.svg")),
                "mediatype": "image/svg+xml",
            }],
            "installModes": install_modes(),
            "customresourcedefinitions": {"owned": [{
                "name": "flowsencryptionkeys.waflows.dev", "kind": "FlowsEncryptionKey", "version": "v1alpha1",
                "displayName": "Flows encryption key", "description": "Which key belongs on which phone numbers",
            }]},
            "install": {"strategy": "deployment", "spec": {
                "permissions": [{"serviceAccountName": "waflows-operator", "rules": rules}],
                "deployments": [{"name": "waflows-operator", "spec": deployment(&chart)}],
            }},
        },
    })
}

fn install_modes() -> Vec<Value> {
    let modes = ["OwnNamespace", "SingleNamespace", "MultiNamespace", "AllNamespaces"];
    modes.iter().map(|mode| json!({"type": mode, "supported": true})).collect()
}

/// The chart's, but for the namespaces: OLM writes them into an annotation of the pods. None stands for all.
fn deployment(chart: &Objects) -> Value {
    let mut spec = chart.deployment()["spec"].clone();
    let labels = spec["template"]["metadata"]["labels"].as_object_mut().unwrap();
    labels.retain(|name, _| name != "helm.sh/chart" && name != "app.kubernetes.io/managed-by");
    let container = &mut spec["template"]["spec"]["containers"][0];
    container["args"].as_array_mut().unwrap().retain(|argument| *argument != "--namespaces=waflows");
    container["env"].as_array_mut().unwrap().push(json!({
        "name": "WAFLOWS_NAMESPACES",
        "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['olm.targetNamespaces']"}},
    }));
    spec
}

fn example() -> Value {
    let example: Value = serde_saphyr::from_str(include_str!("../../examples/minimal.yaml")).unwrap();
    example
}
