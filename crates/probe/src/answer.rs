//! The meaning of an answer.

use std::fmt;

use base64ct::{Base64, Encoding};
use serde::Deserialize;
use waflows_core::endpoint::{ProbeFinding, ProbeOutcome};

use crate::flow_cipher::{FlowCipher, Iv, TAG_BYTES, flipped};

/// Number of bytes of an answer that are read. The answer to a health check has 60 bytes.
pub const MAX_ANSWER: usize = 64 * 1024;

/// Reads the answer to one request. Holds the AES key, so Debug prints no content.
pub struct Opener {
    cipher: FlowCipher,
    iv: Iv,
}

/// The required part of an answer to a health check.
#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    status: Status,
}

/// Any other word does not answer a health check.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Active,
}

impl Opener {
    pub(crate) fn new(cipher: FlowCipher, iv: Iv) -> Self {
        Self { cipher, iv }
    }

    /// The meaning of an answer with this HTTP status and body. Uses at most [`MAX_ANSWER`] bytes of the body, and uses
    /// the body only if the status is 200.
    #[must_use]
    pub fn decode(&self, http_status: u16, body: &[u8]) -> ProbeFinding {
        let outcome = match http_status {
            200 => return self.decode_body(body.get(..MAX_ANSWER).unwrap_or(body)),
            421 => ProbeOutcome::WrongKey,
            401 | 403 | 432 => ProbeOutcome::SignatureRefused,
            _ => ProbeOutcome::BadStatus,
        };
        ProbeFinding::answered(outcome, http_status)
    }

    /// Whether [`decode`](Self::decode) uses the body of an answer with this HTTP status.
    #[must_use]
    pub fn needs_body(http_status: u16) -> bool {
        http_status == 200
    }

    fn decode_body(&self, body: &[u8]) -> ProbeFinding {
        let answered = |outcome| ProbeFinding::answered(outcome, 200);
        // Text that is shorter than the tag was not encrypted. It can still be base64, for example `pong`.
        let Some(sealed) = ciphertext(body).filter(|sealed| sealed.len() >= TAG_BYTES) else {
            return answered(ProbeOutcome::NotEncrypted);
        };
        match self.cipher.open(&flipped(&self.iv), &sealed) {
            Some(text) if is_active(&text) => answered(ProbeOutcome::Proven),
            Some(_) => answered(ProbeOutcome::BadPayload),
            None => {
                let iv_not_flipped = self.cipher.open(&self.iv, &sealed).is_some();
                ProbeFinding { iv_not_flipped, ..answered(ProbeOutcome::NotReadable) }
            }
        }
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener(..)")
    }
}

/// Decodes base64 with padding, as in Meta's own examples. Accepts a line end after the text. Refuses quotes around the
/// text, which some frameworks add.
fn ciphertext(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    Base64::decode_vec(text.trim_end_matches(['\r', '\n'])).ok()
}

fn is_active(text: &[u8]) -> bool {
    matches!(serde_json::from_slice(text), Ok(Answer { data: Data { status: Status::Active } }))
}
