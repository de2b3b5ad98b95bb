//! What can be wrong around a verb: one sentence each, with the remedy, and exit code 2.

use std::path::Path;

use control_plane::ControlPlane;
use harness::cluster::empty_control_plane;
use harness::process::Printed;
use harness::{World, client, control_plane, kubectl, new_namespace};

use crate::OPERATOR;
use crate::scene::{NUMBERS, verb, verb_as, verb_in};

#[track_caller]
fn assert_says(printed: &Printed, sentence: &str) {
    assert_eq!((printed.code, printed.stdout.as_str()), (2, ""), "{printed:?}");
    assert!(printed.stderr.contains(sentence), "{printed:?}");
    assert_eq!(printed.stderr.lines().count(), 1, "{printed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_cluster_or_name_is_reported() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    let wrong = verb(&["status", "--context", "production"]);
    assert_says(&wrong, "the kubeconfig has no context \"production\": give one of ");
    assert_says(&verb(&["status", "--kubeconfig", "/nonexistent"]), "--kubeconfig /nonexistent: ");
    assert_says(&verb_as(Path::new("/nonexistent"), &["status"]), "no cluster to look into: set KUBECONFIG");
    let nothing = format!("there is no FlowsEncryptionKey in namespace {}; see other namespaces with", world.namespace);
    assert_says(&verb_in(&world, &["status"]), &nothing);
    assert_says(&verb_in(&world, &["status", "nobody"]), "/nobody: correct the name, or give its namespace with -n");
    assert_says(&verb_in(&world, &["sync"]), "say which resources: give names, -l LABELS or -A");
    assert_says(&verb_in(&world, &["wait", "pod/x"]), "\"pod/x\" is no name of a FlowsEncryptionKey: give NAME");
    let kubeconfig = control_plane().kubeconfig().to_str().unwrap();
    let given = ["status", "--kubeconfig", kubeconfig, "-n", &world.namespace];
    assert_says(&verb_as(Path::new("/nonexistent"), &given), &nothing);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_rights_the_role_that_helps_is_named() {
    let client = client().await;
    let namespace = new_namespace(&client).await;
    let kubectl = |arguments: &[&str]| kubectl(control_plane(), &[&["-n", &namespace], arguments].concat());
    kubectl(&["create", "serviceaccount", "nobody"]);
    let token = kubectl(&["create", "token", "nobody"]);
    let kubeconfig = control_plane().kubeconfig_for_token(token.trim()).unwrap();
    let printed = verb_as(&kubeconfig, &["status", "-A"]);
    assert_says(&printed, "give a namespace that you may see with -n, or ask for the ClusterRole `view`");
    let printed = verb_as(&kubeconfig, &["status", "-n", &namespace]);
    assert_says(&printed, "ask for the role `view` in this namespace");
    let wrong = control_plane().kubeconfig_for_token("nonsense").unwrap();
    assert_says(&verb_as(&wrong, &["status"]), "the API server does not accept your credentials: log in");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_definition_or_a_server_the_remedy_is_named() {
    let empty: ControlPlane = empty_control_plane();
    for arguments in [["status", "-A"], ["sync", "storefront"], ["wait", "storefront"]] {
        assert_says(&verb_as(empty.kubeconfig(), &arguments), "the cluster knows no FlowsEncryptionKeys: install");
    }
    let version = verb_as(empty.kubeconfig(), &["version"]);
    assert!(version.stdout.contains("definition  not installed: "), "{version:?}");
    empty.stop_api_server().unwrap();
    assert_says(&verb_as(empty.kubeconfig(), &["status"]), "cannot reach the API server");
    assert_eq!(verb_as(empty.kubeconfig(), &["version"]).code, 2);
}
