use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a scenario could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("interrupted")]
    Interrupted,

    #[error("no scenario's name begins with {name}; there are: {known}")]
    UnknownScenario { name: String, known: String },

    #[error("there is no program at {path}: `make bench` builds it")]
    NoProgram { path: PathBuf },

    #[error("{doing}: {source}")]
    Io { doing: String, source: io::Error },

    #[error("{file} does not read as expected")]
    Unreadable { file: String },

    #[error("the control plane did not start: {0}")]
    ControlPlane(#[from] control_plane::Error),

    #[error("the start of the control plane broke off: {0}")]
    ControlPlaneTask(#[from] tokio::task::JoinError),

    #[error("cannot read the control plane's kubeconfig: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),

    #[error("{doing} failed: {source}")]
    Kubernetes { doing: &'static str, source: kube::Error },

    #[error("the emulator of the Graph API does not answer: {0}")]
    Emulator(#[from] reqwest::Error),

    #[error("`{line}` failed: {complaint}")]
    Command { line: String, complaint: String },

    #[error("the key that openssl made cannot be read: {0}")]
    Key(#[from] waflows_key::KeyError),

    #[error("the operator ended by itself; the end of its log:\n{log}")]
    OperatorEnded { log: String },

    #[error("expected within {} s: {expected}; the end of the log:\n{log}", .limit.as_secs())]
    NotSeen { expected: String, limit: Duration, log: String },

    #[error("cannot write {path} as JSON: {source}")]
    Json { path: PathBuf, source: serde_json::Error },
}

impl Error {
    /// For `map_err` on what the file system or a process did.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        |source| Self::Io { doing, source }
    }

    /// For `map_err` on what the API server answered.
    pub(crate) fn kubernetes(doing: &'static str) -> impl Fn(kube::Error) -> Self {
        move |source| Self::Kubernetes { doing, source }
    }
}
