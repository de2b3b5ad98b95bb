//! Flags of `version`, `report`, `crd`, `completion` and `man`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::super::common::{KUBERNETES, OutputFormat};
use super::super::words::namespace;
use super::scope::ClusterArgs;

pub(in crate::cli) const VERSION_EXAMPLES: &str = "\
Examples:
  waflows-operator version
  waflows-operator version --client";

pub(in crate::cli) const REPORT_EXAMPLES: &str = "\
Examples:
  waflows-operator report
  waflows-operator report -n messaging --file report.tar.gz";

pub(in crate::cli) const CRD_EXAMPLES: &str = "\
Examples:
  waflows-operator crd | kubectl apply --server-side -f -
  waflows-operator crd --format json-schema > flowsencryptionkey.schema.json";

pub(in crate::cli) const COMPLETION_EXAMPLES: &str = "\
Examples:
  source <(waflows-operator completion bash)
  waflows-operator completion zsh > \"${fpath[1]}/_waflows-operator\"
  waflows-operator completion fish > ~/.config/fish/completions/waflows-operator.fish

`kubectl waflows` completes through a file kubectl_complete-waflows on the PATH, which is a link to this program.";

pub(in crate::cli) const MAN_EXAMPLES: &str = "\
Example:
  waflows-operator man ~/.local/share/man/man1";

/// Flags of `version`.
#[derive(Debug, Clone, Args)]
pub struct VersionArgs {
    /// Only the version of this program: ask no cluster.
    #[arg(long)]
    pub client: bool,

    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// Output format.
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// Flags of `report`.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// File to write, which must not exist; - for standard output. Default: waflows-report-TIME.tar.gz.
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// Only the resources of this namespace. Default: all that you may see.
    #[arg(short, long, value_name = "NAME", value_parser = namespace, help_heading = KUBERNETES)]
    pub namespace: Option<String>,
}

/// Flags of `crd`.
#[derive(Debug, Clone, Args)]
pub struct CrdArgs {
    /// What to print.
    #[arg(long, value_enum, default_value = "yaml", value_name = "FORMAT")]
    pub format: CrdFormat,
}

/// Formats of `crd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CrdFormat {
    /// The CustomResourceDefinition, to install it.
    Yaml,
    /// A JSON schema (draft 7) of the resource, for editors and for kubeconform.
    JsonSchema,
}

/// Shells that can complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "names of shells")]
pub enum CompletionShell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl CompletionShell {
    /// The name that `clap_complete` knows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Zsh => "zsh",
        }
    }
}
