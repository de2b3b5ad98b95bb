//! What the flags of the operator allow.

/// What the flags of the operator allow. Everything is off by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether the pods of Services may be asked.
    pub services: bool,
    /// Hosts of URLs that may be asked: exact names, `*.suffix`, or IP addresses.
    pub allowed_hosts: Vec<String>,
    /// Whether a URL may lead to a private address.
    pub private_addresses: bool,
    /// Whether pods in the network of their node may be asked.
    pub host_network: bool,
    /// For tests on one machine. A URL may lead to a loopback address. The pod address 198.18.0.N stands for 127.0.0.N,
    /// because the API server accepts no EndpointSlice with a loopback address.
    #[doc(hidden)]
    pub loopback: bool,
}
