//! Flags of `inspect`.

use std::path::PathBuf;

use clap::Args;

use super::common::OutputFormat;

pub(super) const EXAMPLES: &str = "\
Examples:
  waflows-operator inspect private.pem
  waflows-operator inspect private.pem --passphrase-file passphrase.txt
  waflows-operator inspect private.pem --public-key > public.pem
  kubectl get secret flows-key -o jsonpath='{.data.private\\.pem}' | base64 -d | waflows-operator inspect -";

/// Flags of `inspect`.
#[derive(Debug, Clone, Args)]
pub struct InspectArgs {
    /// File with a private key, a certificate or a public key, in PEM or DER; - for standard input.
    #[arg(value_name = "KEYFILE")]
    pub key_file: PathBuf,

    /// File with the passphrase of an encrypted private key; - for standard input. One line break at the end is
    /// ignored.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,

    /// Print the public key in PEM, and nothing else.
    #[arg(long, conflicts_with = "output")]
    pub public_key: bool,

    /// Output format.
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub output: OutputFormat,
}
