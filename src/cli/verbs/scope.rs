//! Flags that all verbs share: which cluster, which resources, and how the result looks.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::super::common::KUBERNETES;
use super::super::words::{namespace, selector};

/// Group heading in `--help`.
const OUTPUT: &str = "Output";

/// Which cluster.
#[derive(Debug, Clone, Default, Args)]
pub struct ClusterArgs {
    /// Context of the kubeconfig. Default: the current context.
    #[arg(long, value_name = "NAME", help_heading = KUBERNETES)]
    pub context: Option<String>,

    /// Kubeconfig file. Default: the files in KUBECONFIG, then ~/.kube/config.
    #[arg(long, value_name = "FILE", help_heading = KUBERNETES)]
    pub kubeconfig: Option<PathBuf>,
}

/// Which resources of the cluster.
#[derive(Debug, Clone, Default, Args)]
pub struct SelectArgs {
    /// Names of FlowsEncryptionKeys; fek/NAME is the same as NAME.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,

    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// Namespace of the resources. Default: the namespace of the kubeconfig's context.
    #[arg(short, long, value_name = "NAME", value_parser = namespace, help_heading = KUBERNETES)]
    pub namespace: Option<String>,

    /// The resources in all namespaces.
    #[arg(short = 'A', long, conflicts_with_all = ["names", "namespace"], help_heading = KUBERNETES)]
    pub all_namespaces: bool,

    /// Label selector, such as team=checkout: only resources with these labels.
    #[arg(short = 'l', long = "selector", value_name = "LABELS", value_parser = selector, conflicts_with = "names", help_heading = KUBERNETES)]
    pub labels: Option<String>,
}

impl SelectArgs {
    /// Whether names, labels or -A say which resources are meant. A verb that changes resources needs one of them.
    pub fn is_explicit(&self) -> bool {
        !self.names.is_empty() || self.labels.is_some() || self.all_namespaces
    }
}

/// How the result looks.
#[derive(Debug, Clone, Args)]
pub struct LookArgs {
    /// Output format.
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT", help_heading = OUTPUT)]
    pub output: ListFormat,

    /// Tables without the line of column names.
    #[arg(long, help_heading = OUTPUT)]
    pub no_headers: bool,

    /// When to colour what needs a person. `auto`: on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN", help_heading = OUTPUT)]
    pub color: Color,
}

/// Output formats of the verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// For people.
    Table,
    /// For people, with more columns.
    Wide,
    /// For machines: one JSON object.
    Json,
    /// The same object as YAML.
    Yaml,
    /// Only names, one on each line, as kubectl takes them.
    Name,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
