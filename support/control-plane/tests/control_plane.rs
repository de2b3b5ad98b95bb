//! A control plane in use: rights, faults, and that nothing of it is left behind.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    process::{Command, Stdio},
    sync::OnceLock,
};

use control_plane::{ControlPlane, Error, tool};

/// Shared by the tests that do it no harm. Never dropped: its supervisors clean up after the test process.
fn shared() -> &'static ControlPlane {
    static SHARED: OnceLock<ControlPlane> = OnceLock::new();
    SHARED.get_or_init(|| ControlPlane::start().unwrap())
}

/// Standard output of a command that succeeds, or standard error of one that does not.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn kubectl(cluster: &ControlPlane, arguments: &str) -> Result<String, String> {
    run(cluster.kubectl().args(arguments.split_whitespace()))
}

fn kubectl_with_token(cluster: &ControlPlane, token: &str, arguments: &str) -> Result<String, String> {
    let kubeconfig = cluster.kubeconfig_for_token(token).unwrap();
    let mut kubectl = Command::new(tool("kubectl").unwrap());
    run(kubectl.arg("--kubeconfig").arg(kubeconfig).args(arguments.split_whitespace()))
}

#[test]
fn an_administrator_sees_the_namespaces() {
    let names = kubectl(shared(), "get namespaces -o name").unwrap();
    for name in ["default", "kube-system"] {
        assert!(names.lines().any(|line| line == format!("namespace/{name}")), "{names}");
    }
    assert!(kubectl(shared(), "get serviceaccount default").is_ok());
}

#[test]
fn helm_talks_to_the_cluster() {
    assert_eq!(run(shared().helm().unwrap().args(["list", "--all-namespaces", "--short"])).unwrap(), "");
}

#[test]
fn an_unknown_token_is_refused() {
    let refusal = kubectl_with_token(shared(), "unknown", "get namespaces").unwrap_err();
    assert!(refusal.contains("Unauthorized"), "{refusal}");
}

#[test]
fn a_service_account_has_the_rights_it_was_given() {
    let cluster = shared();
    kubectl(cluster, "create namespace rights").unwrap();
    kubectl(cluster, "create serviceaccount reader -n rights").unwrap();
    let token = kubectl(cluster, "create token reader -n rights").unwrap();
    let read = || kubectl_with_token(cluster, &token, "get configmaps -n rights -o name");

    let refusal = read().unwrap_err();
    assert!(refusal.contains(r#"User "system:serviceaccount:rights:reader" cannot list"#), "{refusal}");

    kubectl(cluster, "create rolebinding view --clusterrole=view --serviceaccount=rights:reader -n rights").unwrap();
    // The authorizer learns of the binding through a watch.
    while read().is_err() {}
    assert!(kubectl_with_token(cluster, &token, "get secrets -n rights").is_err());
}

#[test]
fn a_restarted_api_server_keeps_its_data_and_tokens() {
    let cluster = ControlPlane::start().unwrap();
    kubectl(&cluster, "create configmap kept --from-literal=a=b").unwrap();
    let token = kubectl(&cluster, "create token default").unwrap();
    assert!(matches!(cluster.start_api_server(), Err(Error::ApiServerRunning)));

    cluster.stop_api_server().unwrap();
    let failure = kubectl(&cluster, "get configmap kept").unwrap_err();
    assert!(failure.contains("refused"), "{failure}");
    assert!(matches!(cluster.stop_api_server(), Err(Error::ApiServerStopped)));
    assert!(matches!(cluster.pause_api_server(), Err(Error::ApiServerStopped)));

    cluster.start_api_server().unwrap();
    assert_eq!(kubectl(&cluster, "get configmap kept -o jsonpath={.data.a}").unwrap(), "b");
    let user = kubectl_with_token(&cluster, &token, "auth whoami -o jsonpath={.status.userInfo.username}").unwrap();
    assert_eq!(user, "system:serviceaccount:default:default");
}

#[test]
fn a_paused_api_server_answers_once_it_is_resumed() {
    let cluster = ControlPlane::start().unwrap();
    cluster.pause_api_server().unwrap();
    assert!(kubectl(&cluster, "get --raw=/readyz --request-timeout=1s").is_err());
    cluster.resume_api_server().unwrap();
    assert_eq!(kubectl(&cluster, "get --raw=/readyz").unwrap(), "ok");
}

#[test]
fn a_paused_control_plane_can_be_stopped() {
    let cluster = ControlPlane::start().unwrap();
    cluster.pause_api_server().unwrap();
    cluster.stop();
}

#[test]
fn compaction_forgets_old_revisions() {
    let cluster = ControlPlane::start().unwrap();
    let old = kubectl(&cluster, "create configmap old -o jsonpath={.metadata.resourceVersion}").unwrap();
    let list = format!(
        "get --raw=/api/v1/namespaces/default/configmaps?resourceVersionMatch=Exact&resourceVersion={old}&limit=9"
    );
    assert!(kubectl(&cluster, &list).unwrap().contains(r#""name":"old""#));
    kubectl(&cluster, "create configmap new").unwrap();

    let revision = cluster.compact_etcd().unwrap();
    assert!(revision > old.parse().unwrap(), "{revision} {old}");
    // Empties the API server's own cache, which could still answer.
    cluster.stop_api_server().unwrap();
    cluster.start_api_server().unwrap();

    let refusal = kubectl(&cluster, &list).unwrap_err();
    assert!(refusal.contains("too old"), "{refusal}");
}
