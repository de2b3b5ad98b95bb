//! The operator's process.

use std::env;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::NamedTempFile;

use crate::error::Error;
use crate::scene::Scene;

/// How long the operator may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);
const LOG_TAIL_LINES: usize = 60;

/// A running operator, stopped when this is dropped or this process ends in any other way.
#[derive(Debug)]
pub(crate) struct Operator {
    supervisor: Child,
    log: NamedTempFile,
    address: SocketAddr,
}

/// The binary to run: the one that was asked for, else the one beside this program.
///
/// # Errors
/// Where there is none.
pub(crate) fn binary(asked_for: Option<PathBuf>) -> Result<PathBuf, Error> {
    let beside = || env::current_exe().map(|program| program.with_file_name("waflows-operator"));
    let path = asked_for.map_or_else(beside, Ok).map_err(|source| Error::OwnPath { source })?;
    if path.is_file() { Ok(path) } else { Err(Error::NoOperator { path }) }
}

impl Operator {
    /// Starts it against the scene's API server and Graph API.
    ///
    /// # Errors
    /// Where the process cannot be started.
    pub(crate) fn start(binary: &PathBuf, scene: &Scene) -> Result<Self, Error> {
        let failed = |source| Error::OperatorStart { source };
        let address = free_address().map_err(failed)?;
        let log = tempfile::Builder::new().prefix("waflows-demo-operator-").suffix(".log").tempfile();
        let log = log.map_err(|source| Error::Scratch { source })?;
        // Without the ceiling of requests: fifteen resources in a row would wait for it, and not show how long one takes.
        let flags = format!(
            "run --graph-url {} --allow-http-graph-url --graph-requests-per-second 0 --http-address {address}",
            scene.emulator.base_url()
        );
        println!("$ waflows-operator {flags} &");
        let supervisor = Command::new("sh")
            .args(["-c", include_str!("supervise.sh"), "supervise"])
            .arg(binary)
            .args(flags.split(' '))
            .env("KUBECONFIG", scene.cluster.kubeconfig())
            // Ctrl-C in a terminal must not reach it: the demo stops it once it has seen the signal itself.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log.reopen().map_err(failed)?)
            .spawn()
            .map_err(failed)?;
        Ok(Self { supervisor, log, address })
    }

    /// Where it serves `/readyz`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its log file, which is removed with it.
    pub(crate) fn log(&self) -> &std::path::Path {
        self.log.path()
    }

    /// Resolves once the process ended by itself.
    pub(crate) async fn ended(&mut self) -> Error {
        loop {
            match self.supervisor.try_wait() {
                Ok(None) => tokio::time::sleep(POLL).await,
                Ok(Some(status)) => return Error::OperatorEnded { status },
                Err(source) => return Error::OperatorStart { source },
            }
        }
    }

    /// Prints the end of the log, and keeps the file.
    pub(crate) fn show_log(&mut self) {
        self.log.disable_cleanup(true);
        let log = std::fs::read(self.log.path()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
        eprintln!("\nThe end of the operator's log, all of it is in {}:", self.log.path().display());
        eprintln!("{}", tail.join("\n"));
    }

    /// Asks the operator to stop and waits until it has.
    ///
    /// # Errors
    /// Where it ends with another exit code than 0, or has to be killed.
    pub(crate) fn stop(mut self) -> Result<(), Error> {
        match self.shut_down() {
            Ok(Some(status)) if status.success() => Ok(()),
            Ok(Some(status)) => Err(Error::OperatorStop { how: status.to_string() }),
            Ok(None) => Err(Error::OperatorStop { how: format!("killed after {} s", GRACE.as_secs()) }),
            Err(error) => Err(Error::OperatorStop { how: error.to_string() }),
        }
    }

    /// The exit status; `None` if it did not end in time and was killed.
    fn shut_down(&mut self) -> io::Result<Option<ExitStatus>> {
        // The supervisor then sends SIGTERM.
        drop(self.supervisor.stdin.take());
        let start = Instant::now();
        while start.elapsed() < GRACE {
            if let Some(status) = self.supervisor.try_wait()? {
                return Ok(Some(status));
            }
            thread::sleep(POLL);
        }
        if let Some(group) = self.supervisor.id().try_into().ok().and_then(Pid::from_raw) {
            kill_process_group(group, Signal::KILL)?;
        }
        self.supervisor.wait()?;
        Ok(None)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // It ended or it is killed; `stop` is for those who want to know how.
        let _ = self.shut_down();
    }
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
