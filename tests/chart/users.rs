//! What people may do with the roles that are part of every cluster.

use harness::wait::{PATIENCE, blocking_until};
use serde_json::json;

use crate::chart::Objects;
use crate::cluster::Cluster;

#[test]
fn view_edit_and_admin_include_the_resource_but_never_its_status() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace();
    let objects = Objects::render(cluster, "flows", &namespace, &json!({"crds": {"install": false}}));
    cluster.kubectl(&["apply", "--server-side", "-f", "-"], &objects.list());
    for role in ["view", "edit", "admin"] {
        let user = format!("--user={role}");
        let role_flag = format!("--clusterrole={role}");
        cluster.kubectl(&["-n", &namespace, "create", "rolebinding", role, &role_flag, &user], "");
        // A controller merges the roles.
        wait_until(|| may(cluster, &namespace, role, "list", "fek"));
        let changes = role != "view";
        for verb in ["create", "patch", "update", "delete"] {
            if changes {
                wait_until(|| may(cluster, &namespace, role, verb, "fek"));
            } else {
                assert!(!may(cluster, &namespace, role, verb, "fek"), "{role} may {verb}");
            }
            assert!(!may(cluster, &namespace, role, verb, "fek/status"), "{role} may {verb} the status");
        }
    }
}

fn may(cluster: &Cluster, namespace: &str, user: &str, verb: &str, resource: &str) -> bool {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let subresource = format!("--subresource={subresource}");
    let question = ["-n", namespace, "auth", "can-i", verb, resource, &subresource, "--as", user];
    cluster.try_kubectl(&question, "").stdout.trim() == "yes"
}

fn wait_until(condition: impl Fn() -> bool) {
    assert!(blocking_until(PATIENCE, condition), "the roles were not merged");
}
