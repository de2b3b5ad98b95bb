//! Flags of `token`.

use clap::Args;

use super::OutputFormat;
use super::credentials::CredentialArgs;
use super::graph::GraphArgs;
use super::words::meta_id;

pub(super) const EXAMPLES: &str = "\
Examples:
  # What may this token do, and until when?
  waflows-operator token --token-file token.txt

  # The token of a resource in the cluster:
  waflows-operator token storefront -n messaging

  # Meta lets some tokens be inspected only by their app:
  waflows-operator token --token-file token.txt --app-id 1234567890 --app-secret-file app-secret.txt

docs/meta-setup.md says which permissions a token needs.";

/// Flags of `token`.
#[derive(Debug, Clone, Args)]
pub struct TokenArgs {
    /// The credentials.
    #[command(flatten)]
    pub credentials: CredentialArgs,

    /// ID of the app that issued the token. Where the token may not ask about itself, the app asks: its secret then goes to
    /// Meta. Default: the `appId` of the resource.
    #[arg(long, value_name = "ID", value_parser = meta_id)]
    pub app_id: Option<String>,

    /// Output format.
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub output: OutputFormat,

    /// Flags for calls to Meta.
    #[command(flatten)]
    pub graph: GraphArgs,
}
