//! Settings of an emulator.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::wire::ResponseShape;

/// Settings of an emulator. All but the first three can be changed while it runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen; by default a free port on 127.0.0.1.
    #[serde(skip, default = "loopback")]
    pub listen: SocketAddr,
    /// Serve over TLS with a certificate for `localhost` and the address, from a new private CA.
    #[serde(skip)]
    pub tls: bool,
    /// Seed of the faults' random generator.
    #[serde(skip)]
    pub seed: u64,
    /// Take tokens that were never added, as allowed everything.
    pub accept_any_token: bool,
    /// Add numbers that were never added at their first call.
    pub create_numbers_on_demand: bool,
    /// The time each call takes.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub latency: Duration,
    /// The shape of reads, where a number has none of its own.
    pub response_shape: ResponseShape,
    /// How many calls, and uploads, the journal keeps; 0 turns it off. Counters always count.
    pub journal_limit: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: loopback(),
            tls: false,
            seed: 0,
            accept_any_token: false,
            create_numbers_on_demand: false,
            latency: Duration::ZERO,
            response_shape: ResponseShape::default(),
            journal_limit: 100_000,
        }
    }
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}
