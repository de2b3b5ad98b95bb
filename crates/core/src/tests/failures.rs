//! The reports of failures that pass by themselves: why, since when, until when, and that they are over.

use super::meta::{Fault, Model};
use super::*;
use crate::api::crd::{FailedCall, NumberError};
use crate::status::number::cause;

/// The call that failed, as the number says.
fn failed_call(stage: &Stage) -> Option<FailedCall> {
    stage.number("1").error.as_ref().and_then(|error| error.call)
}

/// A settled number that has lost its key and cannot get it back.
fn without_key() -> (Stage, Model) {
    let (mut stage, mut meta) = Stage::settled(&["1"]);
    meta.line("1").set(None, None);
    meta.line("1").fault = Some(Fault::UploadFails);
    stage.request_sync("look");
    stage.reconcile(&mut meta).unwrap();
    (stage, meta)
}

/// In a reconcile that reads and does not upload.
fn read(stage: &mut Stage, meta: &mut Model) {
    let work = Work { inputs: true, numbers: vec!["1".into()], reset_backoff: false, ..Work::default() };
    let observation = stage.observe(work, meta);
    stage.sum_up(&observation, Progress::Finished);
}

#[test]
fn why_an_upload_fails_is_reported_until_one_succeeds() {
    let (mut stage, mut meta) = without_key();
    for failures in 1..=4 {
        let number = stage.number("1");
        assert_eq!((number.state, number.failures), (NumberState::Missing, failures));
        assert_eq!(failed_call(&stage), Some(FailedCall::Upload));
        let ready = stage.condition(ConditionType::Ready).unwrap();
        assert_eq!(ready.reason, "KeyMissing");
        let words = "ID 1: The number holds no key; the last upload failed. What Meta said. Next try ";
        assert!(ready.message.contains(words), "{}", ready.message);
        read(&mut stage, &mut meta);
        assert_eq!(failed_call(&stage), Some(FailedCall::Upload), "a good reading says nothing about the upload");
        stage.advance(&mut meta).unwrap();
    }
    meta.line("1").fault = None;
    stage.advance(&mut meta).unwrap();
    assert_eq!((stage.ready(), &stage.number("1").error), ("AllNumbersValid", &None));
}

#[test]
fn why_an_upload_failed_is_no_longer_reported_in_another_state() {
    type Change = fn(&mut Stage, &mut Model);
    let changes: [(&str, NumberState, Change); 4] = [
        ("somebody else put the key there", NumberState::Valid, |_, m| m.line("1").set(Some(1), Some("VALID"))),
        ("somebody else put a key there", NumberState::Foreign, |_, m| m.line("1").set(Some(5), Some("VALID"))),
        ("no upload is wanted any more", NumberState::Missing, |s, _| s.edit(|spec| spec.mode = Mode::Observe)),
        ("the status says nothing", NumberState::Unreported, |_, m| m.line("1").set(None, Some("PENDING"))),
    ];
    for (what, state, change) in changes {
        let (mut stage, mut meta) = without_key();
        change(&mut stage, &mut meta);
        read(&mut stage, &mut meta);
        let number = stage.number("1");
        assert_eq!((number.state, &number.error), (state, &None), "{what}");
        assert!(!number.message.contains("upload failed"), "{what}: {}", number.message);
    }
}

#[test]
fn a_failed_reading_is_reported_in_place_of_the_upload_and_forgotten_with_the_next() {
    let (mut stage, mut meta) = without_key();
    meta.line("1").fault = Some(Fault::Down);
    read(&mut stage, &mut meta);
    assert_eq!(failed_call(&stage), Some(FailedCall::Read));
    meta.line("1").fault = Some(Fault::UploadFails);
    read(&mut stage, &mut meta);
    assert_eq!(stage.number("1").error, None);
    stage.advance(&mut meta).unwrap();
    assert_eq!(failed_call(&stage), Some(FailedCall::Upload));
}

#[test]
fn uploads_that_fail_make_one_event_however_often_they_are_tried() {
    let ids = ["1", "2", "3"];
    let (mut stage, mut meta) = Stage::settled(&ids);
    for id in &ids[1..] {
        meta.line(id).set(None, None);
        meta.line(id).fault = Some(Fault::UploadFails);
    }
    stage.request_sync("look");
    let notes = stage.reconcile(&mut meta).unwrap().summary.notes;
    let failed: Vec<_> = notes.iter().filter(|note| note.reason == "UploadFailed").collect();
    let [note] = failed[..] else { panic!("{notes:?}") };
    assert!(note.is_warning && note.text.contains("phone number IDs 2, 3: What Meta said."), "{note:?}");
    for _ in 0..9 {
        assert_eq!(stage.advance(&mut meta).unwrap().summary.notes, [], "said once");
    }
    meta.lines.values_mut().for_each(|line| line.fault = None);
    let notes = stage.advance(&mut meta).unwrap().summary.notes;
    assert_eq!(notes.iter().map(|note| note.reason).collect::<Vec<_>>(), ["KeyUploaded", "AllNumbersValid"]);
}

