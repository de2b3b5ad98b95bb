//! Any bytes at all: the key reader neither panics nor takes long, and what it reads is consistent.

#![no_main]

use libfuzzer_sys::fuzz_target;
use waflows_operator::key::{Fingerprint, KeyError, PublicKey};

/// What the encrypted seeds are encrypted with.
const PASSPHRASE: &[u8] = b"correct horse";

fuzz_target!(|value: &[u8]| {
    check(PublicKey::from_private_key(value, None));
    check(PublicKey::from_private_key(value, passphrase(value)));
    check(PublicKey::from_certificate(value));
    let text = String::from_utf8_lossy(value);
    check(PublicKey::from_public_key(&text));
    if let Some(fingerprint) = Fingerprint::of_reported_pem(&text) {
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    }
});

/// Only for the old PEM encryption, whose key derivation always costs the same. PBKDF2 and scrypt may
/// take as long as their limits allow, and what they decrypt is read as an unencrypted file is.
fn passphrase(value: &[u8]) -> Option<&'static [u8]> {
    value.windows(8).any(|window| window == b"DEK-Info").then_some(PASSPHRASE)
}

fn check(result: Result<PublicKey, KeyError>) {
    match result {
        Ok(key) => {
            assert_eq!(PublicKey::from_public_key(key.pem()).as_ref(), Ok(&key));
            assert_eq!(Fingerprint::of_reported_pem(key.pem()).as_ref(), Some(key.fingerprint()));
        }
        Err(error) => assert!(error.to_string().ends_with(error.remedy())),
    }
}
