use std::{io, path::PathBuf, time::Duration};

/// Why a control plane could not be started or did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program is neither in `KUBEBUILDER_ASSETS` nor in the cache folder.
    #[error("{name} is missing, run `make tools` to build it (looked in {})", display_all(.searched))]
    ToolMissing {
        /// File name of the program.
        name: String,
        /// The folders it could have been in.
        searched: Vec<PathBuf>,
    },

    /// The script that names the cache folder failed.
    #[error("cannot tell the folder of the built programs: `{script} --print-dir` failed: {reason}")]
    ToolsFolder {
        /// Path of the script.
        script: &'static str,
        /// What it wrote to standard error, or why it did not run.
        reason: String,
    },

    /// The temporary folder of the control plane could not be made.
    #[error("cannot make a temporary folder for the control plane")]
    DataFolder(#[source] io::Error),

    /// A file could not be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// The system's source of randomness could not be read.
    #[error("cannot read /dev/urandom for the administrator's token")]
    Random(#[source] io::Error),

    /// No free port was to be had.
    #[error("cannot reserve a free port on 127.0.0.1")]
    Port(#[source] io::Error),

    /// A server could not be started at all.
    #[error("cannot run {server}")]
    Spawn {
        /// Which server.
        server: &'static str,
        /// Why.
        source: io::Error,
    },

    /// A server ended by itself.
    #[error("{server} ended while it should run; the end of its log:\n{log}")]
    Exited {
        /// Which server.
        server: &'static str,
        /// The last lines of its log.
        log: String,
    },

    /// A server runs and does not become ready.
    #[error("{what} for {} s; the end of {server}'s log:\n{log}", .waited.as_secs())]
    NotReady {
        /// Which server.
        server: &'static str,
        /// What did not happen.
        what: &'static str,
        /// For how long it was waited for.
        waited: Duration,
        /// The last lines of its log.
        log: String,
    },

    /// A signal could not be sent.
    #[error("cannot send a signal to {server} (process {process_id})")]
    Signal {
        /// Which server.
        server: &'static str,
        /// Its process.
        process_id: u32,
        /// Why.
        source: io::Error,
    },

    /// The API server was stopped before.
    #[error("the API server is stopped, start it first with start_api_server()")]
    ApiServerStopped,

    /// The API server was started before.
    #[error("the API server runs already, stop it first with stop_api_server()")]
    ApiServerRunning,

    /// etcd could not be reached.
    #[error("etcd does not answer {path}")]
    EtcdUnreachable {
        /// Path of the request.
        path: &'static str,
        /// Why.
        source: io::Error,
    },

    /// etcd answered something other than success.
    #[error("etcd refused {path}: {answer}")]
    EtcdRefused {
        /// Path of the request.
        path: &'static str,
        /// What it answered, head and body.
        answer: String,
    },
}

impl Error {
    /// Whether a server ended because someone else has its port.
    pub(crate) fn is_port_taken(&self) -> bool {
        matches!(self, Self::Exited { log, .. } if log.contains("address already in use"))
    }
}

fn display_all(folders: &[PathBuf]) -> String {
    let names: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
    names.join(", ")
}
