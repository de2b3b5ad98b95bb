//! The table of situations and what the conditions say in each.

use super::meta::{Fault, Model};
use super::*;
use crate::api::crd::NumberError;
use crate::number::Ownership;

/// Ready, the condition beside it, its reason, and words of its message.
type Row = (&'static str, fn() -> Stage, [&'static str; 3], &'static [&'static str]);

fn after_reconcile(mut stage: Stage, mut meta: Model) -> Stage {
    stage.reconcile(&mut meta).expect("a reconcile is due");
    stage
}

fn new(prepare: impl FnOnce(&mut Stage, &mut Model)) -> Stage {
    let (mut stage, mut meta) = (Stage::new(&["1", "2"]), Model::new(&["1", "2"]));
    prepare(&mut stage, &mut meta);
    after_reconcile(stage, meta)
}

/// What a settled resource says at its next check.
fn checked(prepare: impl FnOnce(&mut Stage, &mut Model)) -> Stage {
    let (mut stage, mut meta) = Stage::settled(&["1", "2"]);
    stage.now += stage.pace();
    prepare(&mut stage, &mut meta);
    after_reconcile(stage, meta)
}

/// After many reconciles.
fn worn(prepare: impl FnOnce(&mut Stage, &mut Model)) -> Stage {
    let (mut stage, mut meta) = Stage::settled(&["1", "2"]);
    prepare(&mut stage, &mut meta);
    for _ in 0..20 {
        stage.advance(&mut meta);
    }
    stage
}

/// Another resource with the same key has the first number, for that long.
fn conflict(owner: Option<&str>, lasts: Duration) -> Stage {
    let (mut stage, mut meta) = Stage::settled(&["1", "2"]);
    for wait in [Duration::ZERO, lasts] {
        stage = stage.after(wait);
        let work = Work { inputs: true, numbers: vec!["1".into()], reset_backoff: false, ..Work::default() };
        let mut observation = stage.observe(work, &mut meta);
        observation.numbers[0].ownership = Ownership::Other { owner: owner.map(str::to_owned) };
        stage.sum_up(&observation, Progress::Finished);
    }
    stage
}

fn underway(mut stage: Stage, mut meta: Model) -> Stage {
    let observation = stage.observe(stage.work(), &mut meta);
    stage.sum_up(&observation, Progress::Underway);
    stage
}

fn all(meta: &mut Model, change: impl Fn(&mut meta::Line)) {
    meta.lines.values_mut().for_each(change);
}

const WAITING: &str = "Reconciling";
const STALLED: &str = "Stalled";

