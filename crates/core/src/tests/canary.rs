//! On which number a key is tried, and what follows from the result.

use super::*;
use crate::number::number_error;
use crate::rollout::canary::{Canary, Next, canary_until};

/// A number whose key was uploaded at the beginning, with so many attempts, and which does not show it as VALID.
fn tried(attempts: i32) -> PhoneNumberStatus {
    PhoneNumberStatus { state: NumberState::Mismatch, upload_attempts: attempts, ..valid_number() }
}

#[test]
fn a_number_is_the_canary_where_the_key_landed_may_have_landed_or_was_taken_a_moment_ago() {
    let failure = number_error(&error(ErrorClass::Transient));
    let elsewhere = || PhoneNumberStatus { uploaded_fingerprint: Some(fingerprint_text(0)), ..tried(0) };
    let rows = [
        ("landed once", tried(1), 30, Some(60)),
        ("landed twice", tried(2), 30, Some(120)),
        ("landed, and the wait is over", tried(1), 90, Some(60)),
        ("taken", tried(0), 59, Some(60)),
        ("taken a minute ago", tried(0), 60, None),
        ("nobody knows", PhoneNumberStatus { failures: 1, error: Some(failure.clone()), ..elsewhere() }, 59, Some(60)),
        ("nobody may look", PhoneNumberStatus { error: Some(failure.clone()), ..elsewhere() }, 59, Some(60)),
        ("it did not land", PhoneNumberStatus { failures: 1, ..elsewhere() }, 30, None),
        (
            "read since",
            PhoneNumberStatus { error: Some(failure), last_read_time: Some(Time(at(20))), ..elsewhere() },
            30,
            None,
        ),
        ("another key", elsewhere(), 30, None),
        ("never uploaded", PhoneNumberStatus { last_upload_time: None, ..tried(0) }, 30, None),
    ];
    for (what, number, now, until) in rows {
        assert_eq!(canary_until(&number, &criteria(now)), until.map(at), "{what}");
    }
    for state in
        [NumberState::Pending, NumberState::Valid, NumberState::Conflict, NumberState::Contested, NumberState::Refused]
    {
        assert_eq!(canary_until(&PhoneNumberStatus { state, ..tried(1) }, &criteria(30)), None, "{state:?}");
    }
}

#[test]
fn a_canary_lasts_as_long_as_its_longest_wait_and_one_valid_number_ends_it() {
    let of = |numbers: &[PhoneNumberStatus]| Canary::of(numbers.iter(), &criteria(30));
    let missing = PhoneNumberStatus { state: NumberState::Missing, ..PhoneNumberStatus::default() };
    assert_eq!(of(std::slice::from_ref(&missing)), Canary::Open);
    assert_eq!(of(&[tried(1), tried(2), missing.clone()]), Canary::Pending { until: at(120) });
    assert_eq!(of(&[tried(2), missing, tried(1)]), Canary::Pending { until: at(120) });
    assert_eq!(of(&[tried(1), valid_number()]), Canary::Passed);
}

#[test]
fn what_follows_the_upload_of_a_canary() {
    let read = || answered(None, None, at(30));
    let refused = Uploaded { answer: UploadAnswer::Failed(error(ErrorClass::Permission)), ..accepted(at(30)) };
    let held = Uploaded { answer: UploadAnswer::Held { limit: None, until: at(90) }, ..accepted(at(30)) };
    let missing = PhoneNumberStatus { state: NumberState::Missing, ..PhoneNumberStatus::default() };
    let no_answer = Reading::Held { limit: None, until: at(90) };
    let rows = [
        ("valid", valid_number(), accepted(at(30)), read(), Next::All),
        ("landed", tried(1), accepted(at(30)), read(), Next::None),
        ("refused", missing.clone(), refused, Reading::NotAsked, Next::One),
        ("no effect", missing.clone(), accepted(at(30)), read(), Next::One),
        ("calls have to wait", missing.clone(), held, Reading::NotAsked, Next::None),
        ("not seen", missing.clone(), accepted(at(30)), failed(ErrorClass::Transient, at(30)), Next::None),
        ("not to be seen now", missing, accepted(at(30)), no_answer, Next::None),
    ];
    for (what, after, upload, reading, next) in rows {
        assert_eq!(Canary::next(&after, &upload, &reading, &criteria(30)), next, "{what}");
    }
}
