//! Flags of the commands that call Meta with a token: where the token is.

use std::path::PathBuf;

use clap::Args;

use super::common::KUBERNETES;
use super::verbs::{ClusterArgs, OneArgs};
use super::words::namespace;

/// The credentials: those of a resource, or files.
#[derive(Debug, Clone, Args)]
pub struct CredentialArgs {
    /// Name of a FlowsEncryptionKey in the cluster, whose token and app secret are used; fek/NAME is the same as NAME.
    #[arg(value_name = "NAME", required_unless_present = "token_file")]
    pub name: Option<String>,

    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// Namespace of the resource. Default: the namespace of the kubeconfig's context.
    #[arg(short, long, value_name = "NAME", value_parser = namespace, help_heading = KUBERNETES)]
    pub namespace: Option<String>,

    /// File with the access token; - for standard input. White space around the token is ignored.
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    pub token_file: Option<PathBuf>,

    /// File with the app's secret; - for standard input. If given, every call has an `appsecret_proof`.
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    pub app_secret_file: Option<PathBuf>,
}

impl CredentialArgs {
    /// The resource whose credentials are used. None if they are in files.
    pub fn one(&self) -> Option<OneArgs> {
        let (cluster, namespace) = (self.cluster.clone(), self.namespace.clone());
        self.name.clone().map(|name| OneArgs { name, cluster, namespace })
    }
}
