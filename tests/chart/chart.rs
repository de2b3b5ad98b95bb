//! Helm: a release of the chart, and what it renders.

use std::path::Path;

use harness::process::{Printed, run};
use serde_json::{Value, json};

use crate::cluster::Cluster;

/// The chart's folder.
pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/waflows-operator");

/// Objects that Helm rendered.
pub(crate) struct Objects(pub(crate) Vec<Value>);

impl Objects {
    /// Renders the chart.
    pub(crate) fn render(cluster: &Cluster, release: &str, namespace: &str, values: &Value) -> Self {
        let printed = template(cluster, release, namespace, values);
        assert!(printed.is_success(), "{values}: {}", printed.stderr);
        let objects: Vec<Value> = serde_saphyr::from_multiple(&printed.stdout).unwrap();
        Self(objects.into_iter().filter(|object| !object.is_null()).collect())
    }

    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    pub(crate) fn of_kind_mut<'a>(&'a mut self, kind: &'a str) -> impl Iterator<Item = &'a mut Value> {
        self.0.iter_mut().filter(move |object| object["kind"] == kind)
    }

    pub(crate) fn deployment(&self) -> &Value {
        self.of_kind("Deployment").next().expect("there is one Deployment")
    }

    /// All as one object that kubectl reads.
    pub(crate) fn list(&self) -> String {
        json!({"apiVersion": "v1", "kind": "List", "items": self.0}).to_string()
    }
}

/// `helm template`, without the pod of `helm test`, which nobody installs.
pub(crate) fn template(cluster: &Cluster, release: &str, namespace: &str, values: &Value) -> Printed {
    helm(cluster, &["template", release, CHART, "--namespace", namespace, "--skip-tests"], values)
}

/// Runs helm with these values.
pub(crate) fn helm(cluster: &Cluster, arguments: &[&str], values: &Value) -> Printed {
    let mut command = cluster.control_plane.helm().unwrap();
    command.args(arguments);
    // Only these read values.
    if matches!(arguments[0], "install" | "template" | "upgrade") {
        command.args(["--values", "-"]);
    }
    run(&mut command, values.to_string())
}

/// Copies the chart, to be changed.
pub(crate) fn copy_to(folder: &Path) {
    copy(Path::new(CHART), folder);
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
