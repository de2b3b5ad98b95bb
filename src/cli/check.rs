//! Flags of `check`.

use std::path::PathBuf;

use clap::Args;

use super::words::namespace;
use super::{GraphArgs, KUBERNETES, OutputFormat};

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
    /// Names of FlowsEncryptionKeys in the cluster; all of the namespace where none is given.
    #[arg(conflicts_with = "filenames")]
    pub names: Vec<String>,

    /// Manifests to check, in YAML or JSON: a file, a folder (its .yaml, .yml and .json files), or - for standard
    /// input. Takes FlowsEncryptionKeys and Secrets from them, and passes over everything else. May be repeated. Without
    /// it, what is in the cluster is checked.
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub filenames: Vec<PathBuf>,

    /// Leave Meta out: check manifests and keys only.
    #[arg(long)]
    pub offline: bool,

    /// A Secret that is nowhere to be found is no failure: it will come from elsewhere, such as External Secrets.
    #[arg(long)]
    pub allow_missing_secrets: bool,

    /// What to print.
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub output: OutputFormat,

    /// Check manifests as if they were applied to the cluster of the current kubeconfig: Secrets that they lack, the
    /// status of the same resources and other resources with the same numbers are looked up there. Without it, -f never
    /// asks a cluster.
    #[arg(long, requires = "filenames", help_heading = KUBERNETES)]
    pub cluster: bool,

    /// Namespace of the resources in the cluster, or of manifests that name none. That of the kubeconfig's context where
    /// none is given; with -f alone, default.
    #[arg(short, long, value_name = "NAME", help_heading = KUBERNETES)]
    pub namespace: Option<String>,

    /// Check the resources of all namespaces, or of all of --namespaces.
    #[arg(short = 'A', long, conflicts_with_all = ["filenames", "names", "namespace"], help_heading = KUBERNETES)]
    pub all_namespaces: bool,

    /// Namespaces that the operator works in, as its own flag has them, separated by commas. Resources elsewhere own no
    /// number, and are reported as not selected where they are given.
    #[arg(long, env = "WAFLOWS_NAMESPACES", value_delimiter = ',', value_parser = namespace, value_name = "NAMES", help_heading = KUBERNETES)]
    pub namespaces: Vec<String>,

    /// Labels of the resources that the operator works on, as its own flag has them. Other resources own no number, and
    /// are reported as not selected where they are given.
    #[arg(long, env = "WAFLOWS_SELECTOR", value_name = "LABELS", help_heading = KUBERNETES)]
    pub selector: Option<String>,

    /// Where and how to call Meta.
    #[command(flatten)]
    pub graph: GraphArgs,
}
