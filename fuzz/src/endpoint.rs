//! Answers of a business's Flow endpoint → the finding of a probe.

use std::cell::OnceCell;

use aes_gcm::aead::Aead;
use aes_gcm::aead::consts::U16;
use aes_gcm::aes::Aes128;
use aes_gcm::{AesGcm, KeyInit};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use waflows_core::endpoint::{ProbeFinding, ProbeOutcome};
use waflows_probe::rand_core::{CryptoRng, Error, RngCore, impls};
use waflows_probe::{AskWith, MAX_ANSWER, Opener, encode};

/// Random bytes that are all zero, and so are the AES key and the initialization vector of the request.
struct Zeros;

impl CryptoRng for Zeros {}

impl RngCore for Zeros {
    fn next_u32(&mut self) -> u32 {
        impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

/// How the input becomes a body. Random bytes would never be a correctly encrypted body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    AsItIs,
    Sealed,
    /// With the initialization vector of the request.
    NotFlipped,
}

/// A line with the HTTP status and, where the rest is to be encrypted, `sealed` or `not-flipped`; the rest is the body.
pub fn endpoint(input: &[u8]) {
    let (head, text) = match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (&b""[..], input),
    };
    let mut words = head.split(|byte| *byte == b' ');
    let status = words.next().and_then(|word| std::str::from_utf8(word).ok()?.parse().ok()).unwrap_or(200);
    let form = match words.next() {
        Some(b"sealed") => Form::Sealed,
        Some(b"not-flipped") => Form::NotFlipped,
        _ => Form::AsItIs,
    };
    let body = match form {
        Form::AsItIs => text.to_vec(),
        Form::Sealed => sealed([0xFF; 16], text),
        Form::NotFlipped => sealed([0; 16], text),
    };
    let finding = opened(status, &body);
    assert_eq!(finding.http_status, Some(status));
    check(finding, status, form, text, body.len() <= MAX_ANSWER);
}

fn check(finding: ProbeFinding, status: u16, form: Form, text: &[u8], is_whole: bool) {
    use ProbeOutcome as O;
    assert_eq!(finding.iv_not_flipped, status == 200 && form == Form::NotFlipped && is_whole);
    match (status, form) {
        (421, _) => assert_eq!(finding.outcome, O::WrongKey),
        (401 | 403 | 432, _) => assert_eq!(finding.outcome, O::SignatureRefused),
        (200, Form::AsItIs) => assert!(matches!(finding.outcome, O::NotEncrypted | O::NotReadable)),
        (200, Form::Sealed) if is_whole => {
            assert!(matches!(finding.outcome, O::Proven | O::BadPayload));
            if finding.outcome.is_proof() {
                let text: Value = serde_json::from_slice(text).expect("a proof is JSON");
                assert_eq!(text["data"]["status"], "active");
            }
        }
        (200, Form::Sealed | Form::NotFlipped) => assert_eq!(finding.outcome, O::NotReadable),
        _ => assert_eq!(finding.outcome, O::BadStatus),
    }
}

fn opened(status: u16, body: &[u8]) -> ProbeFinding {
    thread_local!(static OPENER: OnceCell<Opener> = const { OnceCell::new() });
    OPENER.with(|opener| {
        let make = || encode(AskWith::UnknownKey, None, &mut Zeros).expect("a request").1;
        opener.get_or_init(make).decode(status, body)
    })
}

/// The answer of an endpoint that has the key.
fn sealed(iv: [u8; 16], text: &[u8]) -> Vec<u8> {
    let cipher = AesGcm::<Aes128, U16>::new(&[0; 16].into());
    BASE64_STANDARD.encode(cipher.encrypt(&iv.into(), text).expect("a short text")).into_bytes()
}
