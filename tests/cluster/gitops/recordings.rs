//! `docs/argocd/testdata`: spec and conditions of resources as the operator left them, for Argo CD's tests of its script.
//! With `WAFLOWS_GENERATE` set they are written instead of compared: that is `make record`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use waflows_core::api::crd::FlowsEncryptionKey;

use super::verdict::Verdicts;

/// Argo CD's scripts and their tests.
pub(super) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/argocd");

/// Compares a resource with its recording, which is named after Argo CD's verdict and the situation.
pub(super) fn check(name: &str, resource: &FlowsEncryptionKey) {
    compare(&format!("testdata/{name}.yaml"), &serde_saphyr::to_string(&timeless(resource)).unwrap());
}

/// Argo CD's list of its tests, in its own form.
#[test]
fn the_list_of_tests_is_that_of_the_recordings() {
    let mut names: Vec<_> = std::fs::read_dir(Path::new(FOLDER).join("testdata"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    let mut list = String::from("tests:\n");
    for name in names {
        let name = name.to_str().unwrap();
        let verdict = Verdicts::of(&std::fs::read_to_string(format!("{FOLDER}/testdata/{name}")).unwrap()).argocd;
        let (health, situation) = name.trim_end_matches(".yaml").split_once('_').unwrap();
        assert_eq!(health, verdict.status.to_lowercase(), "{name}");
        assert!(include_str!("situations.rs").contains(&format!("\"{situation}\"")), "{name} is recorded no more");
        let message = serde_json::to_string(&verdict.message).unwrap();
        writeln!(list, "  - healthStatus:\n      status: {}\n      message: {message}", verdict.status).unwrap();
        writeln!(list, "    inputPath: testdata/{name}").unwrap();
    }
    compare("health_test.yaml", &list);
}

/// Compares a file of the folder, or writes it.
pub(super) fn compare(file: &str, expected: &str) {
    let path = PathBuf::from(FOLDER).join(file);
    if std::env::var_os("WAFLOWS_GENERATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, expected).unwrap();
    } else {
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == expected, "docs/argocd/{file} is not what the operator does: run `make record`\n{expected}");
    }
}

/// What a health script can be interested in, without what differs from run to run.
fn timeless(resource: &FlowsEncryptionKey) -> Value {
    let metadata = &resource.metadata;
    let mut status = serde_json::to_value(&resource.status).unwrap();
    status
        .as_object_mut()
        .unwrap()
        .retain(|name, _| ["conditions", "observedGeneration", "valid"].contains(&name.as_str()));
    for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        condition["lastTransitionTime"] = json!("2026-11-22T10:00:00Z");
    }
    let object = json!({
        "apiVersion": "waflows.dev/v1alpha1",
        "kind": "FlowsEncryptionKey",
        "metadata": {"name": metadata.name, "namespace": metadata.namespace, "generation": metadata.generation},
        "spec": resource.spec,
        "status": status,
    });
    let mut text = object.to_string().replace(metadata.namespace.as_ref().unwrap(), "messaging");
    for trace in traces(&text) {
        text = text.replace(&trace, "AbcDefGhiJkl");
    }
    for time in clocks(&text) {
        text = text.replace(&time, "10:00 UTC");
    }
    for fingerprint in fingerprints(&text) {
        text = text.replace(&fingerprint, &"9f2c".repeat(16));
    }
    serde_json::from_str(&text).unwrap()
}

/// All trace ids of Meta's that sentences hold.
fn traces(text: &str) -> Vec<String> {
    let id = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    text.split(", trace ").skip(1).map(id).filter(|id: &String| !id.is_empty()).collect()
}

/// All times of day that sentences hold.
fn clocks(text: &str) -> Vec<String> {
    let ends = text.match_indices(" UTC").map(|(end, _)| end);
    ends.filter_map(|end| Some(format!("{} UTC", text.get(end.checked_sub(5)?..end)?))).collect()
}

/// The digits of all fingerprints.
fn fingerprints(text: &str) -> Vec<String> {
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_hexdigit).collect();
    text.split("sha256:").skip(1).map(digits).filter(|digits: &String| digits.len() == 64).collect()
}
