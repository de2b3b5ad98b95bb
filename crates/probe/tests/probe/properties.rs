//! Properties of every answer.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use proptest::collection::vec;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use waflows_core::endpoint::ProbeOutcome;
use waflows_probe::{AskWith, encode};

use crate::bytes::{AES_KEY, IV};
use crate::endpoint::{flipped, known, sealed};

proptest! {
    #[test]
    fn nothing_is_a_proof_but_what_the_key_of_this_request_has_sealed(status in 100_u16..1000, body in vec(any::<u8>(), 0..600)) {
        let finding = known().1.decode(status, &body);
        prop_assert!(!finding.outcome.is_proof() && !finding.outcome.is_unanswered(), "{finding:?}");
        prop_assert_eq!(finding.http_status, Some(status));
    }

    #[test]
    fn no_base64_is_a_proof_by_chance(bytes in vec(any::<u8>(), 16..600)) {
        let finding = known().1.decode(200, BASE64_STANDARD.encode(bytes).as_bytes());
        prop_assert_eq!((finding.outcome, finding.iv_not_flipped), (ProbeOutcome::NotReadable, false));
    }

    #[test]
    fn what_opens_is_a_proof_only_with_the_right_words(text in ".{0,80}") {
        let finding = known().1.decode(200, sealed(AES_KEY, flipped(IV), text.as_bytes()).as_bytes());
        prop_assert_eq!(finding.outcome, ProbeOutcome::BadPayload);
    }

    #[test]
    fn any_change_of_a_proof_ends_it(bit in 0_usize..352) {
        let proof = sealed(AES_KEY, flipped(IV), br#"{"data":{"status":"active"}}"#);
        let mut bytes = BASE64_STANDARD.decode(proof).unwrap();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let finding = known().1.decode(200, BASE64_STANDARD.encode(bytes).as_bytes());
        prop_assert_eq!(finding.outcome, ProbeOutcome::NotReadable);
    }

    #[test]
    fn an_answer_to_another_request_is_no_proof(seed in any::<u64>()) {
        let (_, opener) = encode(AskWith::UnknownKey, None, &mut StdRng::seed_from_u64(seed)).unwrap();
        let proof = sealed(AES_KEY, flipped(IV), br#"{"data":{"status":"active"}}"#);
        prop_assert_eq!(opener.decode(200, proof.as_bytes()).outcome, ProbeOutcome::NotReadable);
    }
}
