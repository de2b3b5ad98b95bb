//! The algorithm of a key.

use rsa::pkcs8::AlgorithmIdentifierRef;
use rsa::pkcs8::der::asn1::ObjectIdentifier;

use super::error::KeyError;

/// RFC 8017, appendix C.
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
/// RFC 5480.
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// RFC 3279.
const DSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10040.4.1");
/// RFC 8410.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

pub(super) fn is_rsa(algorithm: &AlgorithmIdentifierRef<'_>) -> bool {
    algorithm.oid == RSA_ENCRYPTION
}

/// Accepts RSA only. The error names any other algorithm.
pub(super) fn require_rsa(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<(), KeyError> {
    match algorithm.oid {
        RSA_ENCRYPTION => Ok(()),
        RSASSA_PSS => Err(KeyError::RsaPss),
        EC_PUBLIC_KEY => Err(KeyError::EllipticCurve { curve: curve_name(algorithm.parameters_oid().ok()) }),
        DSA => Err(KeyError::Dsa),
        ED25519 => Err(KeyError::Ed25519),
        oid => Err(KeyError::OtherAlgorithm { algorithm: name(oid) }),
    }
}

/// The name of a common curve (RFC 5480, SEC 2).
pub(super) fn curve_name(oid: Option<ObjectIdentifier>) -> &'static str {
    match oid.map(|oid| oid.to_string()).as_deref() {
        Some("1.2.840.10045.3.1.7") => "P-256",
        Some("1.3.132.0.34") => "P-384",
        Some("1.3.132.0.35") => "P-521",
        Some("1.3.132.0.10") => "secp256k1",
        _ => "another curve",
    }
}

fn name(oid: ObjectIdentifier) -> String {
    let dotted = oid.to_string();
    match dotted.as_str() {
        "1.3.101.110" => "X25519".into(),
        "1.3.101.111" => "X448".into(),
        "1.3.101.113" => "Ed448".into(),
        "1.2.840.113549.1.3.1" => "Diffie-Hellman".into(),
        "1.2.840.113549.1.1.7" => "RSA-OAEP".into(),
        _ => dotted,
    }
}
