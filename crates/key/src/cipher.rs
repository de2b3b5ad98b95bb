//! The supported ciphers of encrypted private keys: block ciphers in CBC mode.

use aes::{Aes128, Aes192, Aes256};
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipher, BlockDecryptMut, KeyInit, KeyIvInit};
use des::TdesEde3;
use zeroize::Zeroizing;

use super::error::KeyError;

/// Length of the longest [`Cipher`] key, in bytes.
pub(super) const MAX_KEY_LEN: usize = 32;

#[derive(Clone, Copy)]
pub(super) enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    TripleDes,
}

impl Cipher {
    /// Length of the key, in bytes.
    pub(super) fn key_len(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => MAX_KEY_LEN,
        }
    }

    /// Length of a block and of the initialization vector, in bytes.
    pub(super) fn block_len(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
            Self::TripleDes => 8,
        }
    }

    /// Decrypts and removes the padding. Invalid padding means a wrong key.
    pub(super) fn decrypt(self, key: &[u8], iv: &[u8], encrypted: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        if encrypted.is_empty() || !encrypted.len().is_multiple_of(self.block_len()) {
            return Err(KeyError::Truncated);
        }
        let mut buffer = Zeroizing::new(encrypted.to_vec());
        let length = match self {
            Self::Aes128 => decrypt_in_place::<Aes128>(key, iv, &mut buffer)?,
            Self::Aes192 => decrypt_in_place::<Aes192>(key, iv, &mut buffer)?,
            Self::Aes256 => decrypt_in_place::<Aes256>(key, iv, &mut buffer)?,
            Self::TripleDes => decrypt_in_place::<TdesEde3>(key, iv, &mut buffer)?,
        };
        buffer.truncate(length);
        Ok(buffer)
    }
}

/// Decrypts into the start of `buffer` and returns the length of the plaintext.
fn decrypt_in_place<C>(key: &[u8], iv: &[u8], buffer: &mut [u8]) -> Result<usize, KeyError>
where
    C: BlockCipher + BlockDecryptMut + KeyInit,
{
    Decryptor::<C>::new_from_slices(key, iv)
        .map_err(|_| KeyError::Damaged)?
        .decrypt_padded_mut::<Pkcs7>(buffer)
        .map(<[u8]>::len)
        .map_err(|_| KeyError::WrongPassphrase)
}
