//! The secret that signs a request.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The secret of the Meta app that is connected to the Flow. Debug prints no content. The memory is zeroized on drop.
pub struct SigningSecret(Zeroizing<Vec<u8>>);

impl SigningSecret {
    /// A secret of these bytes, unchanged.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// The value of `X-Hub-Signature-256`: `sha256=` and the HMAC-SHA256 of the body in 64 lowercase hexadecimal
    /// digits.
    pub(crate) fn sign(&self, body: &[u8]) -> String {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length");
        mac.update(body);
        let code = mac.finalize().into_bytes();
        let (halves, _) = code.as_slice().as_chunks();
        let digits: String = halves.iter().map(|half| format!("{:032x}", u128::from_be_bytes(*half))).collect();
        format!("sha256={digits}")
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(..)")
    }
}
