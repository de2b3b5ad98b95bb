//! Flags of `ping`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::OutputFormat;

pub(super) const EXAMPLES: &str = "\
Examples:
  # Does the endpoint have this private key?
  waflows-operator ping https://flows.example.com/flows --key private.pem --app-secret-file app-secret.txt

  # The same with the public half alone, inside a cluster:
  waflows-operator ping http://flow-endpoint.messaging.svc/flows --public-key public.pem

  # Does it answer 421 to a key that it does not have?
  waflows-operator ping https://flows.example.com/flows --unknown-key --app-secret-file app-secret.txt

docs/endpoint.md has every outcome, with its causes and remedies.";

/// Flags of `ping`.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("asked").required(true).args(["public_key", "key", "unknown_key"]))]
pub struct PingArgs {
    /// The endpoint's URL, http or https. Several are asked at once.
    // A text at first: an error of clap would repeat a password that somebody has put into it.
    #[arg(value_name = "URL", required = true)]
    pub targets: Vec<String>,

    /// File with the public key: a public key or a certificate, in PEM or DER; - for standard input.
    #[arg(long, value_name = "FILE")]
    pub public_key: Option<PathBuf>,

    /// File with the key in any form that `inspect` reads; - for standard input. Of a private key only the public half is
    /// used, and nothing of it is sent.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,

    /// File with the passphrase of an encrypted private key; - for standard input. One line break at its end is ignored.
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with_all = ["public_key", "unknown_key"])]
    pub passphrase_file: Option<PathBuf>,

    /// Ask with a key that nobody has: 421 is then the right answer, from which phones learn to fetch the key again.
    #[arg(long)]
    pub unknown_key: bool,

    /// File with the secret of the app that is connected to the Flow, to sign the request as Meta does; - for standard
    /// input. Without it the request has no signature.
    #[arg(long, value_name = "FILE")]
    pub app_secret_file: Option<PathBuf>,

    /// PEM file with certificate authorities to trust, beside those of the platform.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// What to print.
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub output: OutputFormat,
}
