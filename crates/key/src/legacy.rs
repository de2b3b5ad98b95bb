//! OpenSSL's own PEM encryption: `Proc-Type: 4,ENCRYPTED` and `DEK-Info: CIPHER,IV`.
//!
//! Source: OpenSSL's PEM_read_bio_PrivateKey(3), section "PEM encryption format".

use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::cipher::{Cipher, MAX_KEY_LEN};
use super::error::KeyError;

/// Length of the salt, which is the first bytes of the initialization vector.
const SALT_LEN: usize = 8;

/// A parsed `DEK-Info` header.
pub(super) struct DekInfo {
    cipher: Cipher,
    iv: Vec<u8>,
}

impl DekInfo {
    /// Parses the header's value, such as `AES-256-CBC,` and 32 hexadecimal digits.
    pub(super) fn parse(value: &str) -> Result<Self, KeyError> {
        let (name, iv) = value.split_once(',').ok_or(KeyError::Damaged)?;
        let cipher = cipher(name)?;
        let iv = hexadecimal(iv).filter(|iv| iv.len() == cipher.block_len()).ok_or(KeyError::Damaged)?;
        Ok(Self { cipher, iv })
    }

    /// Returns the decrypted file if the passphrase fits. One in 256 wrong passphrases also seems to fit.
    pub(super) fn decrypt(&self, encrypted: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let key = self.derive_key(passphrase);
        self.cipher.decrypt(&key[..self.cipher.key_len()], &self.iv, encrypted)
    }

    /// EVP_BytesToKey(3) with MD5 and one iteration: each part of the key is the MD5 of the part
    /// before it, the passphrase and the salt.
    fn derive_key(&self, passphrase: &[u8]) -> Zeroizing<[u8; MAX_KEY_LEN]> {
        let mut key = Zeroizing::new([0; MAX_KEY_LEN]);
        let mut hash = Md5::new();
        for part in key.chunks_exact_mut(Md5::output_size()) {
            hash.update(passphrase);
            hash.update(&self.iv[..SALT_LEN]);
            part.copy_from_slice(&hash.finalize_reset());
            hash.update(&part);
        }
        key
    }
}

fn cipher(name: &str) -> Result<Cipher, KeyError> {
    /// Further ciphers of OpenSSL. Messages repeat only known names: in a damaged file, this header
    /// could contain any text.
    const UNSUPPORTED: &str = "DES-CBC DES-EDE-CBC DESX-CBC RC2-CBC RC2-40-CBC RC2-64-CBC IDEA-CBC \
        BF-CBC CAST5-CBC SEED-CBC SM4-CBC ARIA-128-CBC ARIA-192-CBC ARIA-256-CBC CAMELLIA-128-CBC \
        CAMELLIA-192-CBC CAMELLIA-256-CBC";
    match name {
        "AES-128-CBC" => Ok(Cipher::Aes128),
        "AES-192-CBC" => Ok(Cipher::Aes192),
        "AES-256-CBC" => Ok(Cipher::Aes256),
        "DES-EDE3-CBC" => Ok(Cipher::TripleDes),
        _ => {
            let known = UNSUPPORTED.split(' ').find(|known| *known == name);
            Err(KeyError::UnsupportedEncryption { scheme: known.unwrap_or("an unknown cipher").into() })
        }
    }
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let nibbles: Vec<u8> = digits.chars().map(|digit| digit.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    let pairs = nibbles.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}
