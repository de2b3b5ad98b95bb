//! Flags of the operator that make no sense.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::page::{Caught, Row};

/// An operator that is still there after this time has accepted its flags, although it says nothing.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn rows() -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, super::cluster::kubeconfig("http://127.0.0.1:9")).unwrap();
    [
        "--log-level loud",
        "--log-level info,kube=",
        "--log-format xml",
        "--namespaces Shop",
        "--namespaces shop,x_y",
        "--selector a=,,",
        "--selector shard>1",
        "--default-check-interval 5s",
        "--default-check-interval 1",
        "--default-check-interval 9999999h",
        "--graph-url http://graph.facebook.com",
        "--graph-url graph.facebook.com",
        "--graph-url https://user:password@graph.facebook.com",
        "--graph-api-version 25",
        "--graph-ca-bundle /nonexistent.pem",
        "--graph-ca-bundle /dev/null",
        "--graph-concurrency -1",
        "--concurrency 0",
        "--http-address 8080",
        "--leader-election --renew-deadline 20s",
        "--leader-election --lease-duration 12s",
        "--leader-election --lease-name My_Lease",
        "--leader-election --lease-namespace My_Namespace",
        "--graph-timeout 3s",
    ]
    .iter()
    .map(|flags| row(flags, &kubeconfig))
    .collect()
}

fn row(flags: &str, kubeconfig: &std::path::Path) -> Row {
    let is_given = flags.contains("--http-address");
    let address = if is_given { &[][..] } else { &["--http-address", "127.0.0.1:0"] };
    let mut operator = Command::new(env!("CARGO_BIN_EXE_waflows-operator"))
        .arg("run")
        .args(address)
        .args(flags.split(' '))
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (send, lines) = mpsc::channel();
    let stderr = BufReader::new(operator.stderr.take().unwrap());
    let reader = std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    let said = until_started(&lines);
    let _ = operator.kill();
    operator.wait().unwrap();
    drop(lines);
    let _ = reader.join().unwrap();
    match said {
        Some(said) => Row::new(&format!("`{flags}`"), Caught::Start, &said),
        None => Row::new(&format!("`{flags}`"), Caught::Nowhere, ""),
    }
}

/// What an operator says that ends; none if it starts.
fn until_started(lines: &mpsc::Receiver<String>) -> Option<String> {
    let deadline = Instant::now() + PATIENCE;
    let mut said = Vec::new();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line.contains(" started") => return None,
            // The log of an operator that does not get far, and how clap ends.
            Ok(line) if [" INFO ", "For more information", "Usage: "].iter().any(|beside| line.contains(beside)) => {}
            Ok(line) => said.push(line),
            Err(mpsc::RecvTimeoutError::Timeout) => return None,
            Err(mpsc::RecvTimeoutError::Disconnected) => return Some(said.join(" ")),
        }
    }
}
