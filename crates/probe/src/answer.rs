//! What an answer means.

use std::fmt;

use base64ct::{Base64, Encoding};
use serde::Deserialize;
use waflows_core::endpoint::{ProbeFinding, ProbeOutcome};

use crate::MAX_ANSWER;
use crate::flow_cipher::{FlowCipher, Iv, TAG_BYTES, flipped};

/// Reads the answer to one request. Never printed: it holds the AES key.
pub struct Opener {
    cipher: FlowCipher,
    iv: Iv,
}

/// The part of an answer to a health check that makes it one.
#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    status: Status,
}

/// Any other word is no answer.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Active,
}

impl Opener {
    pub(crate) fn new(cipher: FlowCipher, iv: Iv) -> Self {
        Self { cipher, iv }
    }

    /// What an answer with this HTTP status and body means. Of the body no more than [`MAX_ANSWER`] bytes count, and only
    /// where the status is 200.
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

    /// Whether the body of an answer with this HTTP status says more than the status does.
    #[must_use]
    pub fn needs_body(http_status: u16) -> bool {
        http_status == 200
    }

    fn decode_body(&self, body: &[u8]) -> ProbeFinding {
        let answered = |outcome| ProbeFinding::answered(outcome, 200);
        // What is shorter than the tag was not encrypted, though it may look like base64, as `pong` does.
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

/// Base64 with its padding, as Meta's own examples write it. A line end behind it does no harm; quotes around it, as a
/// framework adds them that answers in JSON, are no base64.
fn ciphertext(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    Base64::decode_vec(text.trim_end_matches(['\r', '\n'])).ok()
}

fn is_active(text: &[u8]) -> bool {
    matches!(serde_json::from_slice(text), Ok(Answer { data: Data { status: Status::Active } }))
}
