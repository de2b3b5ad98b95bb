use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Why a step of the demo did not happen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("interrupted")]
    Interrupted,

    #[error("cannot listen for signals: {source}")]
    Signals { source: io::Error },

    #[error("cannot make the demo's scratch folder: {source}")]
    Scratch { source: io::Error },

    #[error("cannot link {path} into the demo's scratch folder: {source}")]
    Link { path: PathBuf, source: io::Error },

    #[error("cannot read {path}: {source}")]
    File { path: PathBuf, source: io::Error },

    #[error("the control plane did not start: {0}")]
    ControlPlane(#[from] control_plane::Error),

    #[error("the start of the control plane broke off: {0}")]
    ControlPlaneTask(#[from] tokio::task::JoinError),

    #[error("the Graph API emulator did not start: {0}")]
    Emulator(#[from] graph_emulator::StartError),

    #[error("the emulator of the Flow endpoint did not start: {0}")]
    Endpoint(#[from] endpoint_emulator::StartError),

    #[error("the emulator of the Flow endpoint did not take a key: {0}")]
    EndpointKey(#[from] endpoint_emulator::KeyError),

    #[error("the clients did not start: {0}")]
    Clients(#[from] whatsapp_clients::StartError),

    #[error("the emulator does not know one of its numbers: {0}")]
    EmulatedNumber(#[from] graph_emulator::UnknownNumber),

    #[error("cannot read the control plane's kubeconfig: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),

    #[error("{doing} failed: {source}")]
    Kubernetes { doing: &'static str, source: kube::Error },

    #[error("watching FlowsEncryptionKey {name} failed: {source}")]
    Watch { name: String, source: kube::runtime::wait::Error },

    #[error("the watch of FlowsEncryptionKeys ended early, or reported: {reason}")]
    WatchEnded { reason: String },

    #[error("there is no operator at {path}: build it with `cargo build -p waflows-operator`, or give --operator")]
    NoOperator { path: PathBuf },

    #[error("cannot find this program's own path: {source}")]
    OwnPath { source: io::Error },

    #[error("cannot run the operator: {source}")]
    OperatorStart { source: io::Error },

    #[error("the operator ended by itself ({status}), its log says why")]
    OperatorEnded { status: ExitStatus },

    #[error("the operator did not end cleanly when it was asked to stop: {how}")]
    OperatorStop { how: String },

    #[error("cannot run `{line}`: {source}")]
    Command { line: String, source: io::Error },

    #[error("`{line}` should have succeeded; it ended with {status}; what it printed is above")]
    CommandFailed { line: String, status: ExitStatus },

    #[error("`{line}` should have ended within {} s", .limit.as_secs())]
    CommandHangs { line: String, limit: Duration },

    #[error("expected within {} s: {expected}", .limit.as_secs())]
    NotSeen { expected: String, limit: Duration },

    #[error("expected {expected}; found {found}")]
    Differs { expected: String, found: String },
}
