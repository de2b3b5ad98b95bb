//! The next state of one number.

use super::*;
use crate::api::crd::NumberState as S;
use crate::number::UPLOADS_BEFORE_STALLED;

#[derive(Debug, Clone, Copy)]
enum Shown {
    Nothing,
    Unreadable,
    Key(usize),
}

/// Every key that Meta can show × every status × what was uploaded last. Key 1 is ours, 0 an earlier one, 2 foreign.
#[test]
fn every_answer_has_its_state() {
    let key = |shown| match shown {
        Shown::Nothing => None,
        Shown::Unreadable => Some(ReportedKey::Unreadable),
        Shown::Key(n) => Some(ReportedKey::Readable(fingerprint(n))),
    };
    let statuses = [None, Some("VALID"), Some("MISMATCH"), Some("PENDING"), Some("valid")];
    let rows = [
        (Shown::Key(1), None, [S::Unreported, S::Valid, S::Mismatch, S::Unreported, S::Unreported]),
        (Shown::Key(1), Some(1), [S::Unreported, S::Valid, S::Mismatch, S::Unreported, S::Unreported]),
        (Shown::Key(0), None, [S::Outdated; 5]),
        (Shown::Key(0), Some(1), [S::Outdated; 5]),
        (Shown::Key(2), None, [S::Foreign; 5]),
        (Shown::Key(2), Some(2), [S::Foreign; 5]),
        (Shown::Unreadable, Some(1), [S::Foreign; 5]),
        (Shown::Nothing, None, [S::Missing, S::Unreported, S::Missing, S::Unreported, S::Unreported]),
        (Shown::Nothing, Some(0), [S::Missing, S::Unreported, S::Mismatch, S::Unreported, S::Unreported]),
        (Shown::Nothing, Some(1), [S::Missing, S::Valid, S::Mismatch, S::Unreported, S::Unreported]),
    ];
    for (shown, uploaded, states) in rows {
        for (status, state) in statuses.into_iter().zip(states) {
            let reported =
                Reported { key: key(shown), signature_status: status.map(str::to_owned), ..Reported::default() };
            let uploaded = uploaded.map(fingerprint_text);
            assert_eq!(criteria(0).state(&reported, uploaded.as_deref()), state, "{shown:?} {status:?} {uploaded:?}");
        }
    }
}

#[test]
fn an_answer_clears_what_stood_in_the_way() {
    let mut before = criteria(0).failed(valid_number(), &error(ErrorClass::Transient), at(10));
    assert_eq!((before.failures, before.state, &before.next_attempt_time), (1, S::Valid, &time(15)));
    before.upload_attempts = 2;
    let after = criteria(20).answered(before, &reported(Some(1), Some("VALID")), at(20));
    assert_eq!(after, PhoneNumberStatus { last_read_time: time(20), ..valid_number() });
}

#[test]
fn a_refusal_is_a_state_and_waits_longer_than_a_failure() {
    let mut number = valid_number();
    for wait in [300, 600, 1200] {
        number = criteria(0).failed(number, &error(ErrorClass::UnknownId), at(0));
        assert_eq!((number.state, &number.next_attempt_time), (S::Refused, &time(wait)));
    }
    assert_eq!(number.last_read_time, time(0), "a failure says nothing about the number");
}

#[test]
fn texts_of_meta_are_cut_at_their_bounds() {
    let reported = Reported { key: None, signature_status: Some("日".repeat(100)), public_key: None };
    let number = criteria(0).answered(valid_number(), &reported, at(0));
    assert!(number.signature_status.is_some_and(|text| text.len() <= 64));
    let failure = GraphError { message: "é".repeat(999), ..error(ErrorClass::Policy) };
    assert!(crate::number::number_error(&failure).message.len() <= 256);
}

