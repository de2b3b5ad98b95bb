//! The reasons for which `ping` asks nothing.

use waflows_probe::UnusableKey;

use super::input::InputError;
use super::target::TargetError;
use crate::verbs::connection::ConnectError;

/// The reasons for which `ping` asks nothing.
#[derive(Debug, thiserror::Error)]
pub enum PingError {
    /// A target is not valid.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A file cannot be used.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] UnusableKey),
    /// No key to ask for.
    #[error("ping needs a key to ask for: give --public-key FILE, --key FILE or --unknown-key")]
    NothingToAsk,
    /// The name of a resource beside other targets.
    #[error("{0}: ask the endpoint of one resource at a time, without other targets")]
    NotAlone(String),
    /// There is no cluster.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The cluster does not answer, or refuses.
    #[error("the cluster of the kubeconfig: {0}")]
    Cluster(String),
    /// The resource does not exist.
    #[error("FlowsEncryptionKey {0} does not exist: correct the name, or give --namespace")]
    NoResource(String),
    /// The resource has no endpoint.
    #[error("FlowsEncryptionKey {0} has no spec.endpoint: set it, or give the URL of the endpoint")]
    NoEndpoint(String),
    /// The operator has not read the key of the resource.
    #[error("FlowsEncryptionKey {0} has no public key in its status yet: give the key with --public-key or --key")]
    NoKey(String),
    /// A Secret of the resource cannot be used.
    #[error("{0}")]
    Secret(String),
    /// The endpoint has no target.
    #[error("{0}")]
    NoTarget(String),
    /// TLS could not be set up.
    #[error("the HTTPS client could not be set up: {0}")]
    Http(#[from] reqwest::Error),
    /// The JSON cannot be written. Never in practice.
    #[error("writing JSON: {0}")]
    Json(#[from] serde_json::Error),
}
