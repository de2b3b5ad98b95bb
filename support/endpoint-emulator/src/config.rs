//! Settings of an emulator.

/// Settings of an emulator, for its whole life.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many replicas there are, each on an address of its own: 127.0.0.1, 127.0.0.2 and so on.
    pub replicas: u8,
    /// The port of all of them; 0 takes one that is free on all addresses.
    pub port: u16,
    /// Serve over TLS, with a certificate from a new private CA; none for plain HTTP.
    pub tls: Option<Certificate>,
    /// How many requests the journal keeps; 0 turns it off.
    pub journal_limit: usize,
}

/// What is wrong with the certificate of the replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Nothing: it is for all their addresses and for `localhost`.
    Right,
    /// It is for `flows.example.com`.
    OfAnotherName,
    /// Its time is over.
    Expired,
}

impl Default for Config {
    fn default() -> Self {
        Self { replicas: 1, port: 0, tls: None, journal_limit: 100_000 }
    }
}
