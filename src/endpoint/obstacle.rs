//! The reason for a missing answer: one of a few names. The texts of errors stay here. Parts of them come from the
//! other side, for example the names in a certificate.

use std::error::Error;
use std::io::{self, ErrorKind};

use rustls::CertificateError;
use rustls::pki_types::InvalidDnsNameError;

/// The reason for a missing answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The host's name has no address.
    UnknownName,
    /// The host exists, but nothing listens on the port.
    Refused,
    /// Nobody answered the attempt to connect.
    Silence,
    /// There is no route to the address.
    NoRoute,
    /// A proxy of the environment does not let the request through.
    Proxy,
    /// The certificate is expired, or not yet valid.
    CertificateExpired,
    /// The certificate is from an authority that is not trusted.
    CertificateUntrusted,
    /// The certificate is for another name.
    CertificateForOtherName,
    /// TLS failed in another way, for example because the port speaks plain HTTP.
    Tls,
    /// The connection broke before the answer was complete, or the answer is not HTTP.
    Broken,
}

impl Obstacle {
    /// All obstacles.
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

    /// The obstacle that made a request fail.
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

    /// The obstacle that one error of the chain names, if any. The last error that names an obstacle is the nearest to
    /// the cause.
    fn of_cause(cause: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            // The wrapped error is not the source of this error but takes its place. Often it is an I/O error again.
            return error.get_ref().and_then(|inner| Self::of_cause(inner)).or_else(|| Self::of_io(error.kind()));
        }
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            return Some(Self::of_tls(error));
        }
        // A name that no resolver asks a DNS server for, for example one with a label of 64 letters.
        if cause.is::<InvalidDnsNameError>() {
            return Some(Self::UnknownName);
        }
        // The type of this error is private.
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
