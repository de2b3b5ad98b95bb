//! Which uploads an observation calls for.

use super::meta::{Fault, Model};
use super::*;
use crate::number::Ownership;
use crate::upload::UploadReason as Why;

/// The plan of a new reconcile over everything.
fn planned(stage: &Stage, meta: &mut Model) -> Plan {
    plan(&observed(stage, meta))
}

fn observed(stage: &Stage, meta: &mut Model) -> Observation {
    let numbers = stage.resource.spec.phone_number_ids.clone();
    stage.observe(Work { inputs: true, numbers, reset_backoff: false, ..Work::default() }, meta)
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.uploads.iter().map(|upload| upload.phone_number_id.as_str()).collect()
}

#[test]
fn every_kind_of_drift_has_its_reason() {
    let rows = [
        (Some(1), Some("VALID"), None),
        (Some(1), Some("MISMATCH"), Some(Why::SignatureLost)),
        (Some(1), Some("PENDING"), None),
        (Some(0), Some("VALID"), Some(Why::Foreign)),
        (None, None, Some(Why::Missing)),
        (None, Some("MISMATCH"), Some(Why::SignatureLost)),
        (None, Some("PENDING"), None),
        (None, Some("VALID"), None),
    ];
    for (key, status, reason) in rows {
        let (stage, mut meta) = Stage::settled(&["1"]);
        meta.line("1").set(key, status);
        let plan = planned(&stage, &mut meta);
        assert_eq!(plan.uploads.first().map(|upload| upload.reason), reason, "{key:?} {status:?}");
    }
    let mut meta = Model::new(&["1"]);
    meta.line("1").set(None, Some("VALID"));
    let plan = planned(&Stage::new(&["1"]), &mut meta);
    assert_eq!(plan.uploads[0].reason, Why::Unconfirmed, "never uploaded by us");
    meta.line("1").set(None, Some("PENDING"));
    assert_eq!(planned(&Stage::new(&["1"]), &mut meta).uploads, [], "a status that says nothing");
}

#[test]
fn a_rotation_finds_every_number_outdated() {
    let (mut stage, mut meta) = Stage::settled(&["1", "2"]);
    stage.set_key(Ok(key(3)));
    let reconcile = stage.reconcile(&mut meta).unwrap();
    assert!(reconcile.plan.is_canary && reconcile.plan.uploads.iter().all(|upload| upload.reason == Why::Outdated));
    assert_eq!((ids(&reconcile.plan), stage.ready()), (vec!["1", "2"], "AllNumbersValid"));
}

