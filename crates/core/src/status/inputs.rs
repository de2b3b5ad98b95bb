//! Maps the errors of a key to condition reasons. Pure.

use waflows_key::KeyError;

use crate::api::conditions::Reason;

/// Problems with the same remedy share a reason. The message distinguishes them.
pub fn key_reason(error: &KeyError) -> Reason {
    use KeyError as E;
    match error {
        E::Empty | E::Blank => Reason::KeyEmpty,
        E::TooLarge => Reason::KeyTooLarge,
        E::Truncated | E::BadBase64 | E::BrokenBeginLine | E::Damaged | E::Inconsistent => Reason::KeyDamaged,
        E::OtherText { .. } | E::OtherBinary { .. } | E::DoubleBase64 | E::FileName | E::Json => {
            Reason::KeyNotRecognized
        }
        E::Certificate { .. } | E::CertificateRequest { .. } | E::PublicKey { .. } | E::PrivateKey { .. } => {
            Reason::KeyOfWrongKind
        }
        E::OpenSshPrivateKey
        | E::OpenSshPublicKey
        | E::Putty
        | E::Age
        | E::Pgp
        | E::EncryptedFile { .. }
        | E::Jwk
        | E::Pkcs12 { .. }
        | E::Pkcs7 { .. }
        | E::JavaKeyStore => Reason::KeyFormatUnsupported,
        E::RsaPss | E::EllipticCurve { .. } | E::Ed25519 | E::Dsa | E::OtherAlgorithm { .. } => {
            Reason::KeyAlgorithmUnsupported
        }
        E::WrongSize { .. } | E::BadExponent | E::MultiPrime => Reason::KeySizeUnsupported,
        E::UnsupportedEncryption { .. } | E::ExcessiveKeyDerivation { .. } => Reason::KeyEncryptionUnsupported,
        E::MissingPassphrase => Reason::PassphraseMissing,
        E::WrongPassphrase => Reason::PassphraseRejected,
        E::CertificateMismatch => Reason::CertificateMismatch,
    }
}
