//! Flags of `check`.

use std::path::PathBuf;

use clap::Args;

use super::common::{KUBERNETES, OutputFormat};
use super::graph::GraphArgs;
use super::words::namespace;

pub(super) const EXAMPLES: &str = "\
Examples:
  # What is to be merged, with its Secrets, against Meta:
  waflows-operator check -f storefront.yaml -f secrets.yaml
  helm template shop ./chart | waflows-operator check -f -

  # The same where Secrets are in the cluster alone:
  waflows-operator check -f deploy/ --cluster

  # Manifests alone, no network:
  waflows-operator check -f deploy/ --offline --allow-missing-secrets

  # What is in the cluster:
  waflows-operator check storefront -n messaging
  waflows-operator check -A -o json

docs/check.md describes the JSON, and how to run this in CI.";

/// Flags of `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Names of FlowsEncryptionKeys in the cluster. Default: all in the namespace.
    #[arg(conflicts_with = "filenames")]
    pub names: Vec<String>,

    /// Manifests to check, in YAML or JSON: a file, a folder (its .yaml, .yml and .json files), or - for standard
    /// input. Reads FlowsEncryptionKeys and Secrets, and ignores all other kinds. May be repeated. Without this flag,
    /// `check` reads the resources from the cluster.
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub filenames: Vec<PathBuf>,

    /// Do not ask Meta: check manifests and keys only.
    #[arg(long)]
    pub offline: bool,

    /// A missing Secret is no failure: another tool will create it, such as External Secrets.
    #[arg(long)]
    pub allow_missing_secrets: bool,

    /// Output format.
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub output: OutputFormat,

    /// Check manifests as if they were applied to the cluster of the current kubeconfig. Reads missing Secrets, the
    /// status of the same resources, and other resources with the same numbers from the cluster. Without this flag, -f
    /// never asks a cluster.
    #[arg(long, requires = "filenames", help_heading = KUBERNETES)]
    pub cluster: bool,

    /// Namespace of the resources in the cluster, or of manifests that name none. Default: the namespace of the
    /// kubeconfig's context; with -f alone, the namespace `default`.
    #[arg(short, long, value_name = "NAME", help_heading = KUBERNETES)]
    pub namespace: Option<String>,

    /// Check the resources in all namespaces, or in all namespaces of --namespaces.
    #[arg(short = 'A', long, conflicts_with_all = ["filenames", "names", "namespace"], help_heading = KUBERNETES)]
    pub all_namespaces: bool,

    /// Namespaces that the operator watches, as in its own flag, separated by commas. Resources in other namespaces own
    /// no number; if you check them, they are reported as not selected.
    #[arg(long, env = "WAFLOWS_NAMESPACES", value_delimiter = ',', value_parser = namespace, value_name = "NAMES", help_heading = KUBERNETES)]
    pub namespaces: Vec<String>,

    /// Label selector of the operator, as in its own flag. Other resources own no number; if you check them, they are
    /// reported as not selected.
    #[arg(long, env = "WAFLOWS_SELECTOR", value_name = "LABELS", help_heading = KUBERNETES)]
    pub selector: Option<String>,

    /// Flags for calls to Meta.
    #[command(flatten)]
    pub graph: GraphArgs,
}
