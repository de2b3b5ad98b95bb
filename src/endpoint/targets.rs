//! Where the requests for one endpoint go: the ready pods of a Service, and a URL.

use std::net::SocketAddr;

use kube::Client;
use reqwest::Url;
use waflows_core::api::conditions::{ConditionReason, Reason};
use waflows_core::api::crd::Endpoint;

/// What the flags of the operator allow. Everything is off by default.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Whether the pods of Services may be asked.
    pub services: bool,
    /// Hosts of URLs that may be asked: exact names, or `*.suffix`.
    pub allowed_hosts: Vec<String>,
    /// Whether a URL may lead to a private address.
    pub private_addresses: bool,
    /// Whether pods in the network of their node may be asked.
    pub host_network: bool,
}

/// Where one request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The pod, as `pod/NAME`, or the host of the URL.
    pub name: String,
    /// The URL, with the name that the certificate must have.
    pub url: Url,
    /// The address to connect to, which was checked. No name is resolved again.
    pub address: SocketAddr,
}

/// The targets of an endpoint of a resource in this namespace, in a stable order, each with an address that was checked.
///
/// # Errors
/// If the policy or an address forbids the requests, or the API server does not say where the pods are.
#[expect(clippy::unused_async, reason = "the API server is asked here")]
pub async fn targets(
    _client: &Client,
    _policy: &Policy,
    _namespace: &str,
    _endpoint: &Endpoint,
) -> Result<Vec<Target>, ConditionReason> {
    Err(ConditionReason::new(Reason::EndpointNotAllowed, "The operator may not send requests to endpoints."))
}
