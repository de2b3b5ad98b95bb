//! Flags of `rotate`, `proceed` and `abort`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::super::common::KUBERNETES;
use super::super::words::{duration, namespace};
use super::scope::{ClusterArgs, Color};

pub(in crate::cli) const ROTATE_EXAMPLES: &str = "\
Examples:
  # What would be written, and which key replaces which:
  waflows-operator rotate storefront --key-file new.pem --dry-run

  # Writes the key into the Secret that the resource refers to, and follows the rotation:
  waflows-operator rotate storefront --key-file new.pem

  # The key is in another Secret already:
  waflows-operator rotate storefront --to flows-key-2/private.pem

  # The way back:
  waflows-operator rotate storefront --back";

pub(in crate::cli) const PROCEED_EXAMPLES: &str = "\
Example:
  waflows-operator proceed storefront -n messaging";

pub(in crate::cli) const ABORT_EXAMPLES: &str = "\
Example:
  waflows-operator abort storefront -n messaging";

/// One resource of the cluster.
#[derive(Debug, Clone, Args)]
pub struct OneArgs {
    /// Name of the FlowsEncryptionKey; fek/NAME is the same as NAME.
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// Namespace of the resource. Default: the namespace of the kubeconfig's context.
    #[arg(short, long, value_name = "NAME", value_parser = namespace, help_heading = KUBERNETES)]
    pub namespace: Option<String>,
}

/// Flags of `rotate`.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("key").args(["key_file", "to", "back"]).required(true))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct RotateArgs {
    /// The resource.
    #[command(flatten)]
    pub one: OneArgs,

    /// File with the new private key, in any format that `inspect` reads; - for standard input. `rotate` writes the key
    /// into the Secret that the resource refers to, and keeps the old value in the same Secret, for --back. For a resource
    /// with the field `publicKey`: file with the new public key in PEM.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,

    /// File with the passphrase of the new private key; - for standard input. `rotate` writes the passphrase to where
    /// passphraseSecretRef points.
    #[arg(long, value_name = "FILE", requires = "key_file")]
    pub passphrase_file: Option<PathBuf>,

    /// Entry of another Secret that holds the new key: SECRET/KEY. `rotate` changes only the reference in the resource.
    #[arg(long, value_name = "SECRET/KEY")]
    pub to: Option<String>,

    /// Go back to the key before the last `rotate`.
    #[arg(long)]
    pub back: bool,

    /// Do not ask before writing.
    #[arg(short, long)]
    pub yes: bool,

    /// Only show what would be written.
    #[arg(long)]
    pub dry_run: bool,

    /// Follow the rotation until the old key is no longer needed. Default: until every number has the new key.
    #[arg(long)]
    pub through_overlap: bool,

    /// How long to follow the rotation. After that, the rotation goes on without you; `status` shows how far it is.
    #[arg(long, default_value = "15m", value_parser = duration, value_name = "DURATION")]
    pub timeout: Duration,

    /// When to colour what needs a person. `auto`: on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: Color,
}

/// Flags of `proceed` and `abort`.
#[derive(Debug, Clone, Args)]
pub struct SteerArgs {
    /// The resource.
    #[command(flatten)]
    pub one: OneArgs,

    /// How long to wait for the operator.
    #[arg(long, default_value = "5m", value_parser = duration, value_name = "DURATION")]
    pub timeout: Duration,

    /// When to colour what needs a person. `auto`: on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: Color,
}
