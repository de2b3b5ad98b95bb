//! Looks up the addresses of a name.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Timeout of a lookup. The resolver of the system may wait for several servers in turn.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// A way to look up names.
pub trait Lookup {
    /// All addresses of a host, each with this port.
    ///
    /// # Errors
    /// If the host has no address, or nobody knows.
    fn lookup(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

/// The resolver of the system.
#[derive(Debug, Clone, Copy)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let name = absolute(host);
        let found = tokio::time::timeout(TIME_LIMIT, tokio::net::lookup_host((name.as_str(), port))).await??;
        Ok(found.collect())
    }
}

/// The name with a dot at its end. Without the dot, a resolver in a pod first tries the search domains of the cluster:
/// for `flows.example.dev` a tenant could answer with the Service `example` in the namespace `dev`. A name of one label
/// stays as given, because only `localhost` and names of search domains have one label.
fn absolute(host: &str) -> String {
    let is_relative = host.contains('.') && !host.ends_with('.') && host.parse::<std::net::Ipv4Addr>().is_err();
    if is_relative { format!("{host}.") } else { host.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_domains_are_not_tried() {
        for (host, asked) in [
            ("flows.example.dev", "flows.example.dev."),
            ("flows.example.dev.", "flows.example.dev."),
            ("localhost", "localhost"),
            ("203.0.113.1", "203.0.113.1"),
        ] {
            assert_eq!(absolute(host), asked);
        }
    }
}
