//! Refused values: the error, and its remedy.

mod algorithms;
mod damage;
mod encryption;
mod other_files;

use std::collections::BTreeSet;

use waflows_key::{Expected, KeyError, PublicKey};

use crate::openssl::{CERTIFICATE, KEY, PASSPHRASE, in_parallel, openssl, text};

/// A value that is refused.
#[derive(Clone)]
struct Case {
    value: Vec<u8>,
    expected: Expected,
    error: KeyError,
    /// A characteristic part of the message.
    remedy: &'static str,
}

/// Cases with the same expected type and the same remedy.
fn cases<const N: usize>(expected: Expected, remedy: &'static str, values: [(Vec<u8>, KeyError); N]) -> Vec<Case> {
    values.map(|(value, error)| Case { value, expected, error, remedy }).into()
}

#[test]
fn everything_is_named_with_its_remedy() {
    let groups: [fn() -> Vec<Case>; 8] = [
        damage::empty_or_broken,
        damage::inconsistent,
        other_files::texts,
        other_files::tools,
        other_files::archives,
        other_files::misplaced,
        algorithms::all,
        encryption::all,
    ];
    let mut seen = BTreeSet::new();
    for case in in_parallel(&groups, |cases| cases()).concat() {
        let Case { value, expected, error, remedy } = case;
        let shown = String::from_utf8_lossy(&value);
        assert_eq!(read(&value, expected).unwrap_err(), error, "{expected:?} from {shown}");
        assert!(error.remedy().contains(remedy), "{error}");
        assert!(error.to_string().ends_with(&format!(": {}", error.remedy())), "{error}");
        seen.insert(name(&error));
    }
    // One needs a passphrase. Only the caller, who compares `tls.key` and `tls.crt`, reports the other.
    for (error, remedy) in
        [(KeyError::WrongPassphrase, "correct the passphrase"), (KeyError::CertificateMismatch, "one issuance")]
    {
        assert!(error.to_string().contains(remedy), "{error}");
        seen.insert(name(&error));
    }
    assert_eq!(seen, NAMES.iter().copied().collect(), "an error does not occur here");
}

fn read(value: &[u8], expected: Expected) -> Result<PublicKey, KeyError> {
    match expected {
        Expected::PrivateKey => PublicKey::from_private_key(value, None),
        Expected::Certificate => PublicKey::from_certificate(value),
        Expected::PublicKey => PublicKey::from_public_key(&String::from_utf8_lossy(value)),
    }
}

#[test]
fn what_belongs_there_is_named() {
    let names = [
        (Expected::PrivateKey, "a private key"),
        (Expected::Certificate, "a certificate"),
        (Expected::PublicKey, "a public key"),
    ];
    for (expected, name) in names {
        let error = KeyError::OtherText { expected }.to_string();
        assert!(error.starts_with(&format!("the value is a text, but not {name}: ")), "{error}");
    }
}

#[test]
fn wrong_passphrases_and_what_they_open() {
    let file = openssl("pkcs8 -topk8 -scrypt -passout PASS", &KEY);
    let error = PublicKey::from_private_key(&file, Some(b"wrong")).unwrap_err();
    assert_eq!(error, KeyError::WrongPassphrase);

    let commands = [
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", "ec -aes256 -passout PASS"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", "pkcs8 -topk8 -passout PASS"),
    ];
    for (make, encrypt) in commands {
        let file = openssl(encrypt, &openssl(make, b""));
        assert_eq!(PublicKey::from_private_key(&file, None), Err(KeyError::MissingPassphrase));
        let opened = PublicKey::from_private_key(&file, Some(PASSPHRASE));
        assert_eq!(opened, Err(KeyError::EllipticCurve { curve: "P-256" }));
    }
}

#[test]
fn the_remedies_work() {
    let pbes1 = openssl("pkcs8 -topk8 -v1 PBE-SHA1-3DES -passout PASS", &KEY);
    let again = openssl("pkcs8 -topk8 -v2 aes-256-cbc -passin PASS -passout PASS", &pbes1);
    assert!(PublicKey::from_private_key(&again, Some(PASSPHRASE)).is_ok());

    let costly = openssl("pkcs8 -topk8 -scrypt -scrypt_p 16 -passout PASS", &KEY);
    let error = PublicKey::from_private_key(&costly, Some(PASSPHRASE)).unwrap_err();
    assert!(matches!(error, KeyError::ExcessiveKeyDerivation { .. }), "{error}");
    let again = openssl("pkcs8 -topk8 -v2 aes-256-cbc -passin PASS -passout PASS", &costly);
    assert!(PublicKey::from_private_key(&again, Some(PASSPHRASE)).is_ok());

    let encrypted = openssl("rsa -aes256 -passout PASS", &KEY);
    let plain = openssl("pkey -passin PASS", &encrypted);
    assert!(PublicKey::from_private_key(&plain, None).is_ok());

    let pkcs12 = openssl("pkcs12 -export -passout PASS", &[KEY.as_slice(), &CERTIFICATE].concat());
    let key = openssl("pkcs12 -nocerts -nodes -passin PASS", &pkcs12);
    let certificate = openssl("pkcs12 -clcerts -nokeys -passin PASS", &pkcs12);
    assert!(PublicKey::from_private_key(&key, None).is_ok());
    assert!(PublicKey::from_certificate(&certificate).is_ok());
    let public = text(openssl("x509 -pubkey -noout", &certificate));
    assert!(PublicKey::from_public_key(&public).is_ok());

    let pkcs7 = openssl("crl2pkcs7 -nocrl -certfile /dev/stdin", &CERTIFICATE);
    let certificate = openssl("pkcs7 -print_certs", &pkcs7);
    assert!(PublicKey::from_certificate(&certificate).is_ok());
}

macro_rules! names {
    ($($variant:ident)+) => {
        const NAMES: &[&str] = &[$(stringify!($variant)),+];

        /// Does not compile when a variant is added, so that nobody forgets its case.
        fn name(error: &KeyError) -> &'static str {
            match error { $(KeyError::$variant { .. } => stringify!($variant)),+ }
        }
    };
}

names! {
    Empty Blank TooLarge Truncated BadBase64 BrokenBeginLine Damaged OtherText OtherBinary
    DoubleBase64 FileName Certificate CertificateRequest PublicKey PrivateKey OpenSshPrivateKey
    OpenSshPublicKey Putty Age Pgp EncryptedFile Jwk Json Pkcs12 Pkcs7 JavaKeyStore WrongSize
    BadExponent MultiPrime RsaPss EllipticCurve Ed25519 Dsa OtherAlgorithm MissingPassphrase
    WrongPassphrase UnsupportedEncryption ExcessiveKeyDerivation Inconsistent CertificateMismatch
}
