//! Bytes of a Secret → public key. The reader neither panics nor takes long, and what it reads is consistent.

use waflows_key::{Fingerprint, KeyError, PublicKey};

/// The passphrase of the encrypted seeds of target `key`.
const PASSPHRASE: &[u8] = b"correct horse";
/// Iterations of a key derivation that a run may take. The reader itself allows seconds of work.
const MAX_COST: u64 = 4096;
/// Object identifiers as DER has them.
const PBKDF2: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c";
const SCRYPT: &[u8] = b"\x06\x09\x2b\x06\x01\x04\x01\xda\x47\x04\x0b";

/// A file, read in all ways.
pub fn key(file: &[u8]) {
    check(PublicKey::from_private_key(file, None));
    // The key derivation of the old PEM encryption always costs the same; for the others see `passphrase`.
    if contains(file, b"DEK-Info") {
        check(PublicKey::from_private_key(file, Some(PASSPHRASE)));
    }
    check(PublicKey::from_certificate(file));
    let text = String::from_utf8_lossy(file);
    check(PublicKey::from_public_key(&text));
    if let Some(fingerprint) = Fingerprint::of_reported_pem(&text) {
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    }
}

/// The length of a passphrase in one byte, the passphrase, and a file in DER or with the old PEM encryption.
///
/// Encrypted PKCS#8 in PEM gets no passphrase, since its cost cannot be seen from here: behind the PEM it takes the
/// same path as DER.
pub fn passphrase(input: &[u8]) {
    let Some((&length, rest)) = input.split_first() else { return };
    let (passphrase, file) = rest.split_at(rest.len().min(length.into()));
    let is_der = file.first() == Some(&0x30);
    if (is_der && is_cheap(file)) || contains(file, b"DEK-Info") {
        check(PublicKey::from_private_key(file, Some(passphrase)));
    }
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

fn contains(file: &[u8], part: &[u8]) -> bool {
    file.windows(part.len()).any(|window| window == part)
}

/// Whether every key derivation that the file names costs little: iterations of PBKDF2, or N·r·p of scrypt.
fn is_cheap(file: &[u8]) -> bool {
    let after = |oid: &[u8], at: usize| file[at..].strip_prefix(oid);
    (0..file.len()).all(|at| {
        after(PBKDF2, at).is_none_or(|rest| cost(rest, 1).is_some_and(|cost| cost <= MAX_COST))
            && after(SCRYPT, at).is_none_or(|rest| cost(rest, 3).is_some_and(|cost| cost <= MAX_COST))
    })
}

/// The product of the numbers after the salt. None unless the lengths are those of a usual file.
fn cost(parameters: &[u8], numbers: usize) -> Option<u64> {
    let (_, mut rest) = header(parameters, 0x30)?;
    let (salt, inside) = header(rest, 0x04)?;
    rest = inside.get(salt..)?;
    let mut product: u64 = 1;
    for _ in 0..numbers {
        let (length, inside) = header(rest, 0x02)?;
        let (number, after) = inside.split_at_checked(length)?;
        let number = number.iter().fold(0_u64, |sum, byte| sum.saturating_mul(256).saturating_add((*byte).into()));
        product = product.saturating_mul(number.max(1));
        rest = after;
    }
    Some(product)
}

/// The length of an element with this tag, and what follows its header.
fn header(der: &[u8], tag: u8) -> Option<(usize, &[u8])> {
    match der {
        [first, length @ ..0x80, rest @ ..] if *first == tag => Some((usize::from(*length), rest)),
        _ => None,
    }
}
