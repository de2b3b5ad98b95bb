//! The generated files of the chart: its copy of the CustomResourceDefinition, and its README.

use serde_json::{Value, json};

use crate::chart::Objects;
use crate::cluster::Cluster;
use crate::tools;

const DEFINITION: &str = include_str!("../../crds/flowsencryptionkeys.waflows.dev.yaml");
const COPY: &str = include_str!("../../charts/waflows-operator/files/crd.yaml");

#[test]
fn the_copy_is_current() {
    assert!(COPY == DEFINITION, "the chart's files/crd.yaml differs from crds/: run `make chart`");
}

#[test]
fn the_readme_is_current() {
    let root = env!("CARGO_MANIFEST_DIR");
    let charts = format!("{root}/charts");
    let printed =
        tools::run("helm-docs", &["--dry-run", "--sort-values-order", "file", "--chart-search-root", &charts]);
    let readme = include_str!("../../charts/waflows-operator/README.md");
    assert!(printed.stdout.trim() == readme.trim(), "the chart's README differs from values.yaml: run `make chart`");
    let undescribed: Vec<_> = readme.lines().filter(|line| line.starts_with('|') && line.ends_with("|  |")).collect();
    assert_eq!(undescribed, [""; 0], "values without a comment");
}

#[test]
fn the_chart_adds_only_labels_and_annotations() {
    let values = json!({"crds": {"annotations": {"example.com/owner": "platform"}}});
    let objects = Objects::render(Cluster::shared(), "flows", "messaging", &values);
    let mut rendered = objects.of_kind("CustomResourceDefinition").next().unwrap().clone();
    let metadata = rendered["metadata"].as_object_mut().unwrap();
    let annotations = metadata.remove("annotations").unwrap();
    let kept = json!({
        "argocd.argoproj.io/sync-options": "Prune=false",
        "example.com/owner": "platform",
        "helm.sh/resource-policy": "keep",
    });
    assert_eq!(annotations, kept);
    assert_eq!(metadata.remove("labels").unwrap()["app.kubernetes.io/instance"], "flows");
    let definition: Value = serde_saphyr::from_str(DEFINITION).unwrap();
    assert_eq!(with_one_kind_of_number(rendered), with_one_kind_of_number(definition));
}

/// Helm writes 999.0 as 999, which is the same in a schema.
fn with_one_kind_of_number(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.into_iter().map(with_one_kind_of_number).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, with_one_kind_of_number(value))).collect()
        }
        other => other,
    }
}

#[test]
fn keeping_it_is_a_choice() {
    let objects = Objects::render(Cluster::shared(), "flows", "messaging", &json!({"crds": {"keep": false}}));
    let rendered = objects.of_kind("CustomResourceDefinition").next().unwrap();
    assert_eq!(rendered["metadata"].get("annotations"), None);
}
