//! The control plane and kubectl.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use control_plane::ControlPlane;
use serde_json::Value;

/// A control plane.
pub(crate) struct Cluster {
    pub(crate) control_plane: ControlPlane,
    namespaces: AtomicU32,
}

/// What a program printed.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Cluster {
    /// One without anything, of the test's own.
    pub(crate) fn start() -> Self {
        let control_plane = ControlPlane::start().unwrap_or_else(|error| panic!("{error}"));
        Self { control_plane, namespaces: AtomicU32::new(0) }
    }

    /// The one that tests share, with the definition installed.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            let cluster = Self::start();
            let definition = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/flowsencryptionkeys.waflows.dev.yaml");
            cluster.kubectl(&["apply", "--server-side", "-f", definition], "");
            let name = "crd/flowsencryptionkeys.waflows.dev";
            cluster.kubectl(&["wait", "--for=condition=Established", name, "--timeout=60s"], "");
            cluster
        })
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
        assert!(printed.success, "kubectl {}: {}", arguments.join(" "), printed.stderr);
        printed.stdout
    }

    pub(crate) fn try_kubectl(&self, arguments: &[&str], input: &str) -> Printed {
        run(self.control_plane.kubectl().args(arguments), input)
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

/// Runs a program on some input.
pub(crate) fn run(command: &mut Command, input: &str) -> Printed {
    let mut process =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    // A program that does not read its input may be gone already.
    let _ = process.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let output = process.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Printed { success: output.status.success(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