#[test]
fn every_situation_has_its_conditions() {
    let rows: Vec<Row> = vec![
        ("all is well", || new(|_, _| {}), ["True", "", "AllNumbersValid"], &["All 2 numbers"]),
        ("all of one is well", || Stage::settled(&["1"]).0, ["True", "", "AllNumbersValid"], &["The number holds"]),
        (
            "new, under way",
            || underway(Stage::new(&["1"]), Model::new(&["1"])),
            ["Unknown", WAITING, "RollingOut"],
            &["0 of 1"],
        ),
        (
            "changed, under way",
            || {
                let (mut s, m) = Stage::settled(&["1"]);
                s.edit(|spec| spec.mode = Mode::Observe);
                underway(s, m)
            },
            ["Unknown", WAITING, "Progressing"],
            &["1 of 1"],
        ),
        (
            "a new key on its way",
            || {
                let (mut s, m) = Stage::settled(&["1"]);
                s.set_key(Ok(key(3)));
                underway(s, m)
            },
            ["Unknown", WAITING, "RollingOut"],
            &["0 of 1"],
        ),
        (
            "another token, and Meta cannot be asked",
            || {
                checked(|s, m| {
                    s.touch("meta-token");
                    all(m, |l| l.fault = Some(Fault::Down));
                })
            },
            ["Unknown", WAITING, "NotAsked"],
            &["not asked"],
        ),
        (
            "another reference to a token during a rate limit",
            || {
                checked(|s, m| {
                    s.edit(|spec| spec.access_token_secret_ref.key = "token-2".into());
                    all(m, |l| l.fault = Some(Fault::Limited));
                })
            },
            ["False", WAITING, "RateLimited"],
            &["the access token is tried at", " UTC", "Meta: what Meta said (code 130429, trace trace)"],
        ),
        (
            "the key's Secret was touched, and Meta cannot be asked",
            || {
                checked(|s, m| {
                    s.touch("flows-key");
                    all(m, |l| l.fault = Some(Fault::Down));
                })
            },
            ["True", "", "AllNumbersValid"],
            &[],
        ),
        (
            "no key Secret yet",
            || new(|s, _| s.key = Err(because(Reason::SecretNotFound))),
            ["False", WAITING, "SecretNotFound"],
            &["messaging/flows-key"],
        ),
        (
            "no token Secret yet",
            || new(|s, _| s.credentials = Err(because(Reason::SecretKeyNotFound))),
            ["False", WAITING, "SecretKeyNotFound"],
            &[],
        ),
        (
            "limited at first",
            || new(|_, m| all(m, |l| l.fault = Some(Fault::Limited))),
            ["False", WAITING, "RateLimited"],
            &["IDs 1, 2:", "Meta said"],
        ),
        (
            "unreachable at first",
            || new(|_, m| all(m, |l| l.fault = Some(Fault::Down))),
            ["False", WAITING, "GraphUnreachable"],
            &["IDs 1, 2:", "Meta said"],
        ),
        (
            "drift that may heal: missing",
            || {
                checked(|_, m| {
                    m.line("2").set(None, None);
                    m.line("2").fault = Some(Fault::UploadLost);
                })
            },
            ["False", WAITING, "KeyMissing"],
            &["ID 2:", "will be uploaded"],
        ),
        (
            "drift that an upload would heal, which fails",
            || {
                checked(|_, m| {
                    m.line("2").set(None, None);
                    m.line("2").fault = Some(Fault::UploadFails);
                })
            },
            ["False", WAITING, "KeyMissing"],
            &["ID 2: The number holds no key; the last upload failed. What Meta said. Next try "],
        ),
        (
            "never had a key, which some answers show as a lost signature",
            || {
                new(|s, m| {
                    s.resource.spec.mode = Mode::Observe;
                    m.line("1").set(Some(1), Some("VALID"));
                    m.line("2").set(None, Some("MISMATCH"));
                })
            },
            ["False", STALLED, "DriftObserved"],
            &["ID 2: The number holds no key"],
        ),
        (
            "drift that may heal: signature",
            || {
                checked(|_, m| {
                    m.line("2").set(Some(1), Some("MISMATCH"));
                    m.line("2").is_unsigned = true;
                })
            },
            ["False", WAITING, "SignatureLost"],
            &["ID 2:", "will be uploaded"],
        ),
        (
            "unknown status",
            || checked(|_, m| m.line("2").set(Some(1), Some("PENDING"))),
            ["False", WAITING, "StatusUnknown"],
            &["ID 2:", "PENDING"],
        ),
        (
            "three landed attempts",
            || {
                worn(|_, m| {
                    m.line("2").set(None, None);
                    m.line("2").is_unsigned = true;
                })
            },
            ["False", STALLED, "UploadsWithoutEffect"],
            &["ID 2:", "registered"],
        ),
        (
            "unusable key",
            || new(|s, _| s.key = Err(because(Reason::KeyDamaged))),
            ["False", STALLED, "KeyDamaged"],
            &["messaging/flows-key"],
        ),
        (
            "refused token",
            || checked(|_, m| m.refuses_token = true),
            ["False", STALLED, "TokenRefused"],
            &[
                "Secret messaging/meta-token, entry token: put a system-user access token",
                "Meta: what Meta said (code 190",
            ],
        ),
        (
            "refused number",
            || checked(|_, m| m.line("2").fault = Some(Fault::Refused)),
            ["False", STALLED, "NumberRefused"],
            &["ID 2: This is not", "opy the ID from WhatsApp Manager", "system user. Meta: code 100, trace trace."],
        ),
        (
            "refused upload",
            || new(|_, m| m.line("2").fault = Some(Fault::UploadRefused)),
            ["False", STALLED, "NumberRefused"],
            &["ID 2: Give the system user", "another business). Meta: what Meta said (code 100, trace trace)."],
        ),
        (
            "conflict with a neighbour",
            || conflict(Some("other"), MINUTE),
            ["False", STALLED, "NumberConflict"],
            &["ID 1:", "FlowsEncryptionKey other owns"],
        ),
        (
            "a neighbour that may be about to go",
            || conflict(Some("other"), MINUTE / 2),
            ["False", WAITING, "NumberHandover"],
            &["ID 1:", "FlowsEncryptionKey other owns this number with the same key; once it is gone"],
        ),
        (
            "conflict with a stranger",
            || conflict(None, MINUTE),
            ["False", STALLED, "NumberConflict"],
            &["ID 1:", "another namespace"],
        ),
        (
            "contested",
            || {
                checked(|s, m| {
                    let status = s.resource.status.as_mut().unwrap();
                    status.phone_numbers[1].replaced_times = [1, 2].map(|n| Time(at(n))).into();
                    m.line("2").set(Some(5), Some("VALID"));
                })
            },
            ["False", STALLED, "NumberContested"],
            &["ID 2:", "sync-requested-at"],
        ),
        (
            "drift in mode Observe",
            || {
                checked(|s, m| {
                    s.edit(|spec| spec.mode = Mode::Observe);
                    m.line("2").set(None, None);
                })
            },
            ["False", STALLED, "DriftObserved"],
            &["ID 2:", "Observe"],
        ),
        (
            "the key's Secret is gone after success",
            || {
                checked(|s, _| {
                    s.secrets.remove(0);
                    s.key = Err(because(Reason::SecretNotFound));
                })
            },
            ["False", WAITING, "SecretNotFound"],
            &["messaging/flows-key"],
        ),
        (
            "drift healed within a reconcile",
            || checked(|_, m| m.line("2").set(None, None)),
            ["True", "", "AllNumbersValid"],
            &[],
        ),
        (
            "a check fails in passing",
            || checked(|_, m| all(m, |l| l.fault = Some(Fault::Down))),
            ["True", "", "AllNumbersValid"],
            &["All 2 numbers", "as of 2026-", "Meta has not answered since"],
        ),
        (
            "a check of one number fails in passing",
            || checked(|_, m| m.line("2").fault = Some(Fault::Down)),
            ["True", "", "AllNumbersValid"],
            &["All 2 numbers", ", phone number ID 2 as of 2026-", "for it Meta has not answered since"],
        ),
        (
            "a check is limited in passing",
            || checked(|_, m| all(m, |l| l.fault = Some(Fault::Limited))),
            ["True", "", "AllNumbersValid"],
            &["as of 2026-", "Meta has limited the rate of calls since"],
        ),
        (
            "checks fail for long",
            || {
                checked(|s, m| {
                    s.now += 3 * HOUR;
                    m.line("1").fault = Some(Fault::Down);
                })
            },
            ["Unknown", WAITING, "CheckOverdue"],
            &["ID 1:", "Meta said"],
        ),
        (
            "suspended",
            || checked(|s, _| s.edit(|spec| spec.suspend = Some(true))),
            ["True", "", "AllNumbersValid"],
            &[],
        ),
        (
            "suspended with other numbers",
            || {
                checked(|s, _| {
                    s.edit(|spec| {
                        spec.suspend = Some(true);
                        spec.phone_number_ids.pop();
                    })
                })
            },
            ["Unknown", "", "Suspended"],
            &["suspend to false"],
        ),
        (
            "suspended with other numbers, and the change taken back",
            || {
                let mut s = checked(|s, _| {
                    s.edit(|spec| {
                        spec.suspend = Some(true);
                        spec.phone_number_ids.pop();
                    })
                });
                assert_eq!(s.ready(), "Suspended");
                s.edit(|spec| spec.phone_number_ids.push("2".into()));
                after_reconcile(s, Model::new(&["1", "2"]))
            },
            ["True", "", "AllNumbersValid"],
            &[],
        ),
        (
            "suspended from the first",
            || {
                let mut s = Stage::new(&["1"]);
                s.edit(|spec| spec.suspend = Some(true));
                after_reconcile(s, Model::new(&["1"]))
            },
            ["Unknown", "", "Suspended"],
            &["Nothing was checked yet", "suspend to false"],
        ),
    ];
    for (what, situation, expected, words) in rows {
        let stage = situation();
        let ready = stage.condition(ConditionType::Ready).unwrap();
        let beside: Vec<_> = [ConditionType::Reconciling, ConditionType::Stalled]
            .into_iter()
            .filter(|kind| stage.condition(*kind).is_some_and(|c| c.status == "True"))
            .map(ConditionType::as_str)
            .collect();
        assert_eq!([ready.status.as_str(), &beside.join(" "), &ready.reason], expected, "{what}: {}", ready.message);
        for word in words {
            assert!(ready.message.contains(word), "{what}: {:?} is missing in {:?}", word, ready.message);
        }
        let generation = stage.resource.metadata.generation;
        assert!(stage.status().conditions.iter().all(|c| c.observed_generation == generation), "{what}");
    }
}

