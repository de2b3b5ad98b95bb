//! Flags of `ready`.

use std::time::Duration;

use clap::Args;
use reqwest::Url;

use super::words::duration;

/// Flags of `ready`.
#[derive(Debug, Clone, Args)]
pub struct ReadyArgs {
    /// The page to ask.
    #[arg(default_value = "http://127.0.0.1:8080/readyz")]
    pub url: Url,

    /// How long to ask again while the operator is not ready. Default: ask once.
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    pub wait: Option<Duration>,
}
