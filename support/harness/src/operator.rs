//! The operator's binary as a process.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use supervised::Process;

use crate::http;

/// Where a process of the operator comes from, and what it talks to.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The operator's binary.
    pub program: PathBuf,
    /// The API server, and the rights there.
    pub kubeconfig: PathBuf,
    /// Whatever serves the Graph API.
    pub graph_url: String,
}

impl Launch {
    /// From a binary, with the rights of a kubeconfig.
    pub fn new(program: impl AsRef<Path>, kubeconfig: &Path, graph_url: &str) -> Self {
        let (program, kubeconfig) = (program.as_ref().to_owned(), kubeconfig.to_owned());
        Self { program, kubeconfig, graph_url: graph_url.to_owned() }
    }

    /// The same with the rights of another kubeconfig.
    pub fn with_rights_of(&self, kubeconfig: &Path) -> Self {
        Self { kubeconfig: kubeconfig.to_owned(), ..self.clone() }
    }

    /// Starts the operator for one namespace or several, with further flags.
    pub fn start(&self, namespaces: &str, flags: &[&str]) -> Operator {
        self.start_in(namespaces, flags, &[])
    }

    /// The same, with further variables in its environment. Tokens are not inspected, unless a flag or a variable says so: most
    /// tests count calls.
    pub fn start_in(&self, namespaces: &str, flags: &[&str], variables: &[(&str, &str)]) -> Operator {
        let arguments = [
            &["run", "--namespaces", namespaces, "--graph-url", &self.graph_url, "--allow-http-graph-url"],
            ["--http-address", "127.0.0.1:0", "--log-level", "debug", "--graph-requests-per-second", "0"].as_slice(),
            flags,
        ];
        let given = variables.iter().map(|(name, value)| (*name, OsStr::new(*value)));
        let always = [("KUBECONFIG", self.kubeconfig.as_os_str()), ("WAFLOWS_TOKEN_INSPECTION", OsStr::new("false"))];
        let environment: Vec<_> = always.into_iter().chain(given).collect();
        Operator::new(Process::start(&self.program, arguments.concat(), &environment).unwrap())
    }
}

/// A process of the operator. Killed when dropped.
#[derive(Debug)]
pub struct Operator(Process);

impl Operator {
    /// Takes charge of a process that was started otherwise.
    pub fn new(process: Process) -> Self {
        Self(process)
    }

    /// All that was logged so far.
    pub fn log(&self) -> String {
        // The end of the file may be half a letter.
        String::from_utf8_lossy(&std::fs::read(self.0.log()).unwrap()).into_owned()
    }

    /// Where the operator serves its pages, once it does. The log says so, as text or as JSON.
    pub fn http_address(&self) -> Option<String> {
        let log = self.log();
        let (_, rest) = log.split_once("http_address=").or_else(|| log.split_once("\"http_address\":\""))?;
        rest.split(|letter: char| letter == '"' || letter.is_whitespace()).next().map(str::to_owned)
    }

    /// Status and body of a page. `None` while the operator does not listen.
    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        http::get_async(&self.http_address()?, path).await
    }

    /// Its process ID.
    pub fn process_id(&self) -> u32 {
        self.0.process_id()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.process_id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Kills the process and waits for its end.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
    }

    /// Sends SIGTERM and waits for the end. Returns the exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait()
    }

    /// Waits for the end. Returns the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // An error would hide why a test fails.
        let _ = self.0.kill();
    }
}