#[test]
fn the_conditions_about_inputs_say_which_is_at_fault() {
    let of = |stage: &Stage, kind| {
        let condition = stage.condition(kind).unwrap();
        (condition.status.clone(), condition.reason.clone())
    };
    let pair = |status: &str, reason: &str| (status.to_owned(), reason.to_owned());
    let good = new(|_, _| {});
    assert_eq!(of(&good, ConditionType::KeyLoaded), pair("True", "KeyLoaded"));
    assert_eq!(of(&good, ConditionType::TokenAccepted), pair("True", "TokenAccepted"));
    let bad_token = new(|_, m| m.refuses_token = true);
    assert_eq!(of(&bad_token, ConditionType::KeyLoaded), pair("True", "KeyLoaded"));
    assert_eq!(of(&bad_token, ConditionType::TokenAccepted), pair("False", "TokenRefused"));
    let bad_key = new(|s, _| s.key = Err(because(Reason::KeyDamaged)));
    assert_eq!(of(&bad_key, ConditionType::KeyLoaded), pair("False", "KeyDamaged"));
    assert_eq!(of(&bad_key, ConditionType::TokenAccepted), pair("Unknown", "NotAsked"));
    let refused_number = new(|_, m| all(m, |l| l.fault = Some(Fault::Refused)));
    assert_eq!(of(&refused_number, ConditionType::TokenAccepted), pair("True", "TokenAccepted"));
    let silent = new(|_, m| all(m, |l| l.fault = Some(Fault::Down)));
    assert_eq!(of(&silent, ConditionType::TokenAccepted), pair("Unknown", "NotAsked"));
}

