//! Checks the host of a URL, and its addresses. Pure.

use std::net::{IpAddr, SocketAddr};

use reqwest::Url;
use waflows_core::api::conditions::ConditionReason;

use super::address::AddressKind;
use super::policy::Policy;
use super::refusal::{not_allowed, unreachable};

/// Says the same whether a name has no address or a forbidden one. Otherwise a tenant could learn names and addresses of
/// the operator's network.
const NO_ADDRESS: &str = "The host in endpoint.url has no address that the operator may connect to: no name server knows \
                          the name, or one of its addresses is not public. Private addresses need the operator's flag \
                          --endpoint-allow-private-addresses; loopback, link-local and multicast addresses are never \
                          allowed.";

/// The URL, if the policy allows to ask its host.
///
/// # Errors
/// If the URL is not valid or not https, or no flag allows its host.
pub(super) fn allowed(text: &str, policy: &Policy) -> Result<Url, ConditionReason> {
    let url = Url::parse(text).map_err(|error| not_allowed(format!("endpoint.url is not a URL: {error}.")))?;
    if url.scheme() != "https" || !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(not_allowed(
            "endpoint.url must begin with https:// and a host, without user, password or fragment.",
        ));
    }
    let host = url.host_str().unwrap_or_default();
    if policy.allowed_hosts.iter().any(|entry| matches(entry, host)) {
        return Ok(url);
    }
    Err(not_allowed(if ip(host).is_some() {
        "The host in endpoint.url is an IP address. Give a name; or the operator's flag --endpoint-allowed-hosts must list \
         this address."
    } else {
        "The host in endpoint.url is not among the hosts that the operator's flag --endpoint-allowed-hosts allows. Add the \
         host there, or correct endpoint.url."
    }))
}

/// The address to connect to: the first, if all of them are allowed.
///
/// # Errors
/// If there is no address, or one of them is not allowed.
pub(super) fn pinned(addresses: &[SocketAddr], policy: &Policy) -> Result<SocketAddr, ConditionReason> {
    let is_allowed = |address: &SocketAddr| match AddressKind::of(address.ip()) {
        AddressKind::Public => true,
        AddressKind::Private => policy.private_addresses,
        AddressKind::Loopback => policy.loopback,
        AddressKind::Forbidden => false,
    };
    let first = addresses.first().filter(|_| addresses.iter().all(is_allowed));
    first.copied().ok_or_else(no_address)
}

/// There is no address.
pub(super) fn no_address() -> ConditionReason {
    unreachable(NO_ADDRESS)
}

/// The address, if the host of a URL is an IP address. A URL has these in one form only: `0x7f.1` is `127.0.0.1` there.
pub(super) fn ip(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether an entry of `--endpoint-allowed-hosts` is for this host of a URL.
fn matches(entry: &str, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let entry = entry.trim().to_ascii_lowercase();
    match (ip(host), entry.strip_prefix('*')) {
        (Some(address), _) => ip(&entry) == Some(address),
        (None, Some(suffix)) => {
            suffix.len() > 1 && suffix.starts_with('.') && host.len() > suffix.len() && host.ends_with(suffix)
        }
        (None, None) => host == entry,
    }
}

#[cfg(test)]
mod tests {
    use waflows_core::api::conditions::Reason;

    use super::*;

    fn policy(hosts: &[&str]) -> Policy {
        Policy { allowed_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(), ..Policy::default() }
    }

    #[test]
    fn only_listed_hosts_are_allowed() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            (
                "flows.example.com",
                &["flows.example.com", "FLOWS.Example.COM", "flows.example.com.", "flows.example.com:8443"],
                &["example.com", "a.flows.example.com", "flows.example.com.evil.test", "xflows.example.com"],
            ),
            ("Flows.Example.com", &["flows.example.com"], &["flows.example.org"]),
            (
                "*.example.com",
                &["a.example.com", "a.b.example.com", "A.EXAMPLE.COM"],
                &["example.com", "aexample.com", ".example.com", "example.com.evil.test", "a.example.com@evil.test"],
            ),
            ("*", &[], &["example.com", "a"]),
            ("*.", &[], &["example.com", "a."]),
            ("*.1", &[], &["127.0.0.1", "10.0.0.1"]),
            (
                "203.0.113.9",
                &["203.0.113.9", "0xcb.0.113.9", "3405803785"],
                &["203.0.113.10", "203.0.113.9.example.com"],
            ),
            ("2001:db8::1", &["[2001:db8::1]", "[2001:DB8:0::1]"], &["[2001:db8::2]"]),
            ("[2001:db8::1]", &["[2001:db8::1]"], &[]),
            ("", &[], &["example.com", "127.0.0.1"]),
        ];
        for (entry, good, bad) in cases {
            for host in *good {
                let url = allowed(&format!("https://{host}/flows?a=b"), &policy(&[entry]));
                assert!(url.is_ok(), "{entry} allows {host}: {url:?}");
            }
            for host in *bad {
                let refusal = allowed(&format!("https://{host}/"), &policy(&[entry]));
                assert_eq!(refusal.unwrap_err().reason, Reason::EndpointNotAllowed, "{entry} and {host}");
            }
        }
    }

    #[test]
    fn the_message_names_the_flag_and_not_the_hosts() {
        let policy = policy(&["secret.example.com"]);
        for url in ["https://flows.example.com/", "https://127.0.0.1/", "https://[::1]/", "https://2130706433/"] {
            let message = allowed(url, &policy).unwrap_err().message;
            assert!(message.contains("--endpoint-allowed-hosts") && !message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn only_https_without_credentials_is_allowed() {
        let policy = policy(&["a.test"]);
        for url in
            ["http://a.test/", "ftp://a.test/", "https://u@a.test/", "https://u:p@a.test/", "https://a.test/#x", ""]
        {
            assert!(allowed(url, &policy).is_err(), "{url}");
        }
    }

    fn pin(addresses: &[&str], policy: &Policy) -> Result<SocketAddr, ConditionReason> {
        let addresses: Vec<SocketAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        pinned(&addresses, policy)
    }

    #[test]
    fn every_address_of_a_name_must_be_allowed() {
        let strict = Policy::default();
        let private = Policy { private_addresses: true, ..Policy::default() };
        let public = "203.0.113.1:443";
        assert_eq!(pin(&[public, "203.0.113.2:443"], &strict).unwrap().to_string(), public);
        assert!(pin(&[public, "10.0.0.1:443"], &strict).is_err());
        assert!(pin(&[public, "10.0.0.1:443"], &private).is_ok());
        for never in
            ["127.0.0.1:443", "169.254.169.254:443", "0.0.0.0:443", "224.0.0.1:443", "[::1]:443", "[fe80::1]:443"]
        {
            assert!(pin(&[public, never], &private).is_err(), "{never}");
            assert!(pin(&[never, public], &private).is_err(), "{never}");
        }
    }

    #[test]
    fn a_name_without_an_address_looks_like_one_with_a_forbidden_address() {
        let strict = Policy::default();
        let sentences: Vec<_> =
            [&[][..], &["10.0.0.1:443"], &["127.0.0.1:443"], &["203.0.113.1:443", "169.254.169.254:443"]]
                .map(|addresses| pin(addresses, &strict).unwrap_err())
                .into();
        assert!(sentences.iter().all(|sentence| *sentence == no_address()), "{sentences:?}");
        assert!(no_address().message.contains("--endpoint-allow-private-addresses"));
    }
}