#[test]
fn a_new_key_makes_numbers_outdated_and_resets_the_counts() {
    let mut before = valid_number();
    before.upload_attempts = 2;
    let rotated = Criteria { expected: Some(fingerprint(3)), previous: vec![fingerprint_text(1)], ..criteria(0) };
    let number = rotated.rebase(&before);
    assert_eq!((number.state, number.upload_attempts), (S::Outdated, 0));
    assert_eq!(criteria(0).rebase(&before), before, "the same key changes nothing");
    before.key_fingerprint = None;
    assert_eq!(rotated.rebase(&before).state, S::Outdated, "known by what was uploaded");
    before.state = S::Foreign;
    assert_eq!(rotated.rebase(&before).state, S::Foreign);
}

/// Someone else replaces our key at these hours; whether the number is contested after the last time.
#[test]
fn three_replacements_within_a_day_or_four_intervals_are_a_contest() {
    let rows: [(&[i64], u32, bool); 6] = [
        (&[0, 1], 1, false),
        (&[0, 1, 2], 1, true),
        (&[0, 12, 24], 1, true),
        (&[0, 13, 25], 1, false),
        (&[0, 30, 31, 32], 1, true),
        (&[0, 13, 40], 10, true),
    ];
    for (hours, interval, contested) in rows {
        let mut number = valid_number();
        for hour in hours {
            let criteria = Criteria { interval: interval * HOUR, ..criteria(hour * 3600) };
            number.key_fingerprint = Some(fingerprint_text(1));
            number.state = S::Valid;
            number = criteria.answered(number, &reported(Some(2), Some("VALID")), criteria.now);
        }
        assert_eq!(number.state == S::Contested, contested, "{hours:?}");
        assert!(number.replaced_times.len() <= 3);
    }
}

#[test]
fn a_contest_lasts_until_a_person_changes_something() {
    let contested = PhoneNumberStatus {
        state: S::Contested,
        key_fingerprint: Some(fingerprint_text(2)),
        replaced_times: [0, 60, 120].map(|s| Time(at(s))).into(),
        ..valid_number()
    };
    let foreign = reported(Some(2), Some("VALID"));
    for hours in [1, 25, 1000] {
        let criteria = criteria(hours * 3600);
        let number = criteria.answered(criteria.rebase(&contested), &foreign, criteria.now);
        assert_eq!(number.state, S::Contested, "{hours} h later");
        assert_eq!(number.replaced_times.len(), 3);
    }
    let reset_backoff = Criteria { reset_backoff: true, ..criteria(3600) };
    assert_eq!(reset_backoff.answered(reset_backoff.rebase(&contested), &foreign, reset_backoff.now).state, S::Foreign);
    let healed = criteria(3600).answered(contested, &reported(Some(1), Some("VALID")), at(3600));
    assert_eq!(healed.state, S::Valid);
}

#[test]
fn times_at_the_end_of_all_times_do_no_harm() {
    let mut number = PhoneNumberStatus { state: S::Foreign, ..valid_number() };
    number.replaced_times = vec![Time(Timestamp::MAX); 3];
    assert_eq!(criteria(0).answered(number, &reported(Some(2), Some("VALID")), at(0)).state, S::Foreign);
}

#[test]
fn an_upload_that_landed_without_a_signature_waits_ever_longer() {
    let mut number = valid_number();
    number.state = S::Mismatch;
    for (attempt, wait) in [(1, 60), (2, 120), (3, 240)] {
        let upload = accepted(at(0));
        number = criteria(0).uploaded(number, &upload, &answered(Some(1), Some("MISMATCH"), at(0)));
        assert_eq!((number.upload_attempts, criteria(0).upload_allowed_at(&number)), (attempt, at(wait)));
    }
    assert!(number.upload_attempts >= UPLOADS_BEFORE_STALLED);
    let other_key = Criteria { expected: Some(fingerprint(3)), ..criteria(0) };
    assert!(other_key.upload_allowed_at(&other_key.rebase(&number)) < at(0), "a new key starts with no attempts");
}

