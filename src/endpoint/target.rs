//! Where one request goes.

use std::net::SocketAddr;

use reqwest::Url;

/// Prefix of the name of a pod. No host name has a slash.
const POD: &str = "pod/";

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

impl Target {
    /// The target for a pod.
    pub(super) fn pod(name: &str, url: Url, address: SocketAddr) -> Self {
        Self { name: format!("{POD}{name}"), url, address }
    }

    /// Whether the target is a pod. Otherwise it is the host of a URL.
    #[must_use]
    pub fn is_pod(&self) -> bool {
        self.name.starts_with(POD)
    }
}
