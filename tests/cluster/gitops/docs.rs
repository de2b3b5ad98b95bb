//! The commands of `docs/gitops.md`.

use std::process::Command;

use harness::{control_plane, kubectl};
use serde_json::Value;

const DOCS: &str = include_str!("../../../docs/gitops.md");

#[test]
fn the_command_for_argo_cd_adds_the_script_and_leaves_the_rest() {
    let setting = "--from-literal=url=https://argocd.example.com";
    kubectl(control_plane(), &["create", "namespace", "argocd"]);
    kubectl(control_plane(), &["create", "configmap", "argocd-cm", "-n", "argocd", setting]);
    let command = DOCS.split("```").find(|block| block.contains("\nkubectl create configmap ")).unwrap();
    // The first line is that of the fence.
    let command = command.split_once('\n').unwrap().1;
    let program = control_plane().kubectl().get_program().to_owned();
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &format!("kubectl() {{ \"$KUBECTL\" \"$@\"; }}\n{command}")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("KUBECTL", program)
        .env("KUBECONFIG", control_plane().kubeconfig())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let stored = kubectl(control_plane(), &["get", "configmap", "argocd-cm", "-n", "argocd", "-o", "json"]);
    let data = serde_json::from_str::<Value>(&stored).unwrap()["data"].clone();
    assert_eq!(data["url"], "https://argocd.example.com");
    let script = include_str!("../../../docs/argocd/health.lua");
    assert_eq!(data["resource.customizations.health.waflows.dev_FlowsEncryptionKey"], script);
}
