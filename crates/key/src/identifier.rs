//! AlgorithmIdentifiers (RFC 5280) in encrypted keys: their parameters, and the names of unsupported schemes.

use rsa::pkcs8::AlgorithmIdentifierRef;
use rsa::pkcs8::der;
use rsa::pkcs8::der::asn1::{AnyRef, ObjectIdentifier};

use super::error::KeyError;

/// Names the other schemes that OpenSSL can write: PBES1 (RFC 8018, appendix A.3), PKCS#12's own
/// schemes (RFC 7292, appendix C) and further ciphers of PBES2.
pub(super) fn unsupported(oid: ObjectIdentifier) -> KeyError {
    let dotted = oid.to_string();
    let scheme = match dotted.as_str() {
        "1.2.840.113549.1.5.3" => "PBE-MD5-DES".into(),
        "1.2.840.113549.1.5.6" => "PBE-MD5-RC2-64".into(),
        "1.2.840.113549.1.5.10" => "PBE-SHA1-DES".into(),
        "1.2.840.113549.1.5.11" => "PBE-SHA1-RC2-64".into(),
        "1.2.840.113549.1.12.1.1" => "PBE-SHA1-RC4-128".into(),
        "1.2.840.113549.1.12.1.3" => "PBE-SHA1-3DES".into(),
        "1.2.840.113549.1.12.1.4" => "PBE-SHA1-2DES".into(),
        "1.2.840.113549.1.12.1.6" => "PBE-SHA1-RC2-40".into(),
        "1.3.14.3.2.7" => "DES-CBC".into(),
        "1.2.392.200011.61.1.1.1.4" => "CAMELLIA-256-CBC".into(),
        _ => dotted.into(),
    };
    KeyError::UnsupportedEncryption { scheme }
}

pub(super) fn parameters(algorithm: AlgorithmIdentifierRef<'_>) -> Result<AnyRef<'_>, KeyError> {
    algorithm.parameters.ok_or(KeyError::Damaged)
}

pub(super) fn damaged(_: der::Error) -> KeyError {
    KeyError::Damaged
}
