//! Why a verb reaches no verdict: one sentence each, with the remedy.

use std::io;

use waflows_core::store::object_key::ObjectKey;

use super::connection::ConnectError;
use crate::apiserver::describe;

/// The reasons for which a verb reaches no verdict. The exit code is 2.
#[derive(Debug, thiserror::Error)]
pub enum VerbError {
    /// There is no cluster.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The cluster does not have the CustomResourceDefinition.
    #[error(
        "the cluster knows no FlowsEncryptionKeys: install the operator, or its definition with `waflows-operator crd | \
         kubectl apply --server-side -f -`"
    )]
    NotInstalled,
    /// The API server does not know who asks.
    #[error("the API server does not accept your credentials: log in to the cluster again, or give another --context")]
    Unauthorized,
    /// The API server refuses.
    #[error("{said}: {remedy}")]
    Forbidden {
        /// The API server's words.
        said: String,
        /// What helps.
        remedy: &'static str,
    },
    /// The API server failed, or cannot be reached.
    #[error("{doing}: {said}")]
    Failed {
        /// What was being done.
        doing: String,
        /// The API server's words, or the failure of the connection.
        said: String,
    },
    /// A named resource does not exist.
    #[error("there is no FlowsEncryptionKey {0}: correct the name, or give its namespace with -n")]
    NotFound(ObjectKey),
    /// No resource is selected.
    #[error("there is no FlowsEncryptionKey {0}")]
    Nothing(String),
    /// Names, labels or -A are missing.
    #[error("say which resources: give names, -l LABELS or -A")]
    NothingSaid,
    /// A name that is none.
    #[error("{0:?} is no name of a FlowsEncryptionKey: give NAME or fek/NAME, and the namespace with -n")]
    NoName(String),
    /// Standard output cannot be written.
    #[error("writing the output: {0}")]
    Output(#[from] io::Error),
    /// The JSON cannot be written. Never in practice.
    #[error("writing JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The YAML cannot be written. Never in practice.
    #[error("writing YAML: {0}")]
    Yaml(#[from] serde_saphyr::ser::Error),
}

/// What is being done to FlowsEncryptionKeys, for the remedy of a refusal.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Doing {
    /// List or watch in all namespaces.
    ReadAll,
    /// Read in one namespace.
    Read,
    /// Change.
    Change,
}

impl Doing {
    fn remedy(self) -> &'static str {
        match self {
            Self::ReadAll => "give a namespace that you may see with -n, or ask for the ClusterRole `view`",
            Self::Read => "ask for the role `view` in this namespace",
            Self::Change => "ask for the role `edit` in this namespace",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::ReadAll | Self::Read => "reading FlowsEncryptionKeys",
            Self::Change => "changing a FlowsEncryptionKey",
        }
    }

    /// The failure of a request for FlowsEncryptionKeys.
    pub(crate) fn failed(self, error: &kube::Error) -> VerbError {
        match error {
            kube::Error::Api(status) if status.code == 401 => VerbError::Unauthorized,
            kube::Error::Api(status) if status.code == 403 => {
                VerbError::Forbidden { said: status.message.clone(), remedy: self.remedy() }
            }
            kube::Error::Api(status) if status.code == 404 => VerbError::NotInstalled,
            error => VerbError::Failed { doing: self.words().to_owned(), said: describe(error) },
        }
    }
}
