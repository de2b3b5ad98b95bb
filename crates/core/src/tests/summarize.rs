//! Status, events and time of the next reconcile.

use super::meta::{Fault, Model};
use super::*;
use crate::api::crd::{MAX_CONDITION_MESSAGE, MAX_NUMBER_TEXT, MAX_SHORT_TEXT, NumberError};
use crate::api::text::truncate;
use crate::status::summarize::with_transition_times;

#[test]
fn the_status_shows_everything_of_a_first_reconcile() {
    let (stage, _) = Stage::settled(&["1", "2"]);
    let status = stage.status();
    assert_eq!(status.observed_generation, Some(1));
    assert_eq!(status.public_key.as_deref(), Some(key(1).pem()));
    assert_eq!(status.public_key_fingerprint, Some(fingerprint_text(1)));
    assert_eq!((status.valid.as_deref(), &status.last_check_time), (Some("2/2"), &time(0)));
    assert_eq!(status.next_check_time.as_ref().map(|t| t.0.as_second()), Some((at(0) + stage.pace()).as_second()));
    assert_eq!(status.observed_secrets, stage.secrets);
    let number = PhoneNumberStatus { last_transition_time: time(0), ..valid_number() };
    assert_eq!(status.phone_numbers[0], number);
}

#[test]
fn numbers_stand_in_the_order_of_the_spec_and_go_with_it() {
    let (mut stage, mut meta) = Stage::settled(&["1", "2", "3"]);
    stage.edit(|spec| spec.phone_number_ids = vec!["3".into(), "1".into()]);
    stage.reconcile(&mut meta).unwrap();
    let ids: Vec<_> = stage.status().phone_numbers.iter().map(|number| number.phone_number_id.as_str()).collect();
    assert_eq!((ids, stage.status().valid.as_deref()), (vec!["3", "1"], Some("2/2")));
    assert_eq!(meta.reads(), 6, "nothing was read anew");
}

#[test]
fn a_good_check_moves_nothing_but_its_times() {
    let (mut stage, mut meta) = Stage::settled(&["1"]);
    let before = stage.status().clone();
    stage.now += stage.pace();
    stage.reconcile(&mut meta).unwrap();
    let mut after = stage.status().clone();
    after.last_check_time.clone_from(&before.last_check_time);
    after.last_successful_check_time.clone_from(&before.last_successful_check_time);
    after.next_check_time.clone_from(&before.next_check_time);
    after.phone_numbers[0].last_read_time.clone_from(&before.phone_numbers[0].last_read_time);
    assert_eq!(after, before);
}

