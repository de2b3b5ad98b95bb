//! Flags of `sync`, `wait`, `suspend` and `resume`.

use std::time::Duration;

use clap::Args;

use super::super::words::duration;
use super::scope::{LookArgs, SelectArgs};

pub(in crate::cli) const SYNC_EXAMPLES: &str = "\
Examples:
  waflows-operator sync storefront
  waflows-operator sync storefront -n messaging --wait
  waflows-operator sync -A -l team=checkout --wait --timeout 2m";

pub(in crate::cli) const WAIT_EXAMPLES: &str = "\
Examples:
  waflows-operator wait storefront
  waflows-operator wait -l team=checkout --timeout 15m";

pub(in crate::cli) const SUSPEND_EXAMPLES: &str = "\
Example:
  waflows-operator suspend storefront -n messaging";

pub(in crate::cli) const RESUME_EXAMPLES: &str = "\
Example:
  waflows-operator resume storefront -n messaging";

/// Flags of `sync`.
#[derive(Debug, Clone, Args)]
pub struct SyncArgs {
    /// Which resources.
    #[command(flatten)]
    pub select: SelectArgs,

    /// Wait until each resource is Ready. Ends at once for a resource that needs a person.
    #[arg(short, long)]
    pub wait: bool,

    /// How long to wait.
    #[arg(long, default_value = "5m", value_parser = duration, value_name = "DURATION")]
    pub timeout: Duration,

    /// How the result looks.
    #[command(flatten)]
    pub look: LookArgs,
}

/// Flags of `wait`.
#[derive(Debug, Clone, Args)]
pub struct WaitArgs {
    /// Which resources.
    #[command(flatten)]
    pub select: SelectArgs,

    /// How long to wait.
    #[arg(long, default_value = "5m", value_parser = duration, value_name = "DURATION")]
    pub timeout: Duration,

    /// How the result looks.
    #[command(flatten)]
    pub look: LookArgs,
}

/// Flags of `suspend` and `resume`.
#[derive(Debug, Clone, Args)]
pub struct ChangeArgs {
    /// Which resources.
    #[command(flatten)]
    pub select: SelectArgs,

    /// How the result looks.
    #[command(flatten)]
    pub look: LookArgs,
}
