//! Flags for requests to Flow endpoints.

use clap::Args;

use super::words::endpoint_host;

/// Which Flow endpoints the operator may ask. Resources name the endpoints, so a tenant directs these requests.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Flow endpoints")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct EndpointArgs {
    /// Ask the pods of Services that resources name in endpoint.service, each in its own namespace. Needs permission to
    /// get Services and Pods and to list EndpointSlices.
    #[arg(long, env = "WAFLOWS_ENDPOINT_PROBES")]
    pub endpoint_probes: bool,

    /// Hosts that resources may name in endpoint.url, separated by commas: exact names, or *.example.com for all names
    /// below example.com. Default: none.
    #[arg(long, env = "WAFLOWS_ENDPOINT_ALLOWED_HOSTS", value_delimiter = ',', value_parser = endpoint_host, value_name = "HOSTS")]
    pub endpoint_allowed_hosts: Vec<String>,

    /// Ask an allowed host also if its name leads to a private address, such as 10.0.0.1.
    #[arg(long, env = "WAFLOWS_ENDPOINT_ALLOW_PRIVATE_ADDRESSES")]
    pub endpoint_allow_private_addresses: bool,

    /// Ask also pods in the network of their node. A tenant who may create such pods can then direct requests to every
    /// port of the node.
    #[arg(long, env = "WAFLOWS_ENDPOINT_ALLOW_HOST_NETWORK")]
    pub endpoint_allow_host_network: bool,

    /// Ask endpoints on this machine; for tests.
    #[arg(long, env = "WAFLOWS_ENDPOINT_ALLOW_LOOPBACK", hide = true)]
    pub endpoint_allow_loopback: bool,
}
