//! Encrypted PKCS#8 (RFC 5958, section 3) with PBES2 (RFC 8018, section 6.2).
//!
//! This module parses the parameters itself and does not use the pkcs5 crate. That crate's parser
//! panics on a short 3DES initialization vector and on an scrypt cost of 0 (version 0.7.1). The
//! crate does not zeroize the derived key and does not limit the cost.

use rsa::pkcs8::AlgorithmIdentifierRef;
use rsa::pkcs8::der::Decode;
use rsa::pkcs8::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use zeroize::Zeroizing;

use super::cipher::{Cipher, MAX_KEY_LEN};
use super::error::KeyError;
use super::identifier::{damaged, parameters, unsupported};
use super::kdf::Kdf;

const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");

/// Encryption of a file. The parameters are checked, so the cost of decryption is limited.
pub(super) struct Scheme<'a> {
    kdf: Kdf<'a>,
    cipher: Cipher,
    iv: &'a [u8],
}

impl<'a> Scheme<'a> {
    /// From the AlgorithmIdentifier of an EncryptedPrivateKeyInfo.
    pub(super) fn parse(algorithm: AnyRef<'a>) -> Result<Self, KeyError> {
        let algorithm: AlgorithmIdentifierRef<'a> = algorithm.decode_as().map_err(damaged)?;
        if algorithm.oid != PBES2 {
            return Err(unsupported(algorithm.oid));
        }
        let (kdf, encryption) = parameters(algorithm)?
            .sequence(|reader| {
                let kdf = AlgorithmIdentifierRef::decode(reader)?;
                Ok((kdf, AlgorithmIdentifierRef::decode(reader)?))
            })
            .map_err(damaged)?;
        let cipher = cipher(encryption.oid)?;
        let iv: OctetStringRef<'a> = parameters(encryption)?.decode_as().map_err(damaged)?;
        if iv.as_bytes().len() != cipher.block_len() {
            return Err(KeyError::Damaged);
        }
        Ok(Self { kdf: Kdf::parse(kdf, cipher.key_len())?, cipher, iv: iv.as_bytes() })
    }

    /// Returns the decrypted file if the passphrase fits. One in 256 wrong passphrases also seems to fit.
    pub(super) fn decrypt(&self, encrypted: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let mut key = Zeroizing::new([0; MAX_KEY_LEN]);
        let key = &mut key[..self.cipher.key_len()];
        self.kdf.derive(passphrase, key)?;
        self.cipher.decrypt(key, self.iv, encrypted)
    }
}

fn cipher(oid: ObjectIdentifier) -> Result<Cipher, KeyError> {
    match oid.to_string().as_str() {
        "2.16.840.1.101.3.4.1.2" => Ok(Cipher::Aes128),
        "2.16.840.1.101.3.4.1.22" => Ok(Cipher::Aes192),
        "2.16.840.1.101.3.4.1.42" => Ok(Cipher::Aes256),
        "1.2.840.113549.3.7" => Ok(Cipher::TripleDes),
        _ => Err(unsupported(oid)),
    }
}
