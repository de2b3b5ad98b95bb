//! The control plane and kubectl.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use control_plane::ControlPlane;
use harness::cluster::{empty_control_plane, new_control_plane, try_kubectl};
use harness::process::Printed;
use serde_json::Value;

/// A control plane.
pub(crate) struct Cluster {
    pub(crate) control_plane: ControlPlane,
    namespaces: AtomicU32,
}

impl Cluster {
    /// An empty control plane for one test.
    pub(crate) fn start() -> Self {
        Self::of(empty_control_plane())
    }

    fn of(control_plane: ControlPlane) -> Self {
        Self { control_plane, namespaces: AtomicU32::new(0) }
    }

    /// The shared control plane, with the definition installed.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::of(new_control_plane()))
    }

    /// A new namespace that lets only pods in that fulfil the strictest of the Pod Security Standards.
    pub(crate) fn namespace(&self) -> String {
        let name = format!("chart-{}", self.namespaces.fetch_add(1, Ordering::Relaxed));
        self.kubectl(&["create", "namespace", &name], "");
        let restricted = ["enforce", "warn"].map(|mode| format!("pod-security.kubernetes.io/{mode}=restricted"));
        self.kubectl(&["label", "namespace", &name, &restricted[0], &restricted[1]], "");
        name
    }

    /// Runs kubectl, which must succeed, and returns what it prints.
    pub(crate) fn kubectl(&self, arguments: &[&str], input: &str) -> String {
        let printed = self.try_kubectl(arguments, input);
        assert!(printed.is_success(), "kubectl {}: {}", arguments.join(" "), printed.stderr);
        printed.stdout
    }

    pub(crate) fn try_kubectl(&self, arguments: &[&str], input: &str) -> Printed {
        try_kubectl(&self.control_plane, arguments, input)
    }

    /// `kubectl get` for JSON.
    pub(crate) fn get(&self, namespace: &str, arguments: &[&str]) -> Value {
        let printed = self.kubectl(&[&["-n", namespace, "get", "-o", "json"], arguments].concat(), "");
        serde_json::from_str(&printed).unwrap()
    }

    /// Whether there is such an object.
    pub(crate) fn has(&self, namespace: &str, object: &str) -> bool {
        !self.kubectl(&["-n", namespace, "get", object, "--ignore-not-found", "-o", "name"], "").is_empty()
    }
}
