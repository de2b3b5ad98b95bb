//! A process of the operator that stands for a pod of the Deployment.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::chart::Objects;
use crate::cluster::Cluster;

/// Killed when dropped.
pub(crate) struct Pod {
    process: Child,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl Pod {
    /// Starts what the Deployment runs, with the rights of its ServiceAccount.
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
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let process = command(&spec["containers"][0], name, &kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { process, log, _folder: folder }
    }

    /// The log, with the quotes of what is said in it.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap().replace("\\\"", "\"")
    }

    /// The API server let it do all that it tried.
    pub(crate) fn assert_never_refused(&self) {
        let log = self.log();
        assert!(!log.contains("forbidden") && !log.contains("cannot "), "{log}");
    }

    /// The status and body of a page that it serves; nothing before it listens.
    pub(crate) fn page(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.http_address()?).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// Where it serves its pages, once it does.
    pub(crate) fn http_address(&self) -> Option<String> {
        let log = self.log();
        let (_, rest) = log.split_once("\"http_address\":\"")?;
        Some(rest.split_once('"')?.0.to_owned())
    }

    /// Sends SIGTERM and waits for the end. Returns the exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        let sent = Command::new("kill").args(["-s", "TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
        self.process.wait().unwrap().code()
    }
}

/// The container's process. Its environment is that of the Deployment and nothing else.
fn command(container: &Value, pod_name: &str, kubeconfig: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waflows-operator"));
    command.env_clear().env("KUBECONFIG", kubeconfig);
    command.args(container["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap()));
    for variable in container["env"].as_array().unwrap() {
        let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
            Some("metadata.name") => pod_name,
            Some(other) => panic!("{other} is not known here"),
            None => variable["value"].as_str().unwrap(),
        };
        command.env(variable["name"].as_str().unwrap(), value);
    }
    command
}

impl Drop for Pod {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
