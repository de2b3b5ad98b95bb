//! Flags of every command that calls Meta.

use std::path::PathBuf;

use clap::Args;
use reqwest::Url;

/// URL, version and limits for calls to Meta.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Graph API")]
pub struct GraphArgs {
    /// Base URL of the Graph API.
    #[arg(long, env = "WAFLOWS_GRAPH_URL", default_value = "https://graph.facebook.com")]
    pub graph_url: Url,

    /// Version of the Graph API.
    #[arg(long, env = "WAFLOWS_GRAPH_API_VERSION", default_value = "v25.0", value_parser = api_version)]
    pub graph_api_version: String,

    /// Allow a Graph URL without TLS. Access tokens are then sent in the clear; for tests only.
    #[arg(long, env = "WAFLOWS_ALLOW_HTTP_GRAPH_URL")]
    pub allow_http_graph_url: bool,

    /// PEM file with certificate authorities to trust for the Graph API, in addition to the platform's.
    #[arg(long, env = "WAFLOWS_GRAPH_CA_BUNDLE", value_name = "FILE")]
    pub graph_ca_bundle: Option<PathBuf>,

    /// Limit of requests per second to the Graph API, for all resources together; 0 means no limit.
    #[arg(long, env = "WAFLOWS_GRAPH_REQUESTS_PER_SECOND", default_value_t = 50, value_name = "N")]
    pub graph_requests_per_second: u32,

    /// Limit of concurrent requests to the Graph API, for all resources together; 0 means no limit.
    #[arg(long, env = "WAFLOWS_GRAPH_CONCURRENCY", default_value_t = 32, value_name = "N")]
    pub graph_concurrency: u32,
}

fn api_version(text: &str) -> Result<String, String> {
    let is_version = text.strip_prefix('v').and_then(|rest| rest.split_once('.')).is_some_and(|(major, minor)| {
        [major, minor].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    });
    if is_version { Ok(text.to_owned()) } else { Err("must be like v25.0".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_version_is_like_v25_0() {
        assert_eq!(api_version("v25.0").as_deref(), Ok("v25.0"));
        assert!(["25.0", "v25", "v25.", "v25.0/x", ""].iter().all(|text| api_version(text).is_err()));
    }
}
