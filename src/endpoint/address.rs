//! The rules for addresses: where a request that a tenant directs may go.
//!
//! The lists follow IANA's registries of special-purpose addresses (RFC 6890), and add the addresses at which clouds
//! serve the credentials of a machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AddressKind {
    /// A host on the Internet.
    Public,
    /// A host of a private network, for example a pod.
    Private,
    /// This machine.
    Loopback,
    /// Nothing that is a Flow endpoint: no single host, the local link, or the metadata of a cloud.
    Forbidden,
}

/// IPv4 networks that are never asked.
const FORBIDDEN_V4: [(Ipv4Addr, u32); 7] = [
    // "This network". Linux connects 0.0.0.0 to loopback.
    (Ipv4Addr::UNSPECIFIED, 8),
    // Link-local, with the metadata of most clouds at 169.254.169.254.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Protocol assignments, with the metadata of Oracle Cloud at 192.0.0.192.
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    // Multicast.
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::BROADCAST, 32),
    // Metadata of Alibaba Cloud, and the agent of Azure.
    (Ipv4Addr::new(100, 100, 100, 200), 32),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
];

/// IPv4 networks without a host on the Internet. Clusters take pod addresses from each of them.
const PRIVATE_V4: [(Ipv4Addr, u32); 6] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    // Carriers (CGNAT), benchmarks, and the reserved class E.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// IPv6 networks that are never asked, inside networks that otherwise are.
const FORBIDDEN_V6: [(Ipv6Addr, u32); 3] = [
    // Teredo: hides an IPv4 address.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32),
    // Metadata of AWS and of Google Cloud.
    (Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254), 128),
];

/// Unique local addresses, and the older site-local addresses.
const PRIVATE_V6: [(Ipv6Addr, u32); 2] =
    [(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7), (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10)];

/// All addresses of hosts on the Internet. The rest is local, multicast or not assigned.
const PUBLIC_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

impl AddressKind {
    /// The kind of an address.
    pub(super) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        let is_in = |networks: &[(Ipv4Addr, u32)]| networks.iter().any(|network| contains_v4(*network, address));
        match () {
            () if address.is_loopback() => Self::Loopback,
            () if is_in(&FORBIDDEN_V4) => Self::Forbidden,
            () if is_in(&PRIVATE_V4) => Self::Private,
            () => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        let is_in = |networks: &[(Ipv6Addr, u32)]| networks.iter().any(|network| contains_v6(*network, address));
        match () {
            () if address.is_loopback() => Self::Loopback,
            () if address.is_unspecified() || is_in(&FORBIDDEN_V6) => Self::Forbidden,
            () if is_in(&PRIVATE_V6) => Self::Private,
            () => match embedded(address) {
                Some(inner) => Self::of_v4(inner),
                None if is_in(&[PUBLIC_V6]) => Self::Public,
                None => Self::Forbidden,
            },
        }
    }
}

/// The IPv4 host that a gateway or the system connects to for an IPv6 address: IPv4-mapped, IPv4-compatible,
/// IPv4-translated, NAT64 or 6to4. The other form of NAT64 (64:ff9b:1::/48) is forbidden as a whole: its networks choose
/// where they put the IPv4 address.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x0064, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

fn contains_v4((network, length): (Ipv4Addr, u32), address: Ipv4Addr) -> bool {
    (network.to_bits() ^ address.to_bits()).leading_zeros() >= length
}

fn contains_v6((network, length): (Ipv6Addr, u32), address: Ipv6Addr) -> bool {
    (network.to_bits() ^ address.to_bits()).leading_zeros() >= length
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first and the last address of each network, and neighbours outside of the network.
    const TABLE: &[(AddressKind, &[&str])] = &[
        (
            AddressKind::Public,
            &[
                "1.1.1.1",
                "9.255.255.255",
                "11.0.0.0",
                "100.63.255.255",
                "100.128.0.0",
                "126.255.255.255",
                "128.0.0.0",
                "168.63.129.15",
                "168.63.129.17",
                "169.253.255.255",
                "169.255.0.0",
                "172.15.255.255",
                "172.32.0.0",
                "191.255.255.255",
                "192.0.1.0",
                "192.167.255.255",
                "192.169.0.0",
                "198.17.255.255",
                "198.20.0.0",
                "203.0.113.1",
                "223.255.255.255",
                "2000::",
                "2001:1::1",
                "2606:4700::1111",
                "3fff:ffff::1",
                // Public hosts in other forms.
                "::ffff:1.1.1.1",
                "64:ff9b::1.1.1.1",
                "2002:101:101::1",
            ],
        ),
        (
            AddressKind::Private,
            &[
                "10.0.0.0",
                "10.255.255.255",
                "100.64.0.0",
                "100.127.255.255",
                "172.16.0.0",
                "172.31.255.255",
                "192.168.0.0",
                "192.168.255.255",
                "198.18.0.0",
                "198.19.255.255",
                "240.0.0.0",
                "255.255.255.254",
                "fc00::",
                "fd00::1",
                "fd00:ec1::1",
                "fdff:ffff::1",
                "fec0::1",
                "feff::1",
                "::ffff:10.0.0.1",
                "64:ff9b::10.0.0.1",
                "2002:a00:1::",
                "::ffff:0:192.168.0.1",
            ],
        ),
        (
            AddressKind::Loopback,
            &[
                "127.0.0.0",
                "127.0.0.1",
                "127.255.255.255",
                "::1",
                "::ffff:127.0.0.1",
                "::ffff:0:127.0.0.1",
                "64:ff9b::127.0.0.1",
                "2002:7f00:1::1",
                "::127.0.0.1",
            ],
        ),
        (
            AddressKind::Forbidden,
            &[
                "0.0.0.0",
                "0.255.255.255",
                "169.254.0.0",
                "169.254.169.254",
                "169.254.170.2",
                "169.254.255.255",
                "192.0.0.0",
                "192.0.0.192",
                "192.0.0.255",
                "224.0.0.0",
                "239.255.255.255",
                "255.255.255.255",
                "100.100.100.200",
                "168.63.129.16",
                "::",
                "fe80::1",
                "febf::1",
                "ff00::",
                "ff02::1",
                "100::1",
                "4000::1",
                "fd00:ec2::254",
                "fd20:ce::254",
                "2001::1",
                "64:ff9b:1::a9fe:a9fe",
                "64:ff9b::1:0:0",
                // Forbidden hosts in other forms.
                "::ffff:169.254.169.254",
                "::ffff:0.0.0.0",
                "64:ff9b::169.254.169.254",
                "2002:a9fe:a9fe::1",
                "::ffff:0:169.254.169.254",
                "::169.254.169.254",
                "64:ff9b::255.255.255.255",
                "2002:e000:1::",
            ],
        ),
    ];

    #[test]
    fn each_address_has_its_kind() {
        for (kind, addresses) in TABLE {
            for text in *addresses {
                assert_eq!(AddressKind::of(text.parse().unwrap()), *kind, "{text}");
            }
        }
    }
}
