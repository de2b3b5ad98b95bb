//! A release's life: install, upgrade, rollback, uninstall; and releases side by side.

use harness::objects;
use harness::process::Printed;
use serde_json::{Value, json};

use crate::chart::{CHART, copy_to, helm};
use crate::cluster::Cluster;

const DEFINITION: &str = "crd/flowsencryptionkeys.waflows.dev";

#[test]
fn definition_and_resources_outlive_the_release() {
    let cluster = Cluster::start();
    let namespace = cluster.namespace();
    let next_chart = tempfile::tempdir().unwrap();
    let next_chart = with_another_column(next_chart.path());
    let helm = |arguments: &[&str]| ok(helm(&cluster, &[arguments, &["--namespace", &namespace]].concat(), &json!({})));

    let notes = helm(&["install", "flows", CHART]).stdout;
    assert!(notes.contains("kubectl get fek --watch"), "{notes}");
    cluster.kubectl(&["wait", "--for=condition=Established", DEFINITION, "--timeout=60s"], "");
    cluster.kubectl(&["-n", &namespace, "create", "-f", "-"], &resource().to_string());
    assert!(!columns(&cluster).contains(&"Another".to_owned()));

    helm(&["upgrade", "flows", &next_chart]);
    assert!(columns(&cluster).contains(&"Another".to_owned()), "the upgrade brings the new definition");
    helm(&["rollback", "flows", "1"]);
    assert!(!columns(&cluster).contains(&"Another".to_owned()), "the rollback takes it back");

    helm(&["uninstall", "flows"]);
    assert!(!cluster.has(&namespace, "deployment/flows-waflows-operator"));
    assert!(cluster.has(&namespace, "fek/storefront"));

    helm(&["install", "flows", CHART]);
    assert!(cluster.has(&namespace, "fek/storefront"), "the same release takes the definition up again");
}

#[test]
fn a_release_can_take_over_a_definition_that_was_applied() {
    let cluster = Cluster::start();
    let namespace = cluster.namespace();
    let definition = include_str!("../../crds/flowsencryptionkeys.waflows.dev.yaml");
    cluster.kubectl(&["apply", "--server-side", "-f", "-"], definition);
    let install = ["install", "flows", CHART, "--namespace", &namespace];
    let printed = helm(&cluster, &install, &json!({}));
    assert!(!printed.is_success() && printed.stderr.contains("invalid ownership metadata"), "{}", printed.stderr);
    let adopt = ["--take-ownership", "--force-conflicts"];
    ok(helm(&cluster, &[install.as_slice(), &adopt].concat(), &json!({})));
}

#[test]
fn releases_stand_side_by_side() {
    let cluster = Cluster::shared();
    let [first, second] = [cluster.namespace(), cluster.namespace()];
    let values = json!({"crds": {"install": false}, "scopedNamespaces": [first]});
    for (name, namespace) in [("flows", &first), ("more-flows", &first), ("flows", &second)] {
        for scoped in [true, false] {
            let mut values = values.clone();
            if !scoped {
                values["scopedNamespaces"] = json!([]);
            }
            let arguments = ["upgrade", "--install", name, CHART, "--namespace", namespace];
            ok(helm(cluster, &arguments, &values));
        }
    }
    // The Lease of a Deployment: its namespace, and the argument that names it.
    let lease_of = |deployment: &str, namespace: &str| {
        let deployment = cluster.get(namespace, &["deployment", deployment]);
        let arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"].clone();
        let of_the_lease = |argument: &&Value| argument.as_str().unwrap().starts_with("--lease-name");
        let arguments: Vec<_> = arguments.as_array().unwrap().iter().filter(of_the_lease).cloned().collect();
        (namespace.to_owned(), arguments)
    };
    let leases = [
        lease_of("flows-waflows-operator", &first),
        lease_of("more-flows-waflows-operator", &first),
        lease_of("flows-waflows-operator", &second),
    ];
    assert!(leases[0] != leases[1] && leases[0] != leases[2] && leases[1] != leases[2], "{leases:?}");
}

/// The next version of the chart. Its definition has one more column.
fn with_another_column(folder: &std::path::Path) -> String {
    copy_to(folder);
    let file = folder.join("files/crd.yaml");
    let mut definition: Value = serde_saphyr::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let columns = definition["spec"]["versions"][0]["additionalPrinterColumns"].as_array_mut().unwrap();
    columns.push(json!({"name": "Another", "type": "string", "jsonPath": ".spec.mode", "description": "{{ braces }}"}));
    // JSON is YAML.
    std::fs::write(file, definition.to_string()).unwrap();
    folder.display().to_string()
}

fn columns(cluster: &Cluster) -> Vec<String> {
    let definition = cluster.get("default", &[DEFINITION]);
    let columns = definition["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap();
    columns.iter().map(|column| column["name"].as_str().unwrap().to_owned()).collect()
}

fn resource() -> Value {
    objects::resource("storefront", objects::spec(&["106540352242922"]))
}

fn ok(printed: Printed) -> Printed {
    assert!(printed.is_success(), "{}", printed.stderr);
    printed
}
