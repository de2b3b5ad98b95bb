//! RSA numbers → [`PublicKey`].

use std::ops::Range;

use rsa::pkcs1::{ALGORITHM_ID, RsaPrivateKey as Pkcs1Private, RsaPublicKey as Pkcs1Public, UintRef};
use rsa::pkcs8::SubjectPublicKeyInfoRef;
use rsa::pkcs8::der::asn1::BitStringRef;
use rsa::pkcs8::der::pem::{LineEnding, encode_string};
use rsa::pkcs8::der::{Decode, Encode};
use rsa::{BigUint, RsaPrivateKey};

use super::algorithm::require_rsa;
use super::error::KeyError;
use super::fingerprint::Fingerprint;
use super::public_key::PublicKey;

/// Accepted public exponents: the bounds of the rsa crate and of most libraries.
const EXPONENTS: Range<u64> = 3..1 << 33;

/// The key in a SubjectPublicKeyInfo.
pub(super) fn from_spki(spki: SubjectPublicKeyInfoRef<'_>) -> Result<PublicKey, KeyError> {
    require_rsa(&spki.algorithm)?;
    from_pkcs1_public(spki.subject_public_key.as_bytes().ok_or(KeyError::Damaged)?)
}

/// The key in a DER RSAPublicKey.
pub(super) fn from_pkcs1_public(der: &[u8]) -> Result<PublicKey, KeyError> {
    let key = Pkcs1Public::from_der(der).map_err(|_| KeyError::Damaged)?;
    check(&key)?;
    let spki = encode_spki(&key).ok_or(KeyError::Damaged)?;
    Ok(PublicKey {
        pem: encode_string("PUBLIC KEY", LineEnding::LF, &spki).map_err(|_| KeyError::Damaged)?,
        fingerprint: Fingerprint::of_spki(&spki),
    })
}

/// The public half of a DER RSAPrivateKey. Checks that its numbers are consistent.
pub(super) fn from_pkcs1_private(der: &[u8]) -> Result<PublicKey, KeyError> {
    let key = Pkcs1Private::from_der(der).map_err(|_| KeyError::Damaged)?;
    let public = key.public_key();
    check(&public)?;
    if key.other_prime_infos.is_some() {
        return Err(KeyError::MultiPrime);
    }
    let number = |uint: UintRef<'_>| BigUint::from_bytes_be(uint.as_bytes());
    // Checks p·q = n and e·d ≡ 1 modulo p-1 and q-1. Dropping the key zeroizes its numbers.
    RsaPrivateKey::from_components(
        number(key.modulus),
        number(key.public_exponent),
        number(key.private_exponent),
        vec![number(key.prime1), number(key.prime2)],
    )
    .map_err(|_| KeyError::Inconsistent)?;
    from_pkcs1_public(&public.to_der().map_err(|_| KeyError::Damaged)?)
}

/// Fingerprint of the SubjectPublicKeyInfo for a DER RSAPublicKey of any size.
pub(super) fn spki_of_pkcs1(der: &[u8]) -> Option<Fingerprint> {
    let spki = encode_spki(&Pkcs1Public::from_der(der).ok()?)?;
    Some(Fingerprint::of_spki(&spki))
}

/// Fingerprint of an RSA SubjectPublicKeyInfo of any size, with the algorithm encoded as in
/// RFC 3279.
pub(super) fn normalized_spki(spki: SubjectPublicKeyInfoRef<'_>) -> Option<Fingerprint> {
    spki_of_pkcs1(spki.subject_public_key.as_bytes()?)
}

fn encode_spki(key: &Pkcs1Public<'_>) -> Option<Vec<u8>> {
    let pkcs1 = key.to_der().ok()?;
    SubjectPublicKeyInfoRef { algorithm: ALGORITHM_ID, subject_public_key: BitStringRef::from_bytes(&pkcs1).ok()? }
        .to_der()
        .ok()
}

fn check(key: &Pkcs1Public<'_>) -> Result<(), KeyError> {
    let bits = bits(key.modulus);
    if bits != PublicKey::BITS {
        return Err(KeyError::WrongSize { bits });
    }
    if !exponent(key).is_some_and(|exponent| EXPONENTS.contains(&exponent) && exponent % 2 == 1) {
        return Err(KeyError::BadExponent);
    }
    if key.modulus.as_bytes().last().is_none_or(|byte| byte % 2 == 0) {
        return Err(KeyError::Inconsistent);
    }
    Ok(())
}

fn exponent(key: &Pkcs1Public<'_>) -> Option<u64> {
    let bytes = key.public_exponent.as_bytes();
    let fits = bytes.len() <= size_of::<u64>();
    fits.then(|| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

fn bits(number: UintRef<'_>) -> usize {
    let bytes = number.as_bytes();
    bytes.first().map_or(0, |first| bytes.len() * 8 - first.leading_zeros() as usize)
}