#[test]
fn nothing_is_uploaded_where_it_is_not_allowed() {
    type Row = (&'static str, fn(&mut Stage));
    let rows: [Row; 5] = [
        ("mode Observe", |s| s.edit(|spec| spec.mode = Mode::Observe)),
        ("no key", |s| s.key = Err(because(Reason::SecretNotFound))),
        ("unusable key", |s| s.key = Err(because(Reason::KeyDamaged))),
        ("no token", |s| s.credentials = Err(because(Reason::SecretNotFound))),
        ("suspended", |s| s.edit(|spec| spec.suspend = Some(true))),
    ];
    for (what, change) in rows {
        let (mut stage, mut meta) = Stage::settled(&["1"]);
        meta.line("1").set(None, None);
        change(&mut stage);
        stage.touch("flows-key");
        if let Some(reconcile) = stage.reconcile(&mut meta) {
            assert_eq!(reconcile.plan, Plan::default(), "{what}");
        }
    }
}

#[test]
fn a_number_of_another_resource_is_left_alone() {
    let (stage, mut meta) = Stage::settled(&["1", "2"]);
    meta.line("1").set(None, None);
    meta.line("2").set(None, None);
    for ownership in [Ownership::Other { owner: None }, Ownership::Vacant { until: at(60) }] {
        let mut observation = observed(&stage, &mut meta);
        observation.numbers[0].ownership = ownership;
        assert_eq!(ids(&plan(&observation)), ["2"]);
    }
}

#[test]
fn while_one_number_is_valid_there_is_no_canary() {
    let (stage, mut meta) = Stage::settled(&["1", "2", "3"]);
    meta.line("2").set(None, None);
    meta.line("3").set(Some(1), Some("MISMATCH"));
    let plan = planned(&stage, &mut meta);
    assert_eq!((ids(&plan), plan.is_canary), (vec!["2", "3"], false));
}

#[test]
fn a_key_that_is_not_signed_stays_on_one_number() {
    let ids = ["1", "2", "3"];
    let mut stage = Stage::new(&ids);
    let mut meta = Model::new(&ids);
    for id in ids {
        meta.line(id).is_unsigned = true;
    }
    let reconcile = stage.reconcile(&mut meta).unwrap();
    assert_eq!((reconcile.outcomes.len(), meta.uploads()), (1, 1));
    for _ in 0..200 {
        let Some(next) = stage.advance(&mut meta).unwrap().summary.next else { panic!("given up") };
        assert!(next > stage.now);
    }
    assert!(meta.line("2").uploads.is_empty() && meta.line("3").uploads.is_empty());
    assert_eq!(stage.ready(), "UploadsWithoutEffect");
    meta.line("1").set(Some(1), Some("VALID"));
    meta.line("2").is_unsigned = false;
    meta.line("3").is_unsigned = false;
    stage.request_sync("mended");
    stage.reconcile(&mut meta).unwrap();
    assert_eq!(stage.ready(), "AllNumbersValid");
}

/// All reconciles before that time. They must be few: a reconcile that is due again at once would stop the time.
fn reconciles_before(end: Timestamp, stage: &mut Stage, meta: &mut Model) {
    for _ in 0..100 {
        if stage.next().expect("something will be due") >= end {
            return;
        }
        stage.advance(meta).expect("its time has come");
    }
    panic!("100 reconciles, and it is only {}", stage.now);
}

#[test]
fn the_others_follow_when_the_canary_turns_out_well_later() {
    let mut stage = Stage::new(&["1", "2"]);
    let mut meta = Model::new(&["1", "2"]);
    meta.line("1").is_unsigned = true;
    stage.reconcile(&mut meta).unwrap();
    assert!(meta.line("2").uploads.is_empty());
    meta.line("1").set(Some(1), Some("VALID"));
    stage.advance(&mut meta).unwrap();
    assert_eq!((stage.ready(), stage.now), ("AllNumbersValid", at(60)));
}

/// The canary can no longer be tried: the others must neither be polled nor rush ahead.
#[test]
fn held_numbers_wait_calmly_while_the_canary_is_in_trouble() {
    type Row = (&'static str, fn(&mut meta::Line));
    let rows: [Row; 3] = [
        ("down", |line| line.fault = Some(Fault::Down)),
        ("limited", |line| line.fault = Some(Fault::Limited)),
        ("of unknown status", |line| line.set(Some(1), Some("PENDING"))),
    ];
    for (what, trouble) in rows {
        let mut stage = Stage::new(&["1", "2"]);
        let mut meta = Model::new(&["1", "2"]);
        meta.line("1").is_unsigned = true;
        stage.reconcile(&mut meta).unwrap();
        trouble(meta.line("1"));
        reconciles_before(at(3600), &mut stage, &mut meta);
        assert!(meta.line("2").uploads.is_empty(), "{what}");
    }
}

/// A number that needs a person decides nothing about the key. The key is tried on another number, again alone.
#[test]
fn a_canary_that_is_refused_is_replaced_by_another_one() {
    let mut stage = Stage::new(&["1", "2", "3"]);
    let mut meta = Model::new(&["1", "2", "3"]);
    for id in ["1", "2"] {
        meta.line(id).is_unsigned = true;
    }
    stage.reconcile(&mut meta).unwrap();
    meta.line("1").fault = Some(Fault::Refused);
    reconciles_before(at(3600), &mut stage, &mut meta);
    assert!(!meta.line("2").uploads.is_empty());
    assert!(meta.line("3").uploads.is_empty());
}

/// Meta took the upload and does not show it. Meta may lag, and an unseen key must not go to more numbers.
#[test]
fn an_upload_that_is_taken_and_not_shown_holds_the_others_for_a_while() {
    let mut stage = Stage::new(&["1", "2"]);
    let mut meta = Model::new(&["1", "2"]);
    meta.line("1").fault = Some(Fault::UploadLost);
    stage.reconcile(&mut meta).unwrap();
    reconciles_before(at(60), &mut stage, &mut meta);
    assert!(meta.line("2").uploads.is_empty());
    reconciles_before(at(300), &mut stage, &mut meta);
    assert_eq!(stage.number("2").state, NumberState::Valid, "not for ever");
}

/// Nobody knows whether the first number has the key. As long as that is possible, no other number gets the key.
#[test]
fn an_upload_of_unknown_outcome_that_cannot_be_read_back_holds_the_others_for_a_while() {
    let mut stage = Stage::new(&["1", "2"]);
    let mut meta = Model::new(&["1", "2"]);
    meta.line("1").fault = Some(Fault::Silent);
    stage.reconcile(&mut meta).unwrap();
    assert_eq!(meta.line("1").uploads, [1]);
    meta.line("1").fault = Some(Fault::Down);
    reconciles_before(at(60), &mut stage, &mut meta);
    assert!(meta.line("2").uploads.is_empty());
    reconciles_before(at(600), &mut stage, &mut meta);
    assert_eq!(stage.number("2").state, NumberState::Valid, "not for ever");
}

#[test]
fn one_refused_number_does_not_stop_a_first_upload_to_the_others() {
    for fault in [Fault::Refused, Fault::UploadRefused, Fault::Down] {
        let mut stage = Stage::new(&["1", "2", "3"]);
        let mut meta = Model::new(&["1", "2", "3"]);
        meta.line("1").fault = Some(fault);
        stage.reconcile(&mut meta).unwrap();
        assert_eq!(
            (stage.number("2").state, stage.number("3").state),
            (NumberState::Valid, NumberState::Valid),
            "{fault:?}"
        );
    }
}

/// The gaps between uploads that this fault brings about, in seconds.
fn gaps(fault: Fault, reconciles: usize) -> Vec<i64> {
    let (mut stage, mut meta) = Stage::settled(&["1", "2"]);
    meta.line("1").set(None, None);
    meta.line("1").fault = Some(fault);
    stage.request_sync("look");
    let mut times = Vec::new();
    for _ in 0..reconciles {
        let before = meta.line("1").uploads.len();
        stage.advance(&mut meta).unwrap();
        if meta.line("1").uploads.len() > before {
            times.push(stage.now.as_second());
            meta.line("1").set(None, None);
        }
    }
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn uploads_that_do_not_land_are_repeated_ever_more_slowly() {
    assert_eq!(gaps(Fault::UploadLost, 9)[..7], [5, 10, 20, 40, 80, 160, 300]);
}

#[test]
fn uploads_that_are_refused_are_repeated_ever_more_slowly() {
    assert_eq!(gaps(Fault::UploadRefused, 7)[..4], [300, 600, 1200, 2400]);
}

#[test]
fn uploads_that_cannot_be_read_back_are_repeated_ever_more_slowly() {
    let gaps = gaps(Fault::Unreadable, 40);
    assert!(gaps.len() > 3 && gaps.iter().zip([60, 120, 240]).all(|(gap, least)| *gap >= least), "{gaps:?}");
}
