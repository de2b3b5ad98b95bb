//! Flags of `status`.

use clap::Args;

use super::scope::{LookArgs, SelectArgs};

pub(in crate::cli) const EXAMPLES: &str = "\
Examples:
  waflows-operator status
  waflows-operator status storefront -n messaging
  waflows-operator status -A --only-bad
  waflows-operator status -l team=checkout --watch
  waflows-operator status -A -o json

docs/cli.md describes the JSON.";

/// Flags of `status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// Which resources. Default: all in the namespace.
    #[command(flatten)]
    pub select: SelectArgs,

    /// Only resources that are not Ready, or whose endpoint fails.
    #[arg(long)]
    pub only_bad: bool,

    /// Every number, with its state, its key and its last upload; not only those that need a person.
    #[arg(long)]
    pub all_numbers: bool,

    /// Print each resource again when it changes, until Ctrl-C.
    #[arg(short, long)]
    pub watch: bool,

    /// How the result looks.
    #[command(flatten)]
    pub look: LookArgs,
}
