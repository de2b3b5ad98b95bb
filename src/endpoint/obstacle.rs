//! Why there was no answer: one of a few names. The texts of errors are not passed on, since parts of them, such as the
//! names in a certificate, come from the other side.

use std::error::Error;
use std::io::{self, ErrorKind};

use rustls::CertificateError;
use rustls::pki_types::InvalidDnsNameError;

/// What stood between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The host's name has no address.
    UnknownName,
    /// The host is there and nothing listens on the port.
    Refused,
    /// Nobody answered the attempt to connect.
    Silence,
    /// There is no way to the address.
    NoRoute,
    /// A proxy of the environment does not let it through.
    Proxy,
    /// The certificate's time is over, or has not begun.
    CertificateExpired,
    /// The certificate is of an authority that is not trusted.
    CertificateUntrusted,
    /// The certificate is for another name.
    CertificateForOtherName,
    /// TLS failed in another way, as where the port speaks plain HTTP.
    Tls,
    /// The connection broke before the answer was complete, or what came is no HTTP.
    Broken,
}

impl Obstacle {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::UnknownName,
        Self::Refused,
        Self::Silence,
        Self::NoRoute,
        Self::Proxy,
        Self::CertificateExpired,
        Self::CertificateUntrusted,
        Self::CertificateForOtherName,
        Self::Tls,
        Self::Broken,
    ];

    /// What made a request fail.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        if error.is_dns() {
            return Self::UnknownName;
        }
        let causes = std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source());
        match causes.filter_map(Self::of_cause).last() {
            Some(obstacle) => obstacle,
            None if error.is_connect() && error.is_timeout() => Self::Silence,
            None => Self::Broken,
        }
    }

    /// What a single error in the chain tells. The last one that tells anything is the nearest to the cause.
    fn of_cause(cause: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            // What it wraps is not its source, but stands in its place; often it is one of the same kind again.
            return error.get_ref().and_then(|inner| Self::of_cause(inner)).or_else(|| Self::of_io(error.kind()));
        }
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            return Some(Self::of_tls(error));
        }
        // A name that no DNS server would be asked for, such as one with a label of 64 letters.
        if cause.is::<InvalidDnsNameError>() {
            return Some(Self::UnknownName);
        }
        // It has no type that can be named here.
        cause.to_string().starts_with("tunnel error").then_some(Self::Proxy)
    }

    fn of_io(kind: ErrorKind) -> Option<Self> {
        match kind {
            ErrorKind::ConnectionRefused => Some(Self::Refused),
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => {
                Some(Self::NoRoute)
            }
            _ => None,
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        use CertificateError as C;
        match error {
            rustls::Error::InvalidCertificate(
                C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. },
            ) => Self::CertificateExpired,
            rustls::Error::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
                Self::CertificateForOtherName
            }
            rustls::Error::InvalidCertificate(_) => Self::CertificateUntrusted,
            _ => Self::Tls,
        }
    }
}