/// What a reconcile finds in which nothing was read but the Secrets.
fn look(stage: &Stage) -> Observation {
    stage.look(Work { inputs: true, numbers: Vec::new(), reset_backoff: false, ..Work::default() })
}

#[test]
fn a_refusal_names_what_is_refused_and_where_it_stands() {
    let app = || Some(secret_ref("meta-app", "secret"));
    let table = [
        (ErrorClass::Token, None, "TokenRefused", "meta-token, entry token", "this token"),
        (ErrorClass::Token, app(), "TokenRefused", "meta-token, entry token", "this token"),
        (ErrorClass::AppSecretProof, app(), "AppSecretRefused", "meta-app, entry secret", "this app secret"),
        (ErrorClass::AppSecretProof, None, "AppSecretRefused", "meta-token, entry token", "calls with the token alone"),
    ];
    for (class, app_secret, reason, place, what) in table {
        let mut stage = Stage::new(&["1"]);
        stage.resource.spec.app_secret_ref = app_secret;
        let mut observation = look(&stage);
        observation.refusal = Some(error(class.clone()));
        stage.sum_up(&observation, Progress::Finished);
        let condition = stage.condition(ConditionType::TokenAccepted).unwrap();
        assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("False", reason));
        let begin = format!("Secret messaging/{place}: {}; Meta refuses {what}. Meta: ", class.remedy().unwrap());
        assert!(condition.message.starts_with(&begin), "{}", condition.message);
    }
}

