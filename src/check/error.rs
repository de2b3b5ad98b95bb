//! Why `check` reaches no verdict.

use std::io;
use std::path::PathBuf;

use waflows_core::store::object_key::ObjectKey;

use crate::app::StartError;
use crate::verbs::connection::ConnectError;

/// The reasons for which `check` reaches no verdict at all.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A manifest cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// A manifest is not UTF-8 text.
    #[error("{}: this is no UTF-8 text (PowerShell writes UTF-16); save it as UTF-8", .0.display())]
    NoText(PathBuf),
    /// The Graph client cannot be set up.
    #[error(transparent)]
    Graph(#[from] StartError),
    /// No cluster is configured.
    #[error("no cluster to look into: set KUBECONFIG, or give manifests with -f ({0})")]
    Kubeconfig(#[source] kube::config::InferConfigError),
    /// The kubeconfig cannot be used.
    #[error(transparent)]
    Connect(ConnectError),
    /// The cluster does not have the CustomResourceDefinition.
    #[error("the cluster knows no FlowsEncryptionKeys: waflows-operator crd | kubectl apply --server-side -f -")]
    NotInstalled,
    /// The user may not list the resources.
    #[error("{0}")]
    MayNotList(String),
    /// The user may not list the resources of all namespaces.
    #[error("{0}; with --operator-namespaces (the old name: --namespaces) you can name those that you may see")]
    MayNotListAll(String),
    /// The list of the resources failed.
    #[error("listing FlowsEncryptionKeys: {0}")]
    List(String),
    /// A named resource does not exist.
    #[error("there is no FlowsEncryptionKey {0} in the cluster")]
    NotFound(ObjectKey),
    /// There is no resource to check.
    #[error("there is no FlowsEncryptionKey in {0}")]
    NothingGiven(String),
    /// The label selector is invalid.
    #[error("--operator-selector: {0:?} is no label selector such as team=checkout")]
    Selector(String),
    /// `-f -` is given twice, but there is only one standard input.
    #[error("standard input can be given once: -f -")]
    StdinTwice,
    /// The JSON cannot be written. Never in practice.
    #[error("writing JSON: {0}")]
    Json(#[from] serde_json::Error),
}
