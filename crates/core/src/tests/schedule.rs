//! When something is due.

use proptest::prelude::*;

use super::*;
use crate::schedule::due::sync_request;

const NOTHING: &[&str] = &[];

fn work(inputs: bool, numbers: &[&str], reset_backoff: bool) -> Schedule {
    Schedule::Now(Work {
        inputs,
        numbers: numbers.iter().map(ToString::to_string).collect(),
        reset_backoff,
        ..Work::default()
    })
}

fn seconds(waits: impl Fn(i32) -> Duration, attempts: std::ops::RangeInclusive<i32>) -> Vec<u64> {
    attempts.map(|n| waits(n).as_secs()).collect()
}

#[test]
fn waits_double_up_to_their_bound() {
    let waits = Waits::default();
    assert_eq!(seconds(|n| waits.after_failure(n), 1..=8), [5, 10, 20, 40, 80, 160, 300, 300]);
    assert_eq!(seconds(|n| waits.after_outage(n), 1..=6), [5, 10, 20, 40, 60, 60]);
    assert_eq!(seconds(|n| waits.after_refusal(n), 1..=6), [300, 600, 1200, 2400, 3600, 3600]);
    let uploads = [60, 120, 240, 480, 960, 1920, 3840, 7680, 15_360, 21_600, 21_600];
    assert_eq!(seconds(|n| waits.after_upload(n), 1..=11), uploads);
    assert_eq!(seconds(|n| waits.after_upload(n), i32::MAX..=i32::MAX), [21_600]);
    assert_eq!(seconds(|n| waits.after_failure(n), -1..=0), [5, 5], "a count that cannot be is the first");
    assert_eq!(Waits::scaled(0.1).after_failure(1), Duration::from_millis(500));
}

#[test]
fn waits_that_do_not_grow_are_as_documented() {
    let waits = Waits::default();
    assert_eq!((waits.before_takeover(), waits.after_unknown_outcome()), (MINUTE, MINUTE));
    assert_eq!(waits.passphrase_grace(), Duration::from_secs(2));
    assert_eq!(waits.read_back().map(|wait| wait.as_millis()).collect::<Vec<_>>(), [0, 250, 750, 2000]);
}

proptest! {
    #[test]
    fn jitter_is_stable_and_below_a_tenth(uid in ".{0,40}", interval in 1u64..1_000_000) {
        let interval = Duration::from_secs(interval);
        prop_assert!(jitter(&uid, interval) < interval / 10);
        prop_assert_eq!(jitter(&uid, interval), jitter(&uid, interval));
    }
}

/// It is the same in every process and every version: a tenth of an hour, times 15033 (the first two bytes of
/// `printf 3f1c | sha256sum`), by 65536.
#[test]
fn jitter_is_a_share_that_the_uid_alone_decides() {
    assert_eq!(jitter("3f1c", HOUR), Duration::new(82, 578_735_351));
}

#[test]
fn jitter_spreads_resources_out() {
    let jitters: std::collections::BTreeSet<_> =
        (0..100).map(|n| jitter(&format!("uid-{n}"), HOUR).as_secs()).collect();
    assert!(jitters.len() > 60, "{jitters:?}");
}

#[test]
fn the_check_interval_is_at_least_a_minute_and_at_most_thirty_days() {
    let mut spec = Stage::new(&["1"]).resource.spec;
    let rows = [
        ("1h30m", Duration::from_secs(5400)),
        ("1s", MINUTE),
        ("720h", 720 * HOUR),
        ("999999h999999h", 720 * HOUR),
        ("99999999h", 720 * HOUR),
        ("soon", Duration::from_secs(7)),
    ];
    for (text, interval) in rows {
        spec.check_interval = Some(text.into());
        assert_eq!(spec.check_interval_or(Duration::from_secs(7)), interval, "{text}");
    }
}

#[test]
fn a_new_resource_is_due_with_everything() {
    assert_eq!(Stage::new(&["1", "2"]).due(), work(true, &["1", "2"], true));
}

#[test]
fn in_a_steady_state_nothing_is_due_before_the_check() {
    let (stage, _) = Stage::settled(&["1", "2"]);
    let check = at(0) + stage.pace();
    assert_eq!(stage.due(), Schedule::Later(Some(check)));
    let almost = stage.pace() - Duration::from_secs(1);
    assert_eq!(stage.clone().after(almost).due(), Schedule::Later(Some(check)));
    let pace = stage.pace();
    assert_eq!(stage.after(pace).due(), work(true, &["1", "2"], false));
}

