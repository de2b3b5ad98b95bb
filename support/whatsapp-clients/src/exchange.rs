//! The encryption of Flows, from the client's side (Meta's guide "Implementing endpoints for Flows").

use aes_gcm::aead::Aead;
use aes_gcm::aead::consts::U16;
use aes_gcm::aes::Aes128;
use aes_gcm::{AesGcm, KeyInit};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use rand::RngCore;
use rand::rngs::StdRng;
use rsa::pkcs8::DecodePublicKey;
use rsa::{Oaep, RsaPublicKey};
use serde_json::{Value, json};
use sha2::Sha256;
use waflows_key::PublicKey;

type Cipher = AesGcm<Aes128, U16>;

/// A request that is encrypted with one key, and the means to read its answer.
pub(crate) struct Exchange {
    pub(crate) body: Vec<u8>,
    cipher: Cipher,
    iv: [u8; 16],
}

impl Exchange {
    /// A customer goes on from a screen of the Flow. None for a key that cannot encrypt, which a parsed key can.
    pub(crate) fn new(key: &PublicKey, random: &mut StdRng) -> Option<Self> {
        let key = RsaPublicKey::from_public_key_pem(key.pem()).ok()?;
        let (mut aes_key, mut iv) = ([0; 16], [0; 16]);
        random.fill_bytes(&mut aes_key);
        random.fill_bytes(&mut iv);
        let cipher = Cipher::new(&aes_key.into());
        let payload = json!({
            "version": "3.0",
            "action": "data_exchange",
            "screen": "APPOINTMENT",
            "data": {"department": "beauty", "guests": random.next_u32() % 8},
            "flow_token": format!("flow-{:016x}", random.next_u64()),
        });
        let sealed = cipher.encrypt(&iv.into(), payload.to_string().as_bytes()).ok()?;
        let wrapped = key.encrypt(random, Oaep::new::<Sha256>(), &aes_key).ok()?;
        let body = json!({
            "encrypted_flow_data": BASE64_STANDARD.encode(sealed),
            "encrypted_aes_key": BASE64_STANDARD.encode(wrapped),
            "initial_vector": BASE64_STANDARD.encode(iv),
        });
        Some(Self { body: body.to_string().into_bytes(), cipher, iv })
    }

    /// The value of `X-Hub-Signature-256`.
    pub(crate) fn signature(&self, app_secret: &str) -> String {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(app_secret.as_bytes()).expect("a key of any length");
        mac.update(&self.body);
        let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256={digits}")
    }

    /// Whether this text answers the request: it opens with the flipped initialization vector, and names a screen.
    pub(crate) fn is_answered_by(&self, text: &str) -> bool {
        let open = || {
            let sealed = BASE64_STANDARD.decode(text.trim_end_matches(['\r', '\n'])).ok()?;
            let opened = self.cipher.decrypt(&self.iv.map(|byte| !byte).into(), sealed.as_slice()).ok()?;
            serde_json::from_slice::<Value>(&opened).ok()
        };
        open().is_some_and(|answer| answer["screen"].is_string())
    }
}
