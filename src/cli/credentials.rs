//! Flags of the commands that call Meta with a token from a file.

use std::path::PathBuf;

use clap::Args;

/// The files of the credentials.
#[derive(Debug, Clone, Args)]
pub struct CredentialArgs {
    /// File with the access token; - for standard input. White space around the token is ignored.
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,

    /// File with the app's secret; - for standard input. If given, every call has an `appsecret_proof`.
    #[arg(long, value_name = "FILE")]
    pub app_secret_file: Option<PathBuf>,
}
