//! All outcomes of an answer.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use waflows_core::endpoint::{ProbeFinding, ProbeOutcome};
use waflows_probe::{MAX_ANSWER, Opener};

use crate::bytes::{AES_KEY, IV};
use crate::endpoint::{flipped, known, sealed};

/// {"data":{"status":"active"}} by crypto.createCipheriv('aes-128-gcm', key, iv) of Node.js, with the tag, under the
/// flipped initialization vector.
const BY_NODE: &str = "IHgL0mWXHJ6FDPLH6+aygF5BfT+mPzwvzktiKvlmYpg8eFKqJX/07YVStaI=";
/// The same under the vector of the request.
const NOT_FLIPPED_BY_NODE: &str = "vryT1wnTBrKtOrD2wFtapNfHAv4Ocs6OzKT66/VRHanuugSiaycS0pPuc8Q=";
/// {"data":{"acknowledged":true}} under the flipped vector.
const ACKNOWLEDGED_BY_NODE: &str = "IHgL0mWXHJ6FDODQ4fyohBAeOzmgL3dj3xtqMkO6QV0L/G4Tq6t9G+Vi3ownKA==";

fn decode(status: u16, body: impl AsRef<[u8]>) -> ProbeFinding {
    known().1.decode(status, body.as_ref())
}

fn of_200(body: impl AsRef<[u8]>) -> ProbeOutcome {
    let finding = decode(200, body);
    assert_eq!((finding.http_status, finding.iv_not_flipped), (Some(200), false));
    finding.outcome
}

fn answer(text: &str) -> String {
    sealed(AES_KEY, flipped(IV), text.as_bytes())
}

#[test]
fn the_right_answer_proves_the_key() {
    assert_eq!(of_200(BY_NODE), ProbeOutcome::Proven);
    for line_end in ["\n", "\r\n"] {
        assert_eq!(of_200(format!("{BY_NODE}{line_end}")), ProbeOutcome::Proven);
    }
    for text in [
        r#"{"version": "3.0", "data": {"status": "active", "more": [1, {}]}}"#,
        "{ \"data\" : {\n\"status\" : \"active\" } }\n",
    ] {
        assert_eq!(of_200(answer(text)), ProbeOutcome::Proven, "{text}");
    }
}

#[test]
fn the_status_alone_decides_where_it_is_not_200() {
    for (status, outcome) in [
        (421, ProbeOutcome::WrongKey),
        (432, ProbeOutcome::SignatureRefused),
        (401, ProbeOutcome::SignatureRefused),
        (403, ProbeOutcome::SignatureRefused),
        (201, ProbeOutcome::BadStatus),
        (204, ProbeOutcome::BadStatus),
        (301, ProbeOutcome::BadStatus),
        (400, ProbeOutcome::BadStatus),
        (404, ProbeOutcome::BadStatus),
        (427, ProbeOutcome::BadStatus),
        (500, ProbeOutcome::BadStatus),
        (502, ProbeOutcome::BadStatus),
    ] {
        for body in ["", BY_NODE, "<html>"] {
            assert_eq!(decode(status, body), ProbeFinding::answered(outcome, status));
        }
        assert!(!Opener::needs_body(status));
    }
    assert!(Opener::needs_body(200));
}

#[test]
fn what_is_no_base64_of_a_ciphertext_is_not_encrypted() {
    let quoted = format!("\"{BY_NODE}\"");
    let spread = format!("{}\n{}", &BY_NODE[..20], &BY_NODE[20..]);
    let url_safe = BY_NODE.replace('/', "_").replace('+', "-");
    for body in [
        "",
        "\n",
        "OK",
        "pong",
        "active",
        r#"{"data":{"status":"active"}}"#,
        "<!doctype html><title>Sign in</title>",
        &quoted,
        &spread,
        &format!(" {BY_NODE}"),
        BY_NODE.trim_end_matches('='),
        &url_safe,
        &BASE64_STANDARD.encode([7; 15]),
    ] {
        assert_eq!(of_200(body), ProbeOutcome::NotEncrypted, "{body}");
    }
    assert_eq!(of_200([0xFF, 0xFE, 0]), ProbeOutcome::NotEncrypted);
}

#[test]
fn a_ciphertext_that_does_not_open_is_not_readable() {
    let other_key = sealed([7; 16], flipped(IV), br#"{"data":{"status":"active"}}"#);
    let other_iv = sealed(AES_KEY, [7; 16], br#"{"data":{"status":"active"}}"#);
    let mut changed = BASE64_STANDARD.decode(BY_NODE).unwrap();
    changed[3] ^= 1;
    let cut = BASE64_STANDARD.encode(&BASE64_STANDARD.decode(BY_NODE).unwrap()[1..]);
    for body in [other_key, other_iv, BASE64_STANDARD.encode(changed), cut, BASE64_STANDARD.encode([7; 16])] {
        assert_eq!(of_200(&body), ProbeOutcome::NotReadable, "{body}");
    }
}

#[test]
fn a_vector_that_was_not_flipped_is_told() {
    let expected = ProbeFinding { iv_not_flipped: true, ..ProbeFinding::answered(ProbeOutcome::NotReadable, 200) };
    assert_eq!(decode(200, NOT_FLIPPED_BY_NODE), expected);
    assert_eq!(decode(200, sealed(AES_KEY, IV, b"anything")), expected);
}

#[test]
fn what_opens_and_is_no_answer_to_a_health_check() {
    assert_eq!(of_200(ACKNOWLEDGED_BY_NODE), ProbeOutcome::BadPayload);
    for text in [
        "",
        "active",
        "\"active\"",
        "{}",
        "null",
        r#"{"status":"active"}"#,
        r#"{"data":{"status":"inactive"}}"#,
        r#"{"data":{"status":"Active"}}"#,
        r#"{"data":{"status":true}}"#,
        r#"{"data":"{\"status\":\"active\"}"}"#,
        r#"{"screen":"WELCOME","data":{}}"#,
        r#"{"data":{"status":"active"}} {}"#,
        r#"{"data":{"status":"active"}"#,
        r#"{"data":{"status":"active"},"data":{"status":"active"}}"#,
        &"[".repeat(1000),
    ] {
        assert_eq!(of_200(answer(text)), ProbeOutcome::BadPayload, "{text}");
    }
    assert_eq!(of_200(sealed(AES_KEY, flipped(IV), &[0xFF, 0])), ProbeOutcome::BadPayload);
}

#[test]
fn no_more_than_64_kib_of_an_answer_count() {
    let long = |text: usize| answer(&format!(r#"{{"data":{{"status":"active","more":"{}"}}}}"#, "x".repeat(text)));
    assert_eq!(of_200(long(48_000)), ProbeOutcome::Proven);
    let too_long = long(50_000);
    assert!(too_long.len() > MAX_ANSWER);
    assert_eq!(of_200(too_long), ProbeOutcome::NotReadable);
    assert_eq!(of_200("{".repeat(MAX_ANSWER * 2)), ProbeOutcome::NotEncrypted);
}
