//! Flags of `check`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::common::KUBERNETES;
use super::graph::GraphArgs;
use super::verbs::ClusterArgs;
use super::words::{namespace, selector};

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
  waflows-operator check -A -l team=checkout -o json

  # In a pipeline that stops where the operator would upload:
  waflows-operator check -f deploy/ --cluster --detailed-exitcode

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
    pub output: CheckFormat,

    /// Tell uploads from "nothing to do" in the exit code: 0 nothing to do, 1 a person must act, 2 the operator would
    /// upload, 3 no verdict.
    #[arg(long)]
    pub detailed_exitcode: bool,

    /// Check manifests as if they were applied to the cluster of the current kubeconfig. Reads missing Secrets, the
    /// status of the same resources, and other resources with the same numbers from the cluster, and has the API server
    /// try the manifests (a dry run). Without this flag, -f never asks a cluster.
    #[arg(long, requires = "filenames", help_heading = KUBERNETES)]
    pub cluster: bool,

    /// Which cluster.
    #[command(flatten)]
    pub place: ClusterArgs,

    /// Namespace of the resources in the cluster, or of manifests that name none. Default: the namespace of the
    /// kubeconfig's context; with -f alone, the namespace `default`.
    #[arg(short, long, value_name = "NAME", help_heading = KUBERNETES)]
    pub namespace: Option<String>,

    /// Check the resources in all namespaces, or in all namespaces of --operator-namespaces.
    #[arg(short = 'A', long, conflicts_with_all = ["filenames", "names", "namespace"], help_heading = KUBERNETES)]
    pub all_namespaces: bool,

    /// Check only resources with these labels, such as team=checkout. Other resources may still own a number.
    #[arg(short = 'l', long, value_name = "LABELS", value_parser = selector, conflicts_with = "names", help_heading = KUBERNETES)]
    pub labels: Option<String>,

    /// Namespaces that the operator watches, as in its flag --namespaces, separated by commas. Resources in other
    /// namespaces own no number; if you check them, they are reported as not selected. `--namespaces` is the old name.
    #[arg(long, env = "WAFLOWS_NAMESPACES", value_delimiter = ',', value_parser = namespace, value_name = "NAMES", help_heading = KUBERNETES)]
    pub operator_namespaces: Vec<String>,

    /// Label selector of the operator, as in its flag --selector. Other resources own no number; if you check them, they
    /// are reported as not selected. `--selector` is the old name.
    #[arg(long, env = "WAFLOWS_SELECTOR", value_name = "LABELS", help_heading = KUBERNETES)]
    pub operator_selector: Option<String>,

    /// The old name of --operator-namespaces.
    #[arg(long = "namespaces", value_delimiter = ',', value_parser = namespace, hide = true)]
    pub old_namespaces: Vec<String>,

    /// The old name of --operator-selector.
    #[arg(long = "selector", hide = true)]
    pub old_selector: Option<String>,

    /// Flags for calls to Meta.
    #[command(flatten)]
    pub graph: GraphArgs,
}

/// Output formats of `check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For people.
    Table,
    /// For machines: one JSON object.
    Json,
    /// The table, and annotations for GitHub Actions.
    Github,
}
