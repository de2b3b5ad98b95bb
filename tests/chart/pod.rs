//! A process of the operator in place of a pod of the Deployment.

use std::ffi::OsStr;
use std::path::Path;

use harness::{Operator, http};
use serde_json::Value;
use supervised::Process;

use crate::chart::Objects;
use crate::cluster::Cluster;

/// Killed when dropped.
pub(crate) struct Pod(Operator);

impl Pod {
    /// Starts what the Deployment runs, with the rights of its ServiceAccount. The process has the Deployment's
    /// environment, and nothing of this process's.
    pub(crate) fn start(cluster: &Cluster, objects: &Objects, name: &str) -> Self {
        let deployment = objects.deployment();
        let spec = &deployment["spec"]["template"]["spec"];
        let account = spec["serviceAccountName"].as_str().unwrap();
        let namespace = deployment["metadata"]["namespace"].as_str().unwrap();
        let token = cluster.kubectl(&["-n", namespace, "create", "token", account], "");
        let kubeconfig = cluster.control_plane.kubeconfig_for_token(token.trim()).unwrap();
        // A pod has its own namespace in a file beside the token.
        let file = kubeconfig.to_str().unwrap();
        let of_the_pod = format!("--namespace={namespace}");
        cluster.kubectl(&["--kubeconfig", file, "config", "set-context", "--current", &of_the_pod], "");
        let container = &spec["containers"][0];
        let arguments = container["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap());
        let variables = variables(container, name, namespace);
        let variables = variables.iter().map(|(name, value)| (*name, OsStr::new(*value)));
        let environment: Vec<_> = variables.chain([("KUBECONFIG", kubeconfig.as_os_str())]).collect();
        let program = Path::new(env!("CARGO_BIN_EXE_waflows-operator"));
        Self(Operator::new(Process::start_clean(program, arguments, &environment).unwrap()))
    }

    /// The log, with the quotes of what is said in it.
    pub(crate) fn log(&self) -> String {
        self.0.log().replace("\\\"", "\"")
    }

    /// The API server let it do all that it tried.
    pub(crate) fn assert_never_refused(&self) {
        let log = self.log();
        assert!(!log.contains("forbidden") && !log.contains("cannot "), "{log}");
    }

    /// The status and body of a page that it serves; nothing before it listens.
    pub(crate) fn page(&self, path: &str) -> Option<(u16, String)> {
        http::get(&self.0.http_address()?, path)
    }

    /// Sends SIGTERM and waits for the end. Returns the exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        self.0.terminate()
    }
}

/// The variables of the container.
fn variables<'a>(container: &'a Value, pod_name: &'a str, namespace: &'a str) -> Vec<(&'a str, &'a str)> {
    let variables = container["env"].as_array().unwrap().iter().map(|variable| {
        let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
            Some("metadata.name") => pod_name,
            Some("metadata.namespace") => namespace,
            Some(other) => panic!("{other} is not known here"),
            None => variable["value"].as_str().unwrap(),
        };
        (variable["name"].as_str().unwrap(), value)
    });
    variables.collect()
}
