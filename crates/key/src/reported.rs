//! Public keys as Meta reports them.

use rsa::pkcs8::der::Encode;

use super::error::Expected;
use super::fingerprint::Fingerprint;
use super::shape::Shape;
use super::source::Source;
use super::{algorithm, rsa_key};

impl Fingerprint {
    /// The fingerprint of a public key as Meta reports it. The key may have any algorithm and size,
    /// and its line breaks may be changed, doubled or missing. A PKCS#1 key has the fingerprint of
    /// its SubjectPublicKeyInfo.
    ///
    /// `None` if the text is not a public key.
    #[must_use]
    pub fn of_reported_pem(text: &str) -> Option<Self> {
        let source = Source::find(text.as_bytes(), Expected::PublicKey).ok()?;
        match source.shape().ok()? {
            Shape::RsaPublic(pkcs1) => rsa_key::spki_of_pkcs1(pkcs1),
            Shape::Spki(spki) if algorithm::is_rsa(&spki.algorithm) => rsa_key::normalized_spki(spki),
            Shape::Spki(spki) => Some(Self::of_spki(&spki.to_der().ok()?)),
            _ => None,
        }
    }
}
