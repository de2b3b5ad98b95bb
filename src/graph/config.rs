//! Configuration of the client, and what can be wrong with it.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

/// Configuration of the client.
#[derive(Debug, Clone)]
pub struct Config {
    /// Base URL, such as `https://graph.facebook.com`.
    pub base_url: Url,
    /// API version, such as `v25.0`.
    pub api_version: String,
    /// Whether `http` is allowed.
    pub allow_http: bool,
    /// PEM file of certificate authorities to trust in addition to the platform's. Read again when the file changes.
    pub ca_bundle: Option<PathBuf>,
    /// Timeout of a whole call. An upload must end before another replica can take a lost Lease.
    pub timeout: Duration,
}

/// The reasons why the client cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The scheme is not https, and `allow_http` is false.
    #[error("--graph-url {0} is not https: tokens are only sent over TLS (tests may pass --allow-http-graph-url)")]
    NotHttps(Url),
    /// The URL cannot be a base URL.
    #[error("--graph-url {0} has a query, a fragment, credentials or no host: give scheme, host and at most a path")]
    NotABase(Url),
    /// The CA bundle cannot be used.
    #[error("--graph-ca-bundle {path} {trouble}")]
    CaBundle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        trouble: String,
    },
    /// TLS could not be set up.
    #[error("the HTTPS client could not be set up: {0}")]
    Http(#[from] reqwest::Error),
}