#[test]
fn an_upload_time_in_the_future_is_taken_as_now_once() {
    let before = PhoneNumberStatus { last_upload_time: time(1_000_000), upload_attempts: 1, ..valid_number() };
    let number = criteria(0).rebase(&before);
    assert_eq!(criteria(0).upload_allowed_at(&number), at(60));
    assert_eq!(
        criteria(30).upload_allowed_at(&criteria(30).rebase(&number)),
        at(60),
        "and does not move on with the clock"
    );
}

#[test]
fn a_number_is_stale_after_three_intervals() {
    let three = 3 * 3600;
    assert!(!criteria(three).is_stale(&valid_number()));
    assert!(criteria(three + 1).is_stale(&valid_number()));
    assert!(!criteria(three + 1).is_stale(&PhoneNumberStatus::default()), "never read is Pending");
}

/// An upload whose number could not be read back may have taken effect.
#[test]
fn uploads_without_answer_that_calls_must_wait_after_are_repeated_ever_more_slowly() {
    let unanswered = Uploaded { answer: UploadAnswer::Failed(error(ErrorClass::Transient)), ..accepted(at(0)) };
    let until = at(60);
    let mut number = PhoneNumberStatus { phone_number_id: "1".into(), ..PhoneNumberStatus::default() };
    let mut waits = Vec::new();
    for _ in 0..6 {
        let missing = criteria(0).answered(number, &reported(None, None), at(0));
        number = criteria(0).uploaded(missing, &unanswered, &Reading::Held { limit: Some(rate_limit()), until });
        assert_eq!((number.upload_attempts, number.last_upload_time.clone()), (0, time(0)));
        assert!(number.error.is_some(), "the limit is reported");
        waits.push(number.next_attempt_time.clone().unwrap().0.duration_since(at(0)).as_secs());
    }
    assert_eq!(waits, [60, 60, 60, 60, 80, 160]);
}

#[test]
fn an_upload_that_could_not_be_read_back_counts_as_landed() {
    let upload = accepted(at(0));
    let number = criteria(0).uploaded(valid_number(), &upload, &failed(ErrorClass::Transient, at(3)));
    assert_eq!((number.upload_attempts, criteria(0).upload_allowed_at(&number)), (1, at(60)));
    let limited = Reading::Held { limit: Some(rate_limit()), until: at(30) };
    let number = criteria(0).uploaded(valid_number(), &upload, &limited);
    assert_eq!((number.upload_attempts, number.failures, number.next_attempt_time), (1, 0, time(30)));
}

/// A request of this leader or of a former one may still take effect after what was read back.
#[test]
fn after_an_upload_that_may_be_crossed_or_whose_answer_was_lost_the_number_is_read_again() {
    let lost = UploadAnswer::Failed(error(ErrorClass::Transient));
    let rows = [
        (accepted(at(0)), None),
        (Uploaded { may_be_crossed: true, ..accepted(at(0)) }, time(60)),
        (Uploaded { answer: lost, ..accepted(at(0)) }, time(60)),
    ];
    for (upload, again) in rows {
        let number = criteria(1).uploaded(valid_number(), &upload, &answered(Some(1), Some("VALID"), at(1)));
        assert_eq!((number.state, number.next_attempt_time), (S::Valid, again), "{upload:?}");
    }
}

#[test]
fn a_key_whose_signature_is_lost_may_be_uploaded_at_once() {
    assert_eq!(criteria(0).upload_allowed_at(&valid_number()), Timestamp::MIN);
}

#[test]
fn what_an_answer_to_an_upload_leaves_open() {
    let [lost, refused] =
        [ErrorClass::Transient, ErrorClass::Permission].map(|class| UploadAnswer::Failed(error(class)));
    let held = UploadAnswer::Held { limit: Some(rate_limit()), until: at(60) };
    let rows =
        [(UploadAnswer::Accepted, false, true), (lost, true, true), (refused, true, false), (held, false, false)];
    for (answer, has_error, may_have_taken_effect) in rows {
        assert_eq!(
            (answer.error().is_some(), answer.may_have_taken_effect()),
            (has_error, may_have_taken_effect),
            "{answer:?}"
        );
    }
}
