//! Keys that WhatsApp Flows does not accept.

use waflows_key::Expected::{Certificate, PrivateKey, PublicKey};
use waflows_key::KeyError;

use super::{Case, cases};
use crate::forge;
use crate::openssl::{DSA_KEY, in_parallel, openssl};

const REMEDY: &str = "`openssl genrsa -out private.pem 2048` (cert-manager: `privateKey: {alg";

pub(super) fn all() -> Vec<Case> {
    [keys_with_public_halves(), keys_in_other_forms(), without_openssl(), exponents()].concat()
}

fn keys_with_public_halves() -> Vec<Case> {
    let keys = [
        ("genrsa 1024", KeyError::WrongSize { bits: 1024 }),
        ("genrsa 2047", KeyError::WrongSize { bits: 2047 }),
        ("genrsa 3072", KeyError::WrongSize { bits: 3072 }),
        ("genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048", KeyError::RsaPss),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", elliptic("P-256")),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384", elliptic("P-384")),
        ("ecparam -name secp521r1 -genkey", elliptic("P-521")),
        ("ecparam -name brainpoolP256r1 -genkey", elliptic("another curve")),
        ("genpkey -algorithm ED25519", KeyError::Ed25519),
        ("genpkey -algorithm X25519", other("X25519")),
        ("genpkey -algorithm X448", other("X448")),
        ("genpkey -algorithm ED448", other("Ed448")),
        ("genpkey -algorithm DH -pkeyopt group:ffdhe2048", other("Diffie-Hellman")),
        ("dsaparam -genkey -noout 1024", KeyError::Dsa),
    ];
    in_parallel(&keys, |(command, error)| {
        let private = openssl(command, b"");
        let public = openssl("pkey -pubout", &private);
        [cases(PrivateKey, REMEDY, [(private, error.clone())]), cases(PublicKey, REMEDY, [(public, error.clone())])]
            .concat()
    })
    .concat()
}

fn keys_in_other_forms() -> Vec<Case> {
    let ec = openssl("ecparam -name secp256k1 -genkey -noout", b"");
    let primes = openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_primes:3", b"");
    let certificate = openssl("req -x509 -key /dev/stdin -subj /CN=flows.example", &ec);
    let private = [
        (primes, KeyError::MultiPrime),
        (openssl("dsa -outform DER", &DSA_KEY), KeyError::Dsa),
        (openssl("pkcs8 -topk8 -nocrypt", &DSA_KEY), KeyError::Dsa),
        (openssl("ec -outform DER", &ec), elliptic("secp256k1")),
        (forge::short_ec_private_key(), elliptic("another curve")),
        (openssl("pkcs8 -topk8 -nocrypt -outform DER", &ec), elliptic("secp256k1")),
    ];
    let certificates = [(certificate, elliptic("secp256k1"))];
    [cases(PrivateKey, REMEDY, private), cases(Certificate, REMEDY, certificates)].concat()
}

/// OpenSSL cannot make these keys.
fn without_openssl() -> Vec<Case> {
    let values = [
        (forge::spki(b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x07"), other("RSA-OAEP")),
        (forge::spki(b"\x2a\x03\x04"), other("1.2.3.4")),
    ];
    cases(PublicKey, REMEDY, values)
}

fn exponents() -> Vec<Case> {
    // 1, an even number, 2³³ + 1, and numbers that exceed 64 bits.
    let exponents: [&[u8]; 5] = [&[1], &[1, 0, 0], &[2, 0, 0, 0, 1], &[1; 9], &[255; 300]];
    let values = exponents.map(|exponent| (forge::public_key(exponent), KeyError::BadExponent));
    cases(PublicKey, REMEDY, values)
}

fn elliptic(curve: &'static str) -> KeyError {
    KeyError::EllipticCurve { curve }
}

fn other(algorithm: &str) -> KeyError {
    KeyError::OtherAlgorithm { algorithm: algorithm.to_owned() }
}
