//! Flags of `numbers`.

use clap::{Args, ValueEnum};

use super::credentials::CredentialArgs;
use super::graph::GraphArgs;
use super::words::meta_id;

pub(super) const EXAMPLES: &str = "\
Examples:
  # Which numbers does the account have, and what do they hold?
  waflows-operator numbers --business-account 102290129340398 --token-file token.txt

  # The same with the token of a resource in the cluster:
  waflows-operator numbers --business-account 102290129340398 storefront -n messaging

  # A FlowsEncryptionKey for all of them:
  waflows-operator numbers --business-account 102290129340398 --token-file token.txt -o manifest > numbers.yaml

docs/meta-setup.md says where the ID and the token come from.";

/// Flags of `numbers`.
#[derive(Debug, Clone, Args)]
pub struct NumbersArgs {
    /// ID of the WhatsApp Business Account. The token needs the permission `whatsapp_business_management`.
    #[arg(long = "business-account", value_name = "ID", value_parser = meta_id)]
    pub business_account: String,

    /// The credentials.
    #[command(flatten)]
    pub credentials: CredentialArgs,

    /// Output format.
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub output: NumbersFormat,

    /// Flags for calls to Meta.
    #[command(flatten)]
    pub graph: GraphArgs,
}

/// Output formats of `numbers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NumbersFormat {
    /// For people.
    Table,
    /// For machines: one JSON object.
    Json,
    /// A FlowsEncryptionKey for the numbers, in YAML.
    Manifest,
}