#[test]
fn a_reconcile_that_learns_nothing_of_the_token_leaves_its_condition_as_it_was() {
    let table = [
        (["True", "TokenAccepted"], ["True", "TokenAccepted"]),
        (["False", "TokenRefused"], ["False", "TokenRefused"]),
        (["Unknown", "NotAsked"], ["Unknown", "NotAsked"]),
        // Someone else wrote these.
        (["Maybe", "TokenAccepted"], ["Unknown", "NotAsked"]),
        (["True", "BecauseISaySo"], ["Unknown", "NotAsked"]),
    ];
    for (before, expected) in table {
        let (mut stage, _) = Stage::settled(&["1"]);
        for condition in &mut stage.resource.status.as_mut().unwrap().conditions {
            if condition.type_ == ConditionType::TokenAccepted.as_str() {
                [condition.status, condition.reason] = before.map(str::to_owned);
            }
        }
        stage.sum_up(&look(&stage), Progress::Finished);
        let after = stage.condition(ConditionType::TokenAccepted).unwrap();
        assert_eq!([after.status.as_str(), after.reason.as_str()], expected, "{before:?}");
    }
}

#[test]
fn of_several_troubles_the_first_one_for_people_is_reported() {
    use NumberState::{Contested, Refused, Unreported};
    let table = [
        ([Contested, Refused], "NumberContested", "ID 1:"),
        ([Refused, Contested], "NumberRefused", "ID 1:"),
        ([Unreported, Refused], "NumberRefused", "ID 2:"),
        ([Refused, Unreported], "NumberRefused", "ID 1:"),
        ([Refused, Refused], "NumberRefused", "IDs 1, 2:"),
    ];
    for (states, reason, words) in table {
        let (mut stage, _) = Stage::settled(&["1", "2"]);
        for (number, state) in stage.resource.status.as_mut().unwrap().phone_numbers.iter_mut().zip(states) {
            number.state = state;
        }
        stage.sum_up(&look(&stage), Progress::Finished);
        let ready = stage.condition(ConditionType::Ready).unwrap();
        assert_eq!(ready.reason, reason, "{states:?}");
        assert!(ready.message.contains(words), "{states:?}: {}", ready.message);
    }
}

#[test]
fn a_number_that_was_never_read_says_whether_anything_stands_in_the_way() {
    let failed = |http_status, code| Some(NumberError { http_status, code, ..NumberError::default() });
    let table = [
        (None, "Progressing", "ID 1: not asked yet."),
        (failed(Some(503), None), "GraphUnreachable", "ID 1: "),
        (failed(Some(429), None), "RateLimited", "ID 1: "),
        (failed(Some(400), Some(80_007)), "RateLimited", "ID 1: "),
    ];
    for (error, reason, words) in table {
        let mut stage = Stage::new(&["1"]);
        stage.sum_up(&look(&stage), Progress::Finished);
        stage.resource.status.as_mut().unwrap().phone_numbers[0].error = error;
        stage.sum_up(&look(&stage), Progress::Finished);
        let ready = stage.condition(ConditionType::Ready).unwrap();
        assert_eq!(ready.reason, reason, "{}", ready.message);
        assert!(ready.message.contains(words), "{}", ready.message);
    }
}

#[test]
fn ready_turns_unknown_when_the_last_answers_grow_old_even_while_calls_are_paused() {
    let (mut stage, mut meta) = Stage::settled(&["1"]);
    stage.now += stage.pace();
    stage.reconcile(&mut meta).unwrap();
    let read = stage.now;
    let status = stage.resource.status.as_mut().unwrap();
    status.phone_numbers[0].next_attempt_time = Some(Time(read + 20 * HOUR));
    let Schedule::Later(Some(next)) = stage.due() else { panic!("nothing to do yet") };
    assert!(next > read + 3 * HOUR && next <= read + 3 * HOUR + MINUTE, "{next}");
    stage.now = next;
    let reads = meta.reads();
    stage.reconcile(&mut meta).expect("someone must be warned");
    assert_eq!((stage.ready(), meta.reads()), ("CheckOverdue", reads));
    assert!(matches!(stage.due(), Schedule::Later(Some(next)) if next.as_second() == (read + 20 * HOUR).as_second()));
}
