//! `docs/argocd/actions`: what Argo CD offers to do with a resource, and what the scripts make of the resource. The list of
//! tests is in Argo CD's own form, so that its own harness can run the list as well.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::recordings::{FOLDER, compare};
use super::verdict::act;

fn folder() -> PathBuf {
    Path::new(FOLDER).join("actions")
}

fn tests() -> Value {
    read(&folder().join("action_test.yaml"))
}

fn read(file: &Path) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn path(test: &Value, field: &str) -> PathBuf {
    folder().join(test[field].as_str().unwrap())
}

#[test]
fn argo_cd_offers_what_makes_sense() {
    let tests = tests();
    let tests = tests["discoveryTests"].as_array().unwrap();
    assert!(tests.len() > 3);
    for test in tests {
        let object = std::fs::read_to_string(path(test, "inputPath")).unwrap();
        let offered = act(&folder().join("discovery.lua"), &object);
        let expected = test["result"].as_array().unwrap().iter();
        let expected: Value = expected
            .map(|action| (action["name"].as_str().unwrap().to_owned(), json!({"disabled": action["disabled"]})))
            .collect();
        assert_eq!(offered, expected, "{test}");
    }
}

#[test]
fn each_action_changes_the_resource_as_recorded() {
    let tests = tests();
    let tests = tests["actionTests"].as_array().unwrap();
    assert_eq!(tests.len(), definitions().count());
    for test in tests {
        let object = std::fs::read_to_string(path(test, "inputPath")).unwrap();
        let script = folder().join(test["action"].as_str().unwrap()).join("action.lua");
        let changed = timeless(act(&script, &object));
        assert_eq!(changed, read(&path(test, "expectedOutputPath")), "{test}");
    }
}

/// With the time that Argo CD's tests have in place of now.
fn timeless(mut object: Value) -> Value {
    for (name, value) in
        object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut).into_iter().flatten()
    {
        let time: Timestamp = value.as_str().unwrap().parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(Timestamp::now().duration_since(time).as_secs() < 60, "{name}: {time}");
        *value = json!("0001-01-01T00:00:00Z");
    }
    object
}

/// Names of the actions.
fn definitions() -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder()).unwrap().map(Result::unwrap);
    let mut names: Vec<_> =
        entries.filter(|entry| entry.path().join("action.lua").is_file()).map(|entry| entry.file_name()).collect();
    names.sort();
    names.into_iter().map(|name| name.into_string().unwrap())
}

/// The entry of Argo CD's ConfigMap has the scripts of the folder.
#[test]
fn the_entry_for_the_config_map_is_made_of_the_scripts() {
    let text = |file: PathBuf| std::fs::read_to_string(file).unwrap();
    let mut entry = format!("discovery.lua: |\n{}definitions:\n", indented(&text(folder().join("discovery.lua")), 2));
    for name in definitions() {
        let script = indented(&text(folder().join(&name).join("action.lua")), 6);
        entry += &format!("  - name: {name}\n    action.lua: |\n{script}");
    }
    compare("actions.yaml", &entry);
}

fn indented(text: &str, width: usize) -> String {
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("{:width$}{line}\n", "") };
    text.lines().map(line).collect()
}