#[test]
fn what_meta_refuses_is_reported_once() {
    let (mut stage, mut meta) = Stage::settled(&["1"]);
    meta.line("1").set(None, None);
    meta.line("1").fault = Some(Fault::UploadRefused);
    stage.request_sync("look");
    let notes = stage.reconcile(&mut meta).unwrap().summary.notes;
    assert_eq!(notes.iter().map(|note| note.reason).collect::<Vec<_>>(), ["NumberRefused"]);
}

/// The status stores the times in the message: the message changes only when the status does.
#[test]
fn a_failure_says_what_was_last_known_and_when_it_is_tried_again() {
    let unexplained = |stage: &mut Stage, meta: &mut Model| {
        let work = Work { inputs: true, numbers: vec!["1".into()], reset_backoff: false, ..Work::default() };
        let mut observation = stage.observe(work, meta);
        let failure = GraphError { message: "Meta answers HTTP 503".into(), ..error(ErrorClass::Transient) };
        observation.numbers[0].reading = Reading::Failed { error: failure, at: stage.now };
        stage.sum_up(&observation, Progress::Finished);
    };
    let (mut stage, mut meta) = Stage::settled(&["1"]);
    stage.now += stage.pace();
    unexplained(&mut stage, &mut meta);
    let expected = "Meta answers HTTP 503. Last known: VALID at 2026-09-21 14:13 UTC. Next try 15:1";
    assert!(stage.number("1").message.starts_with(expected), "{}", stage.number("1").message);
    let before = stage.status().clone();
    stage.now += Duration::from_secs(70);
    let nothing = Work { inputs: false, numbers: vec![], reset_backoff: false, ..Work::default() };
    let look = stage.look(nothing);
    stage.sum_up(&look, Progress::Underway);
    assert_eq!(stage.status().phone_numbers, before.phone_numbers, "time alone changes nothing");
    assert_eq!(stage.status().conditions, before.conditions);

    stage.now += 4 * HOUR;
    unexplained(&mut stage, &mut meta);
    let ready = stage.condition(ConditionType::Ready).unwrap();
    assert_eq!(ready.reason, "CheckOverdue");
    let expected = "Phone number ID 1: Meta answers HTTP 503. Last known: VALID at 2026-09-21 14:13 UTC. Next try 19:";
    assert!(ready.message.starts_with(expected), "{}", ready.message);
}

#[test]
fn causes_come_before_the_words_of_meta() {
    let error = |http_status, code, message: &str| NumberError {
        http_status,
        code,
        message: message.into(),
        trace_id: Some("A0".into()),
        ..NumberError::default()
    };
    let table = [
        (error(Some(503), None, "Meta answers HTTP 503"), "Meta answers HTTP 503", None),
        (error(Some(500), Some(2), "Try later."), "Meta answers HTTP 500", Some("Meta: Try later (code 2, trace A0).")),
        (
            error(Some(400), Some(80_007), "Too many calls."),
            "Meta limits the rate of calls",
            Some("Meta: Too many calls (code 80007, trace A0)."),
        ),
        (error(None, None, "no connection to the Graph API"), "No connection to the Graph API", None),
        (error(Some(503), None, ""), "Meta answers HTTP 503", None),
    ];
    for (error, expected, said) in table {
        assert_eq!(cause(&error), (expected.to_owned(), said.map(str::to_owned)), "{error:?}");
    }
    assert!(cause(&error(None, None, &"long ".repeat(99))).0.len() <= 120);
}

#[test]
fn a_new_token_during_a_rate_limit_waits_for_its_end_until_it_was_tried() {
    let (mut stage, mut meta) = Stage::settled(&["1"]);
    stage.touch_token();
    meta.line("1").fault = Some(Fault::Limited);
    stage.reconcile(&mut meta).unwrap();
    let of = |stage: &Stage, kind| {
        let condition = stage.condition(kind).unwrap();
        (condition.status.clone(), condition.reason.clone())
    };
    let pair = |status: &str, reason: &str| (status.to_owned(), reason.to_owned());
    for _ in 0..3 {
        assert_eq!(of(&stage, ConditionType::TokenAccepted), pair("Unknown", "RateLimited"));
        assert_eq!(of(&stage, ConditionType::Ready), pair("False", "RateLimited"));
        stage.advance(&mut meta).unwrap();
    }
    let nothing = Work { inputs: false, numbers: vec![], reset_backoff: false, ..Work::default() };
    let look = stage.look(nothing);
    stage.sum_up(&look, Progress::Finished);
    assert_eq!(of(&stage, ConditionType::Ready), pair("False", "RateLimited"), "nothing new was learnt");
    meta.line("1").fault = Some(Fault::Down);
    stage.advance(&mut meta).unwrap();
    assert_eq!(of(&stage, ConditionType::Ready), pair("Unknown", "NotAsked"), "the limit is over");
    meta.line("1").fault = None;
    stage.advance(&mut meta).unwrap();
    assert_eq!(of(&stage, ConditionType::Ready), pair("True", "AllNumbersValid"));
}
