//! Certificates as OpenSSL and cert-manager write them.

use waflows_key::PublicKey;

use crate::forge;
use crate::openssl::{CERTIFICATE, KEY, OTHER_KEY, key_fingerprint, openssl};

#[test]
fn every_form() {
    let other = openssl("req -x509 -key /dev/stdin -subj /CN=authority.example", &OTHER_KEY);
    let der = openssl("x509 -outform DER", &CERTIFICATE);
    let files = [
        CERTIFICATE.clone(),
        openssl("x509 -text", &CERTIFICATE),
        openssl("x509 -trustout -addtrust serverAuth", &CERTIFICATE),
        forge::version_1(&der),
        [CERTIFICATE.as_slice(), &other].concat(),
        [KEY.as_slice(), &CERTIFICATE, &other].concat(),
        [der.as_slice(), b"\n"].concat(),
        openssl("base64", &der),
        expired(der),
    ];
    for file in files {
        let key = PublicKey::from_certificate(&file).unwrap();
        assert_eq!(key.fingerprint().to_string(), key_fingerprint());
        assert_eq!(Ok(key), PublicKey::from_private_key(&KEY, None));
    }
}

#[test]
fn of_another_key() {
    let certificate = PublicKey::from_certificate(&CERTIFICATE).unwrap();
    assert_ne!(certificate, PublicKey::from_private_key(&OTHER_KEY, None).unwrap());
}

/// With both dates in 2001.
fn expired(mut der: Vec<u8>) -> Vec<u8> {
    const UTC_TIME: [u8; 2] = [0x17, 13];
    let first = der.windows(2).position(|window| window == UTC_TIME).unwrap();
    for date in [first, first + 15] {
        assert_eq!(der[date..date + 2], UTC_TIME);
        der[date + 2..date + 4].copy_from_slice(b"01");
    }
    der
}
