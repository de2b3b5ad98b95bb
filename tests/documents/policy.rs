//! The policy of `examples/policy`: a namespace gets the numbers that the platform team gave it, and no others.

use std::path::Path;
use std::time::Duration;

use harness::cluster::new_control_plane;
use harness::process::{output, run};
use harness::wait::blocking_until;
use serde_json::{Value, json};

use crate::examples::ROOT;

#[test]
fn a_namespace_has_the_numbers_that_it_was_given() {
    // On a control plane of its own, because the policy is for all namespaces.
    let control_plane = new_control_plane();
    let kubectl = |arguments: &[&str], input: &str| run(control_plane.kubectl().args(arguments), input);
    let done = |arguments: &[&str], input: &str| output(control_plane.kubectl().args(arguments), input);
    for namespace in ["shop", "other"] {
        done(&["create", "namespace", namespace], "");
    }
    let policy = Path::new(ROOT).join("examples/policy/phone-numbers.yaml");
    done(&["apply", "-f", policy.to_str().unwrap()], "");
    // The expressions have the types that the API server expects.
    let stored = || -> Value {
        let policy = done(&["get", "validatingadmissionpolicy", "flows-phone-numbers", "-o", "json"], "");
        serde_json::from_str(&policy).unwrap()
    };
    wait_until("the policy is checked", || stored()["status"]["observedGeneration"] == 1);
    assert_eq!(stored()["status"]["typeChecking"].get("expressionWarnings"), None);

    let ask_with = |command: &[&str], namespace: &str, lists: Value| {
        let mut resource = json!({
            "apiVersion": "waflows.dev/v1alpha1", "kind": "FlowsEncryptionKey", "metadata": {"name": "storefront"},
            "spec": {
                "privateKeySecretRef": {"name": "flows-key", "key": "private.pem"},
                "accessTokenSecretRef": {"name": "meta-token", "key": "token"},
            },
        });
        resource["spec"].as_object_mut().unwrap().extend(lists.as_object().unwrap().clone());
        kubectl(&[command, &["-n", namespace, "-f", "-"]].concat(), &resource.to_string())
    };
    let ask = |command: &[&str], namespace: &str, numbers: &[&str]| {
        ask_with(command, namespace, json!({"phoneNumberIds": numbers}))
    };
    let create = |namespace: &str, numbers: &[&str]| ask(&["create", "--dry-run=server"], namespace, numbers);
    let apply = |namespace: &str, numbers: &[&str]| ask(&["apply"], namespace, numbers);
    // A policy is in force some time after it is stored.
    wait_until("the policy is in force", || !create("other", &["106540352242922"]).is_success());
    let refused = create("shop", &["106540352242922", "999", "107995438950512", "888"]);
    assert!(!refused.is_success(), "numbers of others");
    let why = "the ConfigMap flows-phone-numbers of this namespace does not list 999, 888; ask the platform team";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
    let allowed = apply("shop", &["106540352242922", "107995438950512"]);
    assert!(allowed.is_success(), "{}", allowed.stderr);
    assert!(!apply("shop", &["106540352242922", "999"]).is_success(), "a number of others is added");

    let accounts = |ids: [&str; 1]| {
        let accounts = json!({"businessAccounts": ids.map(|id| json!({"id": id}))});
        ask_with(&["apply", "--dry-run=server"], "shop", accounts)
    };
    let refused = accounts(["777"]);
    let why = "spec.businessAccounts: the ConfigMap flows-phone-numbers of this namespace does not list 777";
    assert!(!refused.is_success() && refused.stderr.contains(why), "{}", refused.stderr);
    let allowed = accounts(["102290129340398"]);
    assert!(allowed.is_success(), "{}", allowed.stderr);

    done(&["label", "namespace", "other", "example.com/flows-phone-numbers=unrestricted"], "");
    wait_until("the namespace is kept out", || create("other", &["999"]).is_success());
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    assert!(blocking_until(Duration::from_secs(60), condition), "not within a minute: {what}");
}
