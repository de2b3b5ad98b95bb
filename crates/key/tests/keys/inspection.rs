//! The result of an inspection for every kind of file.

use waflows_key::{Expected, Inspection, KeyError, KeyKind};

use crate::openssl::{CERTIFICATE, KEY, PASSPHRASE, PUBLIC, key_fingerprint, openssl};

#[test]
fn every_kind_is_named() {
    let files = [
        (openssl("rsa -traditional", &KEY), KeyKind::Pkcs1PrivateKey, "private key (PKCS#1)"),
        (
            openssl("rsa -traditional -aes128 -passout PASS", &KEY),
            KeyKind::EncryptedPkcs1PrivateKey,
            "encrypted private key (PKCS#1 with DEK-Info)",
        ),
        (openssl("rsa", &KEY), KeyKind::Pkcs8PrivateKey, "private key (PKCS#8)"),
        (
            openssl("pkcs8 -topk8 -passout PASS", &KEY),
            KeyKind::EncryptedPkcs8PrivateKey,
            "encrypted private key (PKCS#8)",
        ),
        (CERTIFICATE.clone(), KeyKind::Certificate, "certificate (X.509)"),
        (PUBLIC.clone().into_bytes(), KeyKind::PublicKey, "public key (SubjectPublicKeyInfo)"),
        (openssl("rsa -RSAPublicKey_out", &KEY), KeyKind::Pkcs1PublicKey, "public key (PKCS#1)"),
    ];
    for (file, kind, name) in files {
        let inspection = Inspection::of(&file, Some(PASSPHRASE));
        assert_eq!(inspection.kind, Some(kind));
        assert_eq!(kind.to_string(), name);
        assert_eq!(inspection.bits(), Some(2048), "{kind}");
        assert_eq!(inspection.key.unwrap().fingerprint().to_string(), key_fingerprint(), "{kind}");
    }
}

#[test]
fn of_what_is_of_no_use_it_says_why() {
    let expected = Expected::PrivateKey;
    let encrypted = openssl("pkcs8 -topk8 -passout PASS", &KEY);
    let request = openssl("req -new -key /dev/stdin -subj /CN=flows.example", &KEY);
    let small = openssl("genrsa 1024", b"");
    let files = [
        (small.as_slice(), Some(KeyKind::Pkcs8PrivateKey), KeyError::WrongSize { bits: 1024 }, Some(1024)),
        (&encrypted, Some(KeyKind::EncryptedPkcs8PrivateKey), KeyError::MissingPassphrase, None),
        (&request, None, KeyError::CertificateRequest { expected }, None),
        (b"\x30\x82\x04\xa4", None, KeyError::Truncated, None),
        (b"ssh-rsa AAAAB3Nza me@host", None, KeyError::OpenSshPublicKey, None),
        (b"changeme", None, KeyError::OtherText { expected }, None),
    ];
    for (file, kind, error, bits) in files {
        let inspection = Inspection::of(file, None);
        assert_eq!(inspection.bits(), bits, "{error}");
        assert_eq!(inspection, Inspection { kind, key: Err(error) });
    }
}
