//! The operator's process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use supervised::{Process, beside, free_address};

use crate::error::Error;
use crate::scene::Scene;

const POLL: Duration = Duration::from_millis(20);

/// A running operator, stopped when this is dropped or this process ends in any other way.
#[derive(Debug)]
pub(crate) struct Operator {
    process: Process,
    address: SocketAddr,
}

/// The binary to run: the one that was asked for, else the one beside this program.
///
/// # Errors
/// Where there is none.
pub(crate) fn binary(asked_for: Option<PathBuf>) -> Result<PathBuf, Error> {
    let path = asked_for.map_or_else(|| beside("waflows-operator"), Ok).map_err(|source| Error::OwnPath { source })?;
    if path.is_file() { Ok(path) } else { Err(Error::NoOperator { path }) }
}

impl Operator {
    /// Starts it against the scene's API server and Graph API.
    ///
    /// # Errors
    /// Where the process cannot be started.
    pub(crate) fn start(binary: &Path, scene: &Scene) -> Result<Self, Error> {
        let failed = |source| Error::OperatorStart { source };
        let address = free_address().map_err(failed)?;
        // Without the limit of requests per second. Otherwise fifteen resources in a row would show the limit, and not
        // the time of one resource.
        let flags = format!(
            "run --graph-url {} --allow-http-graph-url --graph-requests-per-second 0 --http-address {address} \
             --endpoint-probes --endpoint-allow-loopback",
            scene.emulator.base_url()
        );
        println!("$ waflows-operator {flags} &");
        let environment = [("KUBECONFIG", scene.cluster.kubeconfig().as_os_str())];
        let process = Process::start(binary, flags.split(' '), &environment).map_err(failed)?;
        Ok(Self { process, address })
    }

    /// Where it serves `/readyz`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its log file, which is removed with it.
    pub(crate) fn log(&self) -> &Path {
        self.process.log()
    }

    /// Resolves once the process ended by itself.
    pub(crate) async fn ended(&mut self) -> Error {
        loop {
            match self.process.ended() {
                Ok(None) => tokio::time::sleep(POLL).await,
                Ok(Some(status)) => return Error::OperatorEnded { status },
                Err(source) => return Error::OperatorStart { source },
            }
        }
    }

    /// Prints the end of the log, and keeps the file.
    pub(crate) fn show_log(&mut self) {
        self.process.keep_log();
        eprintln!("\nThe end of the operator's log, all of it is in {}:", self.log().display());
        eprintln!("{}", self.process.log_tail());
    }

    /// Asks the operator to stop and waits until it has.
    ///
    /// # Errors
    /// Where it ends with another exit code than 0, or has to be killed.
    pub(crate) fn stop(self) -> Result<(), Error> {
        match self.process.stop() {
            Ok(Some(status)) if status.success() => Ok(()),
            Ok(Some(status)) => Err(Error::OperatorStop { how: status.to_string() }),
            Ok(None) => Err(Error::OperatorStop { how: "killed, for it took too long".to_owned() }),
            Err(error) => Err(Error::OperatorStop { how: error.to_string() }),
        }
    }
}
