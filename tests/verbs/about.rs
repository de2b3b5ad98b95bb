//! `version`, `crd`, `man` and help.

use std::process::Command;

use harness::process;

use crate::OPERATOR;

fn print(arguments: &[&str]) -> String {
    process::output(Command::new(OPERATOR).args(arguments).env("KUBECONFIG", "/nonexistent"), "")
}

#[test]
fn the_version_of_the_client_needs_no_cluster() {
    assert_eq!(print(&["version", "--client"]), format!("client      {}\n", env!("CARGO_PKG_VERSION")));
    let json: serde_json::Value = serde_json::from_str(&print(&["version", "--client", "-o", "json"])).unwrap();
    assert_eq!(json["client"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_definition_is_printed_for_clusters_and_for_editors() {
    assert_eq!(print(&["crd"]), print(&["crd", "--format", "yaml"]));
    let schema: serde_json::Value = serde_json::from_str(&print(&["crd", "--format", "json-schema"])).unwrap();
    assert_eq!(schema["properties"]["kind"]["const"], "FlowsEncryptionKey");
}

#[test]
fn every_verb_has_a_manual_page_and_an_example() {
    let folder = tempfile::tempdir().unwrap();
    print(&["man", folder.path().to_str().unwrap()]);
    for verb in [
        "status",
        "sync",
        "wait",
        "suspend",
        "resume",
        "rotate",
        "proceed",
        "abort",
        "numbers",
        "token",
        "version",
        "report",
        "crd",
        "completion",
        "man",
    ] {
        let page = std::fs::read_to_string(folder.path().join(format!("waflows-operator-{verb}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
        let help = print(&[verb, "--help"]);
        assert!(help.contains("Example") && help.contains(&format!("waflows-operator {verb}")), "{help}");
    }
}