/// Something that changes, and what is due then for the numbers 1 and 2.
type Trigger = (&'static str, fn(&mut Stage), Schedule);

#[test]
fn every_change_is_due_at_once_with_the_numbers_it_concerns() {
    let all = &["1", "2"];
    let rows: Vec<Trigger> = vec![
        (
            "the interval: nothing to read",
            |s| s.edit(|spec| spec.check_interval = Some("2h".into())),
            work(false, NOTHING, false),
        ),
        ("the mode", |s| s.edit(|spec| spec.mode = Mode::Observe), work(true, all, true)),
        ("another Secret", |s| s.edit(|spec| spec.access_token_secret_ref.name = "x".into()), work(true, all, true)),
        ("the order of the numbers", |s| s.edit(|spec| spec.phone_number_ids.reverse()), work(false, NOTHING, false)),
        ("a new number", |s| s.edit(|spec| spec.phone_number_ids.push("3".into())), work(true, &["3"], false)),
        ("a number less", |s| s.edit(|spec| drop(spec.phone_number_ids.pop())), work(false, NOTHING, false)),
        ("a request", |s| s.request_sync("now"), work(true, all, true)),
        ("a Secret's version", |s| s.touch("meta-token"), work(true, all, false)),
        ("a Secret gone", |s| drop(s.secrets.pop()), work(true, all, false)),
        ("a Secret recreated", |s| s.secrets[0].uid = "other".into(), work(true, all, false)),
    ];
    for (what, change, expected) in rows {
        let (mut stage, _) = Stage::settled(all);
        change(&mut stage);
        assert_eq!(stage.due(), expected, "{what}");
    }
}

#[test]
fn a_change_is_due_once() {
    let (mut stage, mut meta) = Stage::settled(&["1"]);
    let changes: [fn(&mut Stage); 4] = [
        |s| s.request_sync("a"),
        |s| s.request_sync(&"é".repeat(99)),
        |s| s.touch("meta-token"),
        |s| s.edit(|spec| spec.mode = Mode::Observe),
    ];
    for change in changes {
        change(&mut stage);
        assert!(stage.reconcile(&mut meta).is_some());
        assert!(matches!(stage.due(), Schedule::Later(Some(_))));
    }
    assert!(sync_request(&stage.resource).is_some_and(|echo| echo.len() <= crate::api::crd::MAX_SHORT_TEXT));
}

#[test]
fn a_request_that_is_withdrawn_asks_for_nothing() {
    let (mut stage, mut meta) = Stage::settled(&["1"]);
    stage.request_sync("a");
    stage.reconcile(&mut meta).unwrap();
    stage.resource.metadata.annotations = None;
    assert!(matches!(stage.due(), Schedule::Later(_)));
}

#[test]
fn a_retry_concerns_its_number_and_those_almost_due() {
    let (mut stage, _) = Stage::settled(&["1", "2", "3"]);
    let pace = stage.pace();
    let numbers = &mut stage.resource.status.as_mut().unwrap().phone_numbers;
    numbers[0].next_attempt_time = Some(Time(at(0) + pace - MINUTE));
    numbers[2].next_attempt_time = Some(Time(at(0) + pace));
    assert_eq!(stage.due(), Schedule::Later(Some(at(0) + pace - MINUTE)));
    assert_eq!(stage.clone().after(pace - MINUTE).due(), work(true, &["1", "2"], false), "3 waits for its own time");
    stage.resource.status.as_mut().unwrap().phone_numbers[0].next_attempt_time = time(60);
    assert_eq!(stage.after(MINUTE).due(), work(true, &["1"], false));
}

#[test]
fn a_stored_time_in_the_future_delays_a_check_by_no_more_than_one_interval() {
    let year = Duration::from_secs(365 * 24 * 3600);
    let (mut stage, mut meta) = Stage::settled(&["1"]);
    stage.resource.status.as_mut().unwrap().phone_numbers[0].last_read_time = Some(Time(at(0) + year));
    for _ in 0..2 {
        match stage.due() {
            Schedule::Later(Some(next)) => {
                assert!(next <= stage.now + stage.pace());
                stage.now = next;
            }
            Schedule::Later(None) => panic!("never looked at again"),
            Schedule::Now(_) => break,
        }
    }
    stage.reconcile(&mut meta).expect("due by now");
    assert_eq!(stage.number("1").last_read_time, Some(Time(stage.now)));
}

#[test]
fn a_stored_wait_of_more_than_a_day_is_not_believed() {
    let (mut stage, _) = Stage::settled(&["1"]);
    stage.interval = 12 * HOUR;
    let day = 24 * HOUR;
    let number = |stage: &mut Stage, wait| {
        stage.resource.status.as_mut().unwrap().phone_numbers[0].next_attempt_time = Some(Time(at(0) + wait));
    };
    number(&mut stage, day + MINUTE);
    assert_eq!(stage.due(), Schedule::Later(Some(at(0) + stage.pace())));
    number(&mut stage, day);
    assert_eq!(stage.due(), Schedule::Later(Some(at(0) + day)));
}

#[test]
fn missing_inputs_are_waited_for_and_not_polled() {
    for reason in [Reason::SecretNotFound, Reason::SecretKeyNotFound, Reason::KeyDamaged, Reason::PassphraseMissing] {
        let mut stage = Stage::new(&["1"]);
        stage.key = Err(because(reason));
        let reconcile = stage.reconcile(&mut meta::Model::new(&["1"])).unwrap();
        assert_eq!(
            (reconcile.summary.next, stage.clone().after(24 * HOUR).due()),
            (None, Schedule::Later(None)),
            "{reason:?}"
        );
        stage.set_key(Ok(key(1)));
        assert_eq!(stage.due(), work(true, &["1"], false), "it has come");
    }
    for reason in [Reason::SecretNotFound, Reason::SecretKeyNotFound, Reason::CredentialMalformed] {
        let (mut stage, mut meta) = Stage::settled(&["1"]);
        stage.credentials = Err(because(reason));
        stage.touch("meta-token");
        assert_eq!(stage.reconcile(&mut meta).unwrap().summary.next, None, "{reason:?}");
    }
}

#[test]
fn a_forbidden_secret_is_tried_again_slowly() {
    for break_it in [(|s| s.key = Err(because(Reason::SecretForbidden))) as fn(&mut Stage), |s| {
        s.credentials = Err(because(Reason::SecretForbidden))
    }] {
        let mut stage = Stage::new(&["1"]);
        break_it(&mut stage);
        let mut meta = meta::Model::new(&["1"]);
        assert_eq!(stage.reconcile(&mut meta).unwrap().summary.next, Some(at(300)));
        stage.now = at(300);
        assert_eq!(stage.due(), work(true, &["1"], false));
    }
}

#[test]
fn without_its_key_a_resource_that_had_one_goes_on_reading() {
    let (mut stage, mut meta) = Stage::settled(&["1"]);
    stage.set_key(Err(because(Reason::SecretNotFound)));
    let reconcile = stage.reconcile(&mut meta).unwrap();
    assert_eq!(reconcile.summary.next, Some(at(0) + stage.pace()));
    meta.line("1").set(None, None);
    let mut stage = stage.clone().after(stage.pace());
    let reconcile = stage.reconcile(&mut meta).unwrap();
    assert_eq!((stage.number("1").state, reconcile.plan), (NumberState::Missing, Plan::default()));
}

#[test]
fn a_rejected_passphrase_is_tried_once_more_after_two_seconds() {
    let mut stage = Stage::new(&["1"]);
    let mut meta = meta::Model::new(&["1"]);
    stage.key = Err(because(Reason::PassphraseRejected));
    let first = stage.reconcile(&mut meta).unwrap().summary;
    assert_eq!((first.next, first.notes.as_slice()), (Some(at(2)), &[][..]), "no event before the second try");
    assert_eq!((stage.ready(), stage.condition(ConditionType::Stalled)), ("PassphraseRejected", None));
    stage.now = at(2);
    let second = stage.reconcile(&mut meta).unwrap().summary;
    assert_eq!((second.next, second.notes.len(), second.notes[0].reason), (None, 1, "PassphraseWrong"));
    assert_eq!((stage.ready(), stage.condition(ConditionType::Stalled).is_some()), ("PassphraseWrong", true));
    stage.touch("flows-key");
    stage.reconcile(&mut meta).unwrap();
    assert_eq!(stage.ready(), "PassphraseRejected", "another Secret is another try");
}

#[test]
fn nothing_is_due_for_a_suspended_resource_but_to_say_so_once() {
    let (mut stage, mut meta) = Stage::settled(&["1"]);
    stage.edit(|spec| spec.suspend = Some(true));
    assert_eq!(stage.due(), work(false, NOTHING, false));
    assert_eq!(stage.reconcile(&mut meta).unwrap().summary.next, None);
    stage.request_sync("now");
    stage.touch("meta-token");
    stage.now += 100 * HOUR;
    assert_eq!(stage.due(), Schedule::Later(None));
    stage.edit(|spec| spec.suspend = None);
    assert_eq!(stage.due(), work(true, &["1"], true), "what came meanwhile counts");
}

#[test]
fn a_suspended_resource_with_a_rejected_passphrase_has_no_next_reconcile() {
    let mut stage = Stage::new(&["1"]);
    let mut meta = meta::Model::new(&["1"]);
    stage.key = Err(because(Reason::PassphraseRejected));
    stage.reconcile(&mut meta).unwrap();
    stage.edit(|spec| spec.suspend = Some(true));
    assert_eq!(stage.reconcile(&mut meta).unwrap().summary.next, None);
}
