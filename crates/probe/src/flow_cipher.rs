//! The cipher of Flows: AES-128-GCM with an initialization vector of 16 bytes, and a tag of 16 bytes at the end.

use aes::Aes128;
use aes_gcm::aead::AeadInPlace;
use aes_gcm::aead::consts::U16;
use aes_gcm::{AesGcm, KeyInit, Tag};
use zeroize::Zeroizing;

pub(crate) const KEY_BYTES: usize = 16;
pub(crate) const IV_BYTES: usize = 16;
pub(crate) const TAG_BYTES: usize = 16;

pub(crate) type Iv = [u8; IV_BYTES];

/// The cipher with one key. The key is zeroized on drop.
pub(crate) struct FlowCipher(AesGcm<Aes128, U16>);

impl FlowCipher {
    pub(crate) fn new(key: &Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self(AesGcm::new((&**key).into()))
    }

    /// The ciphertext with its tag at the end. None only for a text of many gigabytes.
    pub(crate) fn seal(&self, iv: &Iv, text: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = text.to_vec();
        let tag = self.0.encrypt_in_place_detached(iv.into(), b"", &mut sealed).ok()?;
        sealed.extend_from_slice(&tag);
        Some(sealed)
    }

    /// The text. None if it was not sealed with this key and initialization vector.
    pub(crate) fn open(&self, iv: &Iv, sealed: &[u8]) -> Option<Vec<u8>> {
        let (text, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG_BYTES)?)?;
        let mut text = text.to_vec();
        self.0.decrypt_in_place_detached(iv.into(), b"", &mut text, Tag::from_slice(tag)).ok()?;
        Some(text)
    }
}

/// The initialization vector of the answer to a request with this vector.
pub(crate) fn flipped(iv: &Iv) -> Iv {
    iv.map(|byte| !byte)
}
