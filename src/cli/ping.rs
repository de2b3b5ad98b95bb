//! Flags of `ping`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::OutputFormat;
use super::verbs::ClusterArgs;
use super::words::namespace;

pub(super) const EXAMPLES: &str = "\
Examples:
  # Does the endpoint have this private key?
  waflows-operator ping https://flows.example.com/flows --key private.pem --app-secret-file app-secret.txt

  # The same with only the public half, inside a cluster:
  waflows-operator ping http://flow-endpoint.messaging.svc/flows --public-key public.pem

  # Does the endpoint answer 421 to a key that it does not have?
  waflows-operator ping https://flows.example.com/flows --unknown-key --app-secret-file app-secret.txt

  # Every pod of the endpoint of a resource in the cluster, with the key that the operator keeps on its numbers:
  waflows-operator ping fek/storefront --namespace messaging

docs/endpoint.md lists all outcomes, with causes and remedies.";

/// Flags of `ping`.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("asked").args(["public_key", "key", "unknown_key"]))]
pub struct PingArgs {
    /// URL of the endpoint, http or https; several URLs are asked at the same time. Or fek/NAME: the endpoint of a
    /// FlowsEncryptionKey in the cluster, and the key in its status.
    // Parsed later: an error of clap would repeat a password in the URL.
    #[arg(value_name = "URL|fek/NAME", required = true)]
    pub targets: Vec<String>,

    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// Namespace of the FlowsEncryptionKey. Default: the namespace of the kubeconfig's context.
    #[arg(short, long, value_name = "NAME", value_parser = namespace)]
    pub namespace: Option<String>,

    /// File with the public key: a public key or a certificate, in PEM or DER; - for standard input.
    #[arg(long, value_name = "FILE")]
    pub public_key: Option<PathBuf>,

    /// File with the key, in any format that `inspect` reads; - for standard input. `ping` uses only the public half of
    /// a private key, and sends no part of the key.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,

    /// File with the passphrase of an encrypted private key; - for standard input. One line break at the end is
    /// ignored.
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with_all = ["public_key", "unknown_key"])]
    pub passphrase_file: Option<PathBuf>,

    /// Ask with a key that nobody has. The right answer is then 421, which tells phones to fetch the key again.
    #[arg(long)]
    pub unknown_key: bool,

    /// File with the secret of the app that is connected to the Flow; - for standard input. `ping` signs the request
    /// with the secret, as Meta does. Without this flag, the request has no signature.
    #[arg(long, value_name = "FILE")]
    pub app_secret_file: Option<PathBuf>,

    /// PEM file with certificate authorities to trust, in addition to the platform's.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// Ask pods on this machine; for tests.
    #[arg(long, env = "WAFLOWS_ENDPOINT_ALLOW_LOOPBACK", hide = true)]
    pub endpoint_allow_loopback: bool,

    /// Output format.
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub output: OutputFormat,
}
