//! The rights of the operator, and what it says about a missing right.

use std::path::PathBuf;

use graph_emulator::Config;
use harness::{World, condition_of, control_plane, kubectl};
use waflows_core::api::conditions::ConditionType;

use crate::OPERATOR;

const NUMBERS: [&str; 2] = ["106540352242922", "107995438950512"];

/// What the operator needs in each namespace, as the chart grants it.
const RIGHTS: [(&str, &str); 4] = [
    ("get,list,watch", "flowsencryptionkeys.waflows.dev"),
    ("update", "flowsencryptionkeys.waflows.dev/status"),
    ("get,list,watch", "secrets"),
    ("create,patch", "events.events.k8s.io"),
];

/// A ServiceAccount of the shared control plane, for an operator with limited rights.
pub(crate) struct Account {
    namespace: String,
}

impl Account {
    /// A ServiceAccount `operator` in this namespace that may do nothing yet.
    pub(crate) fn new(namespace: &str) -> Self {
        kubectl(control_plane(), &["create", "serviceaccount", "operator", "-n", namespace]);
        Self { namespace: namespace.to_owned() }
    }

    /// A kubeconfig with a token of the account.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        let token = kubectl(control_plane(), &["create", "token", "operator", "-n", &self.namespace]);
        control_plane().kubeconfig_for_token(token.trim()).unwrap()
    }

    /// Everything that the operator needs in a namespace.
    pub(crate) fn grant_all(&self, namespace: &str) {
        self.grant_all_but(namespace, "");
    }

    /// The same, except what concerns one kind of object.
    pub(crate) fn grant_all_but(&self, namespace: &str, missing: &str) {
        for (number, (verbs, resource)) in RIGHTS.into_iter().enumerate().filter(|(_, (_, it))| *it != missing) {
            self.grant(namespace, &format!("operator-{number}"), verbs, resource);
        }
    }

    /// Verbs on a kind of object in a namespace, as a Role of this name.
    pub(crate) fn grant(&self, namespace: &str, role: &str, verbs: &str, resource: &str) {
        let (verbs, resource) = (format!("--verb={verbs}"), format!("--resource={resource}"));
        kubectl(control_plane(), &["create", "role", role, "-n", namespace, &verbs, &resource]);
        let account = format!("--serviceaccount={}:operator", self.namespace);
        kubectl(control_plane(), &["create", "rolebinding", role, "-n", namespace, "--role", role, &account]);
    }
}

#[tokio::test]
async fn a_secret_that_may_not_be_read_is_reported_and_read_once_it_may() {
    let mut world = World::with_emulator(OPERATOR, Config::default(), &NUMBERS, &[]).await;
    let account = Account::new(&world.namespace);
    let grant = |role: &str, verbs: &str, resource: &str| account.grant(&world.namespace, role, verbs, resource);
    for (number, (verbs, resource)) in RIGHTS.into_iter().enumerate() {
        let verbs = if resource == "secrets" { "list,watch" } else { verbs };
        grant(&format!("operator-{number}"), verbs, resource);
    }
    let kubeconfig = account.kubeconfig();
    world.operator = world.launch.with_rights_of(&kubeconfig).start(&world.namespace, &["--wait-scale", "0.005"]);
    world.set_default_secrets().await;
    world.apply("storefront", World::spec(&NUMBERS)).await.unwrap();

    let resource = world.wait_reason("storefront", "SecretForbidden").await;
    let (status, _, message) = condition_of(&resource, ConditionType::KeyLoaded);
    assert_eq!(status, "False");
    assert!(message.contains(&format!("Secret {}/flows-key", world.namespace)), "{message}");
    assert!(message.contains("grant its ServiceAccount get on Secrets"), "{message}");
    assert_eq!(condition_of(&resource, ConditionType::Stalled).0, "True", "a person must act");
    assert_eq!(world.emulator.counters().calls.total(), 0);

    account.grant(&world.namespace, "operator-get", "get", "secrets");
    let healed = world.wait_ready("storefront").await;
    assert_eq!(healed.metadata.generation, resource.metadata.generation, "nobody touched the resource");
    assert!(NUMBERS.iter().all(|id| world.emulator.calls_to(id).uploads == 1));
}

#[tokio::test]
async fn a_secret_that_may_no_longer_be_read_costs_no_upload_and_no_call_but_reads() {
    let mut world = World::new(OPERATOR, &NUMBERS).await;
    let account = Account::new(&world.namespace);
    account.grant_all(&world.namespace);
    let kubeconfig = account.kubeconfig();
    let flags = ["--wait-scale", "0.005"];
    world.operator = world.launch.with_rights_of(&kubeconfig).start(&world.namespace, &flags);
    world.set_default_secrets().await;
    let before = world.roll_out("storefront", &NUMBERS).await;

    kubectl(control_plane(), &["delete", "role", "operator-2", "-n", &world.namespace]);
    account.grant(&world.namespace, "operator-watch", "list,watch", "secrets");
    world.request_sync("storefront", "now").await;
    let resource = world.wait_reason("storefront", "SecretForbidden").await;
    assert_eq!(resource.status.as_ref().unwrap().valid.as_deref(), Some("2/2"), "what is known stays");
    assert_eq!(
        resource.status.as_ref().unwrap().public_key_fingerprint,
        before.status.as_ref().unwrap().public_key_fingerprint
    );

    account.grant(&world.namespace, "operator-get", "get", "secrets");
    world.wait_ready("storefront").await;
    assert!(NUMBERS.iter().all(|id| world.emulator.calls_to(id).uploads == 1));
}
