//! Files that no tool writes: handmade DER.

use rsa::pkcs1::der::asn1::{Any, UintRef};
use rsa::pkcs1::der::{Decode, Encode};
use rsa::pkcs1::{RsaPrivateKey, RsaPublicKey};

use crate::openssl::{KEY, openssl};

const PBES2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d";
const PBKDF2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c";
const HMAC_WITH_SHA1: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x02\x07";
const SCRYPT: &[u8] = b"\x2b\x06\x01\x04\x01\xda\x47\x04\x0b";
pub(crate) const AES_256_CBC: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x01\x2a";
pub(crate) const TRIPLE_DES_CBC: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x03\x07";

/// An EncryptedPrivateKeyInfo with the parameters of PBKDF2 after the salt.
pub(crate) fn pbkdf2(rest: &[&[u8]], cipher: &[u8], iv: &[u8]) -> Vec<u8> {
    encrypted(PBKDF2, rest, cipher, iv)
}

/// An EncryptedPrivateKeyInfo with PBKDF2 and SHA-1 that contains two fields that OpenSSL omits: the length of the key,
/// and the default hash.
pub(crate) fn with_all_stated(file: &[u8], key_len: u64) -> Vec<u8> {
    let file = elements(file);
    let scheme = elements(&file[0]);
    let parameters = elements(&scheme[1]);
    let kdf = elements(&parameters[0]);
    let [salt, iterations] = &elements(&kdf[1])[..] else { panic!("OpenSSL leaves the others out") };
    let hash = sequence(&[&oid(HMAC_WITH_SHA1), &element(0x05, &[])]);
    let kdf = sequence(&[&kdf[0], &sequence(&[salt, iterations, &integer(key_len), &hash])]);
    sequence(&[&sequence(&[&scheme[0], &sequence(&[&kdf, &parameters[1]])]), &file[1]])
}

/// An EncryptedPrivateKeyInfo with another scheme than PBES2.
pub(crate) fn other_scheme(scheme: &[u8]) -> Vec<u8> {
    encrypted_with(scheme, &sequence(&[&octets(b"saltsalt"), &integer(2048)]))
}

/// An EncryptedPrivateKeyInfo with scrypt's N, r and p.
pub(crate) fn scrypt(n: u64, r: u64, p: u64) -> Vec<u8> {
    encrypted(SCRYPT, &[&integer(n), &integer(r), &integer(p)], AES_256_CBC, &[7; 16])
}

fn encrypted(kdf: &[u8], rest: &[&[u8]], cipher: &[u8], iv: &[u8]) -> Vec<u8> {
    let kdf_parameters = sequence(&[&[octets(b"saltsalt").as_slice()], rest].concat());
    let kdf = sequence(&[&oid(kdf), &kdf_parameters]);
    let cipher = sequence(&[&oid(cipher), &octets(iv)]);
    encrypted_with(PBES2, &sequence(&[&kdf, &cipher]))
}

fn encrypted_with(scheme: &[u8], parameters: &[u8]) -> Vec<u8> {
    sequence(&[&sequence(&[&oid(scheme), parameters]), &octets(&[0; 1216])])
}

/// [`KEY`] in PKCS#1 with one number replaced.
pub(crate) fn private_key(change: impl FnOnce(&mut RsaPrivateKey<'_>)) -> Vec<u8> {
    let der = openssl("rsa -traditional -outform DER", &KEY);
    let mut key = RsaPrivateKey::from_der(&der).unwrap();
    change(&mut key);
    key.to_der().unwrap()
}

/// The public half of [`KEY`] in PKCS#1, with another exponent.
pub(crate) fn public_key(exponent: &[u8]) -> Vec<u8> {
    let der = openssl("rsa -RSAPublicKey_out -outform DER", &KEY);
    let mut key = RsaPublicKey::from_der(&der).unwrap();
    key.public_exponent = UintRef::new(exponent).unwrap();
    pkcs1_pem(&key)
}

/// The public half of [`KEY`] in PKCS#1, with an even modulus.
pub(crate) fn even_public_key() -> Vec<u8> {
    let der = openssl("rsa -RSAPublicKey_out -outform DER", &KEY);
    let mut key = RsaPublicKey::from_der(&der).unwrap();
    let odd = key.modulus.as_bytes();
    let even = [&odd[..odd.len() - 1], &[2]].concat();
    key.modulus = UintRef::new(&even).unwrap();
    pkcs1_pem(&key)
}

fn pkcs1_pem(key: &RsaPublicKey<'_>) -> Vec<u8> {
    let body = openssl("base64", &key.to_der().unwrap());
    let body = std::str::from_utf8(&body).unwrap();
    format!("-----BEGIN RSA PUBLIC KEY-----\n{body}-----END RSA PUBLIC KEY-----\n").into_bytes()
}

/// The public half of [`KEY`] as a SubjectPublicKeyInfo in base64, with an algorithm that has no parameters.
pub(crate) fn spki(algorithm: &[u8]) -> Vec<u8> {
    let der = openssl("pkey -pubout -outform DER", &KEY);
    openssl("base64", &sequence(&[&sequence(&[&oid(algorithm)]), &elements(&der)[1]]))
}

/// A signing request without attributes. The standard requires them, but some tools omit them.
pub(crate) fn without_attributes(request: &[u8]) -> Vec<u8> {
    let elements = elements(request);
    let info = self::elements(&elements[0]);
    sequence(&[&sequence(&[&info[0], &info[1], &info[2]]), &elements[1], &elements[2]])
}

/// A certificate of version 1: without version field and extensions.
pub(crate) fn version_1(certificate: &[u8]) -> Vec<u8> {
    let elements = elements(certificate);
    let to_be_signed = self::elements(&elements[0]);
    let without: Vec<&[u8]> = to_be_signed[1..7].iter().map(Vec::as_slice).collect();
    sequence(&[&sequence(&without), &elements[1], &elements[2]])
}

/// The encodings of a SEQUENCE's elements.
fn elements(sequence: &[u8]) -> Vec<Vec<u8>> {
    let elements: Vec<Any> = Vec::from_der(sequence).unwrap();
    elements.iter().map(|element| element.to_der().unwrap()).collect()
}

/// A SEQUENCE that is not a key format.
pub(crate) fn unknown_sequence() -> Vec<u8> {
    sequence(&[&integer(1), &sequence(&[&integer(2048)])])
}

/// An ECPrivateKey without its optional parts.
pub(crate) fn short_ec_private_key() -> Vec<u8> {
    sequence(&[&integer(1), &octets(&[7; 32])])
}

pub(crate) fn integer(number: u64) -> Vec<u8> {
    number.to_der().unwrap()
}

fn octets(value: &[u8]) -> Vec<u8> {
    element(0x04, value)
}

fn oid(value: &[u8]) -> Vec<u8> {
    element(0x06, value)
}

fn sequence(elements: &[&[u8]]) -> Vec<u8> {
    element(0x30, &elements.concat())
}

fn element(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    let header = match length {
        [0, length @ ..=127] => vec![tag, length],
        [0, length] => vec![tag, 0x81, length],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [header.as_slice(), value].concat()
}