#[test]
fn the_last_five_keys_are_remembered_each_once() {
    let (mut stage, mut meta) = Stage::settled(&["1"]);
    let mut rotate = |to: usize| {
        stage.set_key(Ok(key(to)));
        stage.reconcile(&mut meta).unwrap();
        let previous = stage.status().previous_fingerprints.iter();
        previous.map(|text| (0..10).find(|n| fingerprint_text(*n) == *text).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(rotate(2), [1]);
    assert_eq!(rotate(1), [2], "back: the key of today is no earlier one");
    assert_eq!(rotate(2), [1]);
    assert_eq!(rotate(3), [2, 1]);
    (4..7).for_each(|n| drop(rotate(n)));
    assert_eq!(rotate(7), [6, 5, 4, 3, 2]);
    assert_eq!(rotate(4), [7, 6, 5, 3, 2]);
}

#[test]
fn many_numbers_in_the_same_trouble_are_one_event() {
    let ids: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut stage = Stage::new(&ids);
    let mut meta = Model::new(&ids);
    let notes = stage.reconcile(&mut meta).unwrap().summary.notes;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        !notes[0].is_warning && notes[0].text.ends_with("phone number IDs 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 90 more."),
        "{notes:?}"
    );
    meta.lines.values_mut().for_each(|line| line.fault = Some(Fault::Refused));
    stage.now += stage.pace();
    let notes = stage.reconcile(&mut meta).unwrap().summary.notes;
    assert_eq!((notes.len(), notes[0].reason, notes[0].is_warning), (1, "NumberRefused", true));
    stage.now += HOUR;
    assert_eq!(stage.reconcile(&mut meta).unwrap().summary.notes, [], "said once");
}

#[test]
fn each_kind_of_upload_has_its_event() {
    type Row = (fn(&mut Stage, &mut Model), &'static str, bool);
    let rows: [Row; 4] = [
        (|_, m| m.line("1").set(None, None), "KeyUploaded", false),
        (|_, m| m.line("1").set(Some(1), Some("MISMATCH")), "SignatureRestored", false),
        (|_, m| m.line("1").set(Some(5), Some("VALID")), "ForeignKeyReplaced", true),
        (|s, _| s.set_key(Ok(key(2))), "KeyRotated", false),
    ];
    for (change, reason, is_warning) in rows {
        let (mut stage, mut meta) = Stage::settled(&["1"]);
        stage.now += stage.pace();
        change(&mut stage, &mut meta);
        let notes = stage.reconcile(&mut meta).unwrap().summary.notes;
        assert_eq!(notes.iter().map(|n| (n.reason, n.is_warning)).collect::<Vec<_>>(), [(reason, is_warning)]);
    }
}

#[test]
fn a_suspended_status_stays_as_it_was() {
    let (mut stage, mut meta) = Stage::settled(&["1"]);
    let before = stage.status().clone();
    stage.edit(|spec| spec.suspend = Some(true));
    stage.reconcile(&mut meta).unwrap();
    let mut after = stage.status().clone();
    assert_eq!((after.observed_generation, &after.next_check_time), (Some(2), &None));
    assert_eq!(after.suspended_since.take(), time(0), "which is all that is new");
    after.observed_generation = before.observed_generation;
    after.next_check_time.clone_from(&before.next_check_time);
    for (after, before) in after.conditions.iter_mut().zip(&before.conditions) {
        after.observed_generation = before.observed_generation;
    }
    assert_eq!(after, before);
}

/// The message about a number does not depend on which of its calls met the limit.
#[test]
fn a_rate_limit_that_an_upload_meets_is_shown() {
    let mut stage = Stage::new(&["1"]);
    let mut meta = Model::new(&["1"]);
    meta.line("1").fault = Some(Fault::UploadLimited);
    stage.reconcile(&mut meta).unwrap();
    let number = stage.number("1");
    assert_eq!((number.state, &number.next_attempt_time), (NumberState::Missing, &time(60)));
    assert_eq!(number.error.as_ref().and_then(|error| error.code), rate_limit().code);
}

#[test]
fn a_refusal_that_an_upload_meets_is_the_tokens() {
    let mut stage = Stage::new(&["1"]);
    let mut meta = Model::new(&["1"]);
    let reconcile = stage.read(stage.work(), &mut meta);
    meta.refuses_token = true;
    stage.finish(reconcile, &mut meta);
    let accepted = stage.condition(ConditionType::TokenAccepted).unwrap();
    assert_eq!((accepted.status.as_str(), accepted.reason.as_str()), ("False", "TokenRefused"));
}

#[test]
fn a_key_is_dated_from_when_it_was_first_seen() {
    let (mut stage, mut meta) = Stage::settled(&["1"]);
    assert_eq!(stage.status().public_key_since, time(0));
    stage = stage.after(HOUR * 2);
    stage.reconcile(&mut meta).unwrap();
    assert_eq!(stage.status().public_key_since, time(0));
    stage.set_key(Ok(key(2)));
    stage.reconcile(&mut meta).unwrap();
    assert_eq!(stage.status().public_key_since, time(7200));
}

#[test]
fn a_number_waits_for_its_next_upload_and_is_checked_meanwhile() {
    let (mut stage, mut meta) = Stage::settled(&["1", "2"]);
    meta.line("2").set(None, None);
    meta.line("2").is_unsigned = true;
    for _ in 0..60 {
        stage.advance(&mut meta).unwrap();
        let number = stage.number("2");
        assert!(matches!(number.state, NumberState::Valid | NumberState::Mismatch), "{number:?}");
    }
    assert!(stage.number("2").upload_attempts > 8);
}

#[test]
fn a_reconcile_is_finished_if_it_may_go_on_or_nothing_is_left_to_do() {
    let mut stage = Stage::new(&["1"]);
    let mut meta = Model::new(&["1"]);
    let work = stage.work();
    let unread = stage.look(work.clone());
    let reconcile = stage.read(work, &mut meta);
    let read = Observation::clone(reconcile.observation());
    let Reconciled { plan: planned, outcomes, .. } = stage.finish(reconcile, &mut meta);
    for (observation, planned, outcomes, expected) in [
        (&read, &planned, outcomes.as_slice(), Progress::Finished),
        (&read, &planned, &[], Progress::Underway),
        (&unread, &Plan::default(), &[], Progress::Underway),
    ] {
        assert_eq!(Progress::of(false, observation, planned, outcomes), expected);
        assert_eq!(Progress::of(true, observation, planned, outcomes), Progress::Finished);
    }
}

#[test]
fn a_reconcile_that_did_not_ask_meta_is_no_check() {
    let mut stage = Stage::new(&["1"]);
    stage.key = Err(because(Reason::SecretNotFound));
    stage.reconcile(&mut Model::new(&["1"])).unwrap();
    assert_eq!(stage.status().last_check_time, None);
}

#[test]
fn a_state_dates_from_the_end_of_its_reconcile() {
    let stage = Stage::new(&["1"]);
    let observation = stage.observe(stage.work(), &mut Model::new(&["1"]));
    let status = summarize(&observation, &[], Progress::Underway, at(5)).status;
    assert_eq!(status.phone_numbers[0].last_transition_time, time(5));
}

/// One reconcile writes more than one status. A state follows upon the last one that people saw.
#[test]
fn a_state_dates_from_when_it_was_first_shown() {
    use NumberState::{Missing, Outdated, Valid};
    let status = |state, since| FlowsEncryptionKeyStatus {
        phone_numbers: vec![PhoneNumberStatus { state, last_transition_time: since, ..valid_number() }],
        ..FlowsEncryptionKeyStatus::default()
    };
    let cases = [
        ("it stays as a checkpoint showed it", Some(status(Missing, time(5))), status(Missing, time(9)), time(5)),
        ("it is again what it was at the start", Some(status(Outdated, time(5))), status(Valid, time(0)), time(9)),
        ("it changes", Some(status(Valid, time(0))), status(Missing, time(9)), time(9)),
        ("nobody noted when", Some(status(Valid, None)), status(Valid, time(9)), time(9)),
        ("it is new", Some(FlowsEncryptionKeyStatus::default()), status(Valid, time(9)), time(9)),
        ("all is new", None, status(Valid, time(9)), time(9)),
    ];
    for (what, shown, mut next, expected) in cases {
        with_transition_times(shown.as_ref(), &mut next, at(9));
        assert_eq!(next.phone_numbers[0].last_transition_time, expected, "{what}");
    }
}

#[test]
fn no_upload_is_scheduled_where_none_may_be_made() {
    let changes: [fn(&mut Stage); 2] = [
        |stage| stage.set_key(Err(because(Reason::SecretNotFound))),
        |stage| stage.edit(|spec| spec.mode = Mode::Observe),
    ];
    for change in changes {
        let (mut stage, mut meta) = Stage::settled(&["1"]);
        change(&mut stage);
        stage.reconcile(&mut meta).unwrap();
        meta.line("1").set(None, None);
        stage.request_sync("look");
        stage.reconcile(&mut meta).unwrap();
        let number = stage.number("1");
        assert_eq!((number.state, &number.next_attempt_time), (NumberState::Missing, &None));
    }
}

/// Each number that has the key waits as long as its own uploads ask for.
#[test]
fn two_canaries_do_not_wait_for_each_other() {
    let (mut stage, mut meta) = Stage::settled(&["1", "2"]);
    stage.now += stage.pace();
    let uploaded = Timestamp::from_second(stage.now.as_second() - 10).unwrap();
    for (number, attempts) in stage.resource.status.as_mut().unwrap().phone_numbers.iter_mut().zip([1, 3]) {
        meta.line(&number.phone_number_id).set(Some(1), Some("MISMATCH"));
        (number.last_upload_time, number.upload_attempts) = (Some(Time(uploaded)), attempts);
    }
    stage.reconcile(&mut meta).unwrap();
    let next = |id: &str| stage.number(id).next_attempt_time.as_ref().map(|time| time.0);
    assert_eq!([next("1"), next("2")], [Some(uploaded + MINUTE), Some(uploaded + MINUTE * 4)]);
}

#[test]
fn a_number_is_given_up_by_whoever_may_not_or_cannot_keep_it_and_not_because_meta_is_away() {
    type Change = fn(&mut Stage, &mut Model);
    let changes: [(&str, Option<Time>, Change); 5] = [
        ("a check", time(0), |_, _| {}),
        ("Meta is away", time(0), |_, meta| meta.line("1").fault = Some(Fault::Down)),
        ("Meta refuses the number", None, |_, meta| meta.line("1").fault = Some(Fault::Refused)),
        ("mode Observe", None, |stage, _| stage.edit(|spec| spec.mode = Mode::Observe)),
        ("no key", None, |stage, _| stage.set_key(Err(because(Reason::SecretNotFound)))),
    ];
    for (what, expected, change) in changes {
        let (mut stage, mut meta) = Stage::settled(&["1"]);
        stage.now += HOUR * 4;
        change(&mut stage, &mut meta);
        stage.reconcile(&mut meta).unwrap();
        assert_eq!(stage.number("1").owned_since, expected, "{what}");
    }
}

#[test]
fn a_new_state_has_the_time_of_its_beginning() {
    let (mut stage, mut meta) = Stage::settled(&["1"]);
    meta.line("1").fault = Some(Fault::Refused);
    stage.now += HOUR * 4;
    stage.reconcile(&mut meta).unwrap();
    let number = stage.number("1");
    assert_eq!((number.state, &number.last_transition_time), (NumberState::Refused, &time(4 * 3600)));
}

/// The largest status of a resource of 500 numbers, in bytes of the JSON that the API server stores.
fn size_of_worst_status(c: char) -> usize {
    let ids: Vec<String> = (0..500).map(|n| format!("{n:020}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut stage = Stage::new(&ids);
    let text = c.to_string().repeat(2000);
    stage.request_sync(&text);
    let failure = GraphError {
        subcode: Some(i64::MIN),
        kind: Some(truncate(&text, MAX_SHORT_TEXT)),
        message: truncate(&text, MAX_NUMBER_TEXT),
        trace_id: Some(truncate(&text, MAX_SHORT_TEXT)),
        code: Some(i64::MIN),
        ..error(ErrorClass::Invalid)
    };
    let mut observation = stage.observe(stage.work(), &mut Model::new(&ids));
    for number in &mut observation.numbers {
        let times = || time(0);
        number.before = PhoneNumberStatus {
            phone_number_id: number.before.phone_number_id.clone(),
            signature_status: Some(truncate(&text, MAX_SHORT_TEXT)),
            replaced_times: vec![Time(at(0)); 3],
            message: truncate(&text, MAX_NUMBER_TEXT),
            failures: i32::MAX,
            upload_attempts: i32::MAX,
            error: Some(NumberError::default()),
            last_upload_time: times(),
            last_read_time: times(),
            owned_since: times(),
            ..valid_number()
        };
        number.reading = Reading::Failed { error: failure.clone(), at: at(0) };
    }
    let status = summarize(&observation, &[], Progress::Finished, at(0)).status;
    assert!(status.conditions.iter().all(|condition| condition.message.len() <= MAX_CONDITION_MESSAGE));
    // As Go writes it: also what is special in HTML is escaped.
    let json = serde_json::to_string(&status).unwrap();
    json.chars().map(|c| if matches!(c, '<' | '>' | '&' | '\u{2028}') { 6 } else { c.len_utf8() }).sum()
}

#[test]
fn no_text_of_meta_makes_a_status_too_large() {
    for c in ['a', 'é', '日', '😀', '"', '\\', '\n', '\u{1}', '\u{7f}', '<', '\u{2028}'] {
        let size = size_of_worst_status(c);
        assert!(size < 1 << 20, "{c:?}: {size} bytes");
    }
}
