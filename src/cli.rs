//! The command line. Every flag of `run` can be given in the environment as well.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use reqwest::Url;

/// Keeps the encryption key of WhatsApp Flows on every phone number.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator against the cluster of the current kubeconfig, or the one it runs in.
    Run(Box<RunArgs>),
    /// Print the CustomResourceDefinition as YAML.
    Crd,
}

/// Flags of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Base URL of the Graph API.
    #[arg(long, env = "WAFLOWS_GRAPH_URL", default_value = "https://graph.facebook.com")]
    pub graph_url: Url,

    /// Version of the Graph API.
    #[arg(long, env = "WAFLOWS_GRAPH_API_VERSION", default_value = "v25.0", value_parser = api_version)]
    pub graph_api_version: String,

    /// Allow a Graph URL without TLS. Access tokens are then sent in the clear; for tests only.
    #[arg(long, env = "WAFLOWS_ALLOW_HTTP_GRAPH_URL")]
    pub allow_http_graph_url: bool,

    /// PEM file with certificate authorities to trust for the Graph API, beside those of the platform.
    #[arg(long, env = "WAFLOWS_GRAPH_CA_BUNDLE", value_name = "FILE")]
    pub graph_ca_bundle: Option<PathBuf>,

    /// Ceiling of requests to the Graph API per second, over all resources; 0 lifts it.
    #[arg(long, env = "WAFLOWS_GRAPH_REQUESTS_PER_SECOND", default_value_t = 50, value_name = "N")]
    pub graph_requests_per_second: u32,

    /// Ceiling of requests to the Graph API under way at once, over all resources; 0 lifts it.
    #[arg(long, env = "WAFLOWS_GRAPH_CONCURRENCY", default_value_t = 32, value_name = "N")]
    pub graph_concurrency: u32,

    /// Resources worked on at once.
    #[arg(long, env = "WAFLOWS_CONCURRENCY", default_value = "16", value_name = "N")]
    pub concurrency: NonZeroU32,

    /// How often Meta is asked what a number holds, where the resource does not say.
    #[arg(long, env = "WAFLOWS_DEFAULT_CHECK_INTERVAL", default_value = "1h", value_parser = duration, value_name = "DURATION")]
    pub default_check_interval: Duration,

    /// Namespaces to work in, separated by commas; all where none is given.
    #[arg(long, env = "WAFLOWS_NAMESPACES", value_delimiter = ',', value_name = "NAMES")]
    pub namespaces: Vec<String>,

    /// Work on resources with these labels only, so that several deployments can share a cluster.
    #[arg(long, env = "WAFLOWS_SELECTOR", value_name = "LABELS")]
    pub selector: Option<String>,

    /// Elect a leader on a Lease, so that several replicas can run and one works.
    #[arg(long, env = "WAFLOWS_LEADER_ELECTION")]
    pub leader_election: bool,

    /// Namespace of the Lease; the operator's own where none is given.
    #[arg(long, env = "WAFLOWS_LEASE_NAMESPACE", value_name = "NAME")]
    pub lease_namespace: Option<String>,

    /// Name of the Lease. Deployments that share a namespace need one each.
    #[arg(long, env = "WAFLOWS_LEASE_NAME", default_value = "waflows-operator", value_name = "NAME")]
    pub lease_name: String,

    /// How long after its last sign of life a leader's place is kept.
    #[arg(long, env = "WAFLOWS_LEASE_DURATION", default_value = "15s", value_parser = duration, value_name = "DURATION")]
    pub lease_duration: Duration,

    /// How long a leader that cannot renew the Lease goes on working.
    #[arg(long, env = "WAFLOWS_RENEW_DEADLINE", default_value = "10s", value_parser = duration, value_name = "DURATION")]
    pub renew_deadline: Duration,

    /// Address of /healthz and /readyz.
    #[arg(long, env = "WAFLOWS_HTTP_ADDRESS", default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    pub http_address: SocketAddr,

    /// Format of the log.
    #[arg(long, env = "WAFLOWS_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// Level of the log: error, warn, info, debug or trace, or levels by target such as `info,kube=debug`.
    #[arg(long, env = "WAFLOWS_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: String,

    /// Multiplies every wait of the operator; for tests.
    #[arg(long, env = "WAFLOWS_WAIT_SCALE", default_value_t = 1.0, hide = true)]
    pub wait_scale: f64,
}

/// Formats of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

const A_YEAR: Duration = Duration::from_secs(8760 * 3600);

fn api_version(text: &str) -> Result<String, String> {
    let is_version = text.strip_prefix('v').and_then(|rest| rest.split_once('.')).is_some_and(|(major, minor)| {
        [major, minor].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    });
    if is_version { Ok(text.to_owned()) } else { Err("must be like v25.0".to_owned()) }
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: kube::core::Duration = text.parse().map_err(|error| format!("must be like 30m or 1h30m: {error}"))?;
    if parsed.is_negative() || Duration::from(parsed).is_zero() {
        return Err("must be longer than nothing".to_owned());
    }
    if Duration::from(parsed) > A_YEAR {
        return Err("must be at most 8760h, a year".to_owned());
    }
    Ok(parsed.into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_flag_of_run_is_in_the_environment_under_its_own_name() {
        let command = Cli::command();
        let run = command.find_subcommand("run").unwrap();
        for flag in run.get_arguments().filter(|flag| !flag.is_hide_set() && flag.get_id() != "help") {
            let expected = format!("WAFLOWS_{}", flag.get_id().as_str().to_uppercase());
            assert_eq!(flag.get_env().and_then(|name| name.to_str()), Some(expected.as_str()));
        }
    }

    #[test]
    fn values_are_checked() {
        assert_eq!(api_version("v25.0").as_deref(), Ok("v25.0"));
        assert!(["25.0", "v25", "v25.", "v25.0/x", ""].iter().all(|text| api_version(text).is_err()));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert!(duration("9999999h").is_err());
        assert!(["", "0s", "-1h", "1 h", "soon"].iter().all(|text| duration(text).is_err()));
    }
}
