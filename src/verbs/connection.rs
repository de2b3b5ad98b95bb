//! The cluster that the command line names.

use std::path::PathBuf;

use kube::client::ClientBuilder;
use kube::config::{InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use tower::util::MapResponseLayer;

use crate::apiserver;
use crate::app::{for_single_requests, for_watches};
use crate::cli::ClusterArgs;
use crate::sieve::sieved;

/// Why there is no connection to a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No cluster is configured.
    #[error("no cluster to look into: set KUBECONFIG, or give --kubeconfig FILE ({0})")]
    NoCluster(#[source] InferConfigError),
    /// The kubeconfig has no context of this name.
    #[error("the kubeconfig has no context {name:?}: give one of {known} with --context")]
    NoContext {
        /// The name that was given.
        name: String,
        /// The contexts that there are.
        known: String,
    },
    /// The kubeconfig cannot be used.
    #[error("{}: {source}", file.as_ref().map_or("kubeconfig".to_owned(), |file| format!("--kubeconfig {}", file.display())))]
    Kubeconfig {
        /// The file, if a flag names it.
        file: Option<PathBuf>,
        /// What is wrong.
        source: KubeconfigError,
    },
    /// The Kubernetes client cannot be set up.
    #[error("the Kubernetes client could not be set up: {0}")]
    Client(#[source] kube::Error),
}

/// A cluster, and the namespace that counts where none is given.
pub(crate) struct Connection {
    /// For single requests.
    pub(crate) client: Client,
    /// The namespace of the kubeconfig's context.
    pub(crate) namespace: String,
    config: Config,
}

impl Connection {
    /// Connects to the cluster that kubectl would use with the same flags.
    ///
    /// # Errors
    /// If no such cluster is configured.
    pub(crate) async fn open(args: &ClusterArgs) -> Result<Self, ConnectError> {
        let config = config(args).await?;
        let client = apiserver::client(for_single_requests(config.clone())).map_err(ConnectError::Client)?;
        Ok(Self { client, namespace: config.default_namespace.clone(), config })
    }

    /// A client for watches and long lists. It drops managed fields, labels and annotations while they arrive.
    ///
    /// # Errors
    /// If the client cannot be set up.
    pub(crate) fn sieving(&self) -> Result<Client, ConnectError> {
        let naming = apiserver::naming(&self.config);
        let builder = ClientBuilder::try_from(for_watches(self.config.clone())).map_err(ConnectError::Client)?;
        Ok(builder.with_layer(&naming).with_layer(&MapResponseLayer::new(sieved)).build())
    }
}

async fn config(args: &ClusterArgs) -> Result<Config, ConnectError> {
    if args.kubeconfig.is_none() && args.context.is_none() {
        return Config::infer().await.map_err(ConnectError::NoCluster);
    }
    let refused = |source| ConnectError::Kubeconfig { file: args.kubeconfig.clone(), source };
    let kubeconfig = kubeconfig(args).map_err(refused)?;
    if let Some(name) = &args.context {
        let known: Vec<_> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
        if !known.contains(&name.as_str()) {
            return Err(ConnectError::NoContext { name: name.clone(), known: known.join(", ") });
        }
    }
    let options = KubeConfigOptions { context: args.context.clone(), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(refused)
}

fn kubeconfig(args: &ClusterArgs) -> Result<Kubeconfig, KubeconfigError> {
    match &args.kubeconfig {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    }
}

/// The contexts of the kubeconfig, for completion. None on any failure.
pub(crate) fn contexts(args: &ClusterArgs) -> Vec<String> {
    kubeconfig(args).map(|it| it.contexts.into_iter().map(|context| context.name).collect()).unwrap_or_default()
}
