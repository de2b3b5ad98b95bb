//! Whole rotations under traffic, over seeds: what users see, what is uploaded, and how the rotation ends.
//!
//! `WAFLOWS_ROTATION_SEEDS` is how many seeds each story is played with.

use super::super::*;
use super::world::{IDS, NEW, OLD, World, policy};
use crate::api::crd::{ABORT_ANNOTATION, Gate, OnFailure, PROCEED_ANNOTATION, Rotation, RotationPhase as Phase};
use crate::replacement::course::Direction;

/// Rotated by hand, and unknown to the resource.
const FOREIGN: usize = 3;

fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("WAFLOWS_ROTATION_SEEDS").ok();
    0..count.map_or(20, |text| text.parse().expect("WAFLOWS_ROTATION_SEEDS is a number"))
}

fn begin(seed: u64) -> World {
    let mut world = World::new(seed, policy());
    world.change(|stage| stage.set_key(Ok(key(NEW))));
    world
}

fn load(world: &mut World, target: usize, new: usize) {
    world.targets[target].keys.push(new);
}

fn assert_unharmed(world: &World) {
    assert_eq!(world.failures, Vec::<String>::new(), "{:#?}", world.stage.resource.status);
}

#[test]
fn a_gated_rotation_harms_no_client_whatever_happens_on_the_way() {
    for seed in seeds() {
        let mut world = World::new(seed, policy());
        if world.random.bool() {
            load(&mut world, 0, NEW);
        }
        world.change(|stage| stage.set_key(Ok(key(NEW))));
        for target in 0..2 {
            disturb(&mut world);
            if !world.targets[target].keys.contains(&NEW) {
                load(&mut world, target, NEW);
            }
        }
        for _ in 0..world.random.usize(2..20) {
            disturb(&mut world);
        }
        world.meta.lines.values_mut().for_each(|line| line.fault = None);
        let all = |world: &World| world.holds(NEW) == IDS.len();
        world.pass_until("all numbers have the new key", all);
        world.pass_until("the old key may go", |world| {
            world.rotation().is_none_or(|rotation| rotation.phase == Phase::Completed)
        });
        world.targets.iter_mut().for_each(|target| target.keys.retain(|key| *key != OLD));
        world.pass(HOUR);
        assert_unharmed(&world);
        assert_eq!(world.stage.ready(), "AllNumbersValid", "seed {seed}");
    }
}

/// Something happens, and some time goes by.
fn disturb(world: &mut World) {
    let line = IDS[world.random.usize(..IDS.len())];
    let target = world.random.usize(..world.targets.len());
    match world.random.usize(..9) {
        0 => world.restart(),
        1 => world.dies_after = Some(world.random.usize(..12)),
        2 => world.meta.line(line).fault = Some(meta::Fault::Down),
        3 => world.meta.line(line).fault = Some(meta::Fault::Limited),
        4 => world.meta.line(line).fault = None,
        5 => world.meta.line(line).status = Some("MISMATCH".to_owned()),
        6 => world.targets[target].name.push('x'),
        // A status that is lost, or written by somebody else.
        7 => world.change(|stage| stage.resource.status = None),
        _ => {}
    }
    let seconds = world.random.u64(1..400);
    world.pass(Duration::from_secs(seconds));
}

#[test]
fn an_endpoint_that_never_loads_the_key_keeps_the_old_one_on_every_number() {
    let mut world = begin(1);
    let uploads = world.meta.uploads();
    world.pass(23 * HOUR);
    assert_eq!((world.phase(), world.stage.ready()), (Some(Phase::Staged), "WaitingForEndpoint"));
    assert_eq!(world.stage.status().valid.as_deref(), Some("3/3"), "the numbers have what they should have for now");
    world.pass(2 * HOUR);
    assert_eq!(world.stage.ready(), "RotationPaused", "the deadline is over");
    assert!(world.stage.condition(ConditionType::Stalled).is_some());
    assert_eq!(world.meta.uploads(), uploads);
    assert_unharmed(&world);
}

#[test]
fn a_signature_that_is_lost_while_a_rotation_waits_comes_back_with_the_old_key() {
    let mut world = begin(1);
    world.pass(MINUTE);
    world.meta.line("2").status = Some("MISMATCH".to_owned());
    world.pass_until("it is back", |world| world.holds(OLD) == IDS.len());
    assert_eq!(world.phase(), Some(Phase::Staged));
    assert_unharmed(&world);
}

#[test]
fn a_swap_without_overlap_harms_clients_until_the_last_target_has_the_key_and_no_longer() {
    for seed in seeds() {
        let mut world = begin(seed);
        world.pass(MINUTE);
        world.targets[0].keys = vec![NEW];
        world.pass(MINUTE);
        assert_eq!(world.holds(NEW), 0, "one target lacks the new key");
        world.targets[1].keys = vec![NEW];
        let swapped = world.now;
        world.pass_until("all numbers have the new key", |world| world.holds(NEW) == IDS.len());
        let took = world.now.duration_since(swapped).as_secs();
        assert!(took <= 7, "{took} s, and the endpoint is asked every 5 s");
        world.failures.clear();
        world.pass(HOUR);
        assert_unharmed(&world);
    }
}

#[test]
fn an_abort_takes_the_key_back_and_harms_no_client() {
    for seed in seeds() {
        let mut world = begin(seed);
        (0..2).for_each(|target| load(&mut world, target, NEW));
        world.pass_until("the canary has the key", |world| world.holds(NEW) == 1);
        world.pass(5 * MINUTE);
        assert_eq!((world.phase(), world.stage.ready()), (Some(Phase::Canary), "Soaking"));
        if seed % 2 == 0 {
            world.meta.line("3").fault = Some(meta::Fault::UploadFails);
            world.pass_until("most numbers have the key", |world| world.holds(NEW) == 2);
        }
        world.annotate(ABORT_ANNOTATION, "now");
        world.pass_until("the old key is back", |world| world.holds(OLD) == IDS.len());
        world.pass(HOUR);
        assert_eq!((world.phase(), world.stage.ready()), (Some(Phase::RolledBack), "RotationRolledBack"));
        assert!(world.events.contains(&"OldKeyRestored"));
        assert_unharmed(&world);

        world.meta.line("3").fault = None;
        world.annotate(PROCEED_ANNOTATION, "again");
        world.pass_until("it is over", |world| world.phase() == Some(Phase::Completed));
        assert_eq!(world.holds(NEW), IDS.len());
        assert_unharmed(&world);
    }
}

#[test]
fn a_canary_that_never_becomes_valid_takes_the_key_back() {
    for on_failure in [OnFailure::Rollback, OnFailure::Pause] {
        let mut world = begin(1);
        world.stage.resource.spec.rotation = policy().map(|it| Rotation { on_failure: Some(on_failure), ..it });
        world.meta.line("1").is_unsigned = true;
        (0..2).for_each(|target| load(&mut world, target, NEW));
        let (phase, reason) = match on_failure {
            OnFailure::Rollback => (Phase::RolledBack, "RotationRolledBack"),
            OnFailure::Pause => (Phase::Canary, "RotationPaused"),
        };
        world.pass_until("it gives up", |world| world.stage.ready() == reason);
        world.pass(HOUR);
        assert_eq!((world.phase(), world.stage.ready()), (Some(phase), reason));
        assert_eq!(world.holds(OLD), 2, "the wrong key reached one number");
        if on_failure == OnFailure::Rollback {
            assert_eq!(world.meta.line("1").uploads.iter().filter(|key| **key == NEW).count(), 3);
        }
        assert_unharmed(&world);
    }
}

#[test]
fn a_target_that_loses_the_new_key_takes_the_key_back() {
    let mut world = begin(1);
    (0..2).for_each(|target| load(&mut world, target, NEW));
    world.pass_until("the canary has the key", |world| world.holds(NEW) == 1);
    world.pass(MINUTE);
    world.targets[1].keys = vec![OLD];
    let lost = world.now;
    world.pass_until("the old key is back", |world| world.holds(OLD) == IDS.len());
    assert!(world.now.duration_since(lost).as_secs() < 6 * 60);
    assert_eq!(world.phase(), Some(Phase::RolledBack));
    world.failures.clear();
    world.pass(HOUR);
    assert_unharmed(&world);
}

#[test]
fn a_key_that_was_rotated_by_hand_is_left_alone_if_the_endpoint_opens_it() {
    let mut world = World::new(1, None);
    let uploads = world.meta.uploads();
    world.meta.lines.values_mut().for_each(|line| line.set(Some(FOREIGN), Some("VALID")));
    world.targets.iter_mut().for_each(|target| target.keys = vec![FOREIGN]);
    world.pass(30 * HOUR);
    assert_eq!(world.meta.uploads(), uploads, "to replace the key would break what works");
    let ready = &world.stage.condition(ConditionType::Ready).unwrap().message;
    assert!(ready.contains("changed by hand, put the private key"), "{ready}");
    world.failures.retain(|failure| !failure.contains("key 1"));
    assert_unharmed(&world);

    world.change(|stage| stage.set_key(Ok(key(FOREIGN))));
    world.pass(HOUR);
    assert_eq!((world.stage.ready(), world.meta.uploads()), ("AllNumbersValid", uploads));
}

#[test]
fn the_old_key_stays_needed_while_clients_cannot_find_the_new_one() {
    let mut world = begin(1);
    world.targets[1].answers_421 = false;
    (0..2).for_each(|target| load(&mut world, target, NEW));
    world.pass_until("all have the key", |world| world.holds(NEW) == IDS.len());
    world.pass(3 * HOUR);
    assert_eq!(world.phase(), Some(Phase::Overlap));
    let ready = &world.stage.condition(ConditionType::Ready).unwrap().message;
    assert!(ready.contains("HTTP 421"), "{ready}");
    world.targets[1].answers_421 = true;
    world.pass_until("clients are told", |world| world.phase() == Some(Phase::Completed));
    assert!(world.events.contains(&"OldKeyRetirable"));
    assert_unharmed(&world);
}

#[test]
fn the_old_key_stays_needed_while_a_number_holds_it() {
    let mut world = begin(1);
    (0..2).for_each(|target| load(&mut world, target, NEW));
    world.meta.line("2").fault = Some(meta::Fault::Refused);
    world.pass_until("the others have the key", |world| world.holds(NEW) == 2);
    world.pass(3 * HOUR);
    assert_eq!(world.phase(), Some(Phase::Overlap), "a refused number does not hold up the others");
    world.meta.line("2").fault = None;
    world.pass_until("it is over", |world| world.phase() == Some(Phase::Completed));
    assert_eq!(world.holds(NEW), IDS.len());
    assert_unharmed(&world);
}

#[test]
fn without_the_gate_clients_fail() {
    let mut world = World::new(1, policy());
    world.change(|stage| {
        stage.edit(|spec| spec.endpoint.as_mut().unwrap().gate = Some(Gate::Report));
        stage.set_key(Ok(key(NEW)));
    });
    world.pass(2 * HOUR);
    assert_eq!(world.holds(NEW), IDS.len(), "the endpoint does not have the key");
    assert!(!world.failures.is_empty(), "the stories above can fail");
    assert_eq!(world.phase(), Some(Phase::Overlap), "the old private key is the only one that works");
}

#[test]
fn an_undisturbed_rotation_uploads_once_to_each_number_and_reports_each_step() {
    let mut world = begin(1);
    let uploads = world.meta.uploads();
    (0..2).for_each(|target| load(&mut world, target, NEW));
    world.pass_until("it is over", |world| world.phase() == Some(Phase::Completed));
    assert_eq!(world.meta.uploads() - uploads, IDS.len());
    let reported: Vec<_> = world.events.iter().filter(|event| !event.starts_with("KeyUploaded")).collect();
    assert_eq!(
        reported,
        ["RotationStarted", "KeyRotated", "CanaryProven", "KeyRotated", "OldKeyRetirable"].iter().collect::<Vec<_>>()
    );
    let rotation = world.rotation().unwrap();
    assert_eq!((&rotation.from, &rotation.to), (&fingerprint_text(OLD), &fingerprint_text(NEW)));
    assert_eq!((&rotation.from_public_key, &rotation.to_public_key), (&None, &None), "no longer needed");
}

#[test]
fn a_key_that_changes_back_before_anything_was_uploaded_needs_no_rotation() {
    let mut world = begin(1);
    world.pass(MINUTE);
    assert_eq!(world.phase(), Some(Phase::Staged));
    world.change(|stage| stage.set_key(Ok(key(OLD))));
    world.pass(MINUTE);
    assert_eq!((world.phase(), world.stage.ready()), (Some(Phase::Superseded), "AllNumbersValid"));
}

#[test]
fn without_an_endpoint_a_rotation_goes_by_time_alone() {
    let mut world = World::new(1, policy());
    world.change(|stage| stage.edit(|spec| spec.endpoint = None));
    (0..2).for_each(|target| load(&mut world, target, NEW));
    world.change(|stage| stage.set_key(Ok(key(NEW))));
    world.pass(MINUTE);
    assert_eq!((world.phase(), world.stage.ready(), world.holds(NEW)), (Some(Phase::Canary), "Soaking", 1));
    world.pass(10 * MINUTE);
    assert_eq!((world.phase(), world.stage.ready(), world.holds(NEW)), (Some(Phase::Overlap), "AllNumbersValid", 3));
    world.pass(20 * MINUTE);
    assert_eq!(world.phase(), Some(Phase::Completed));

    world.change(|stage| stage.set_key(Ok(key(OLD))));
    world.pass(MINUTE);
    world.annotate(ABORT_ANNOTATION, "now");
    world.pass(MINUTE);
    assert_eq!(
        (world.phase(), world.holds(NEW)),
        (Some(Phase::RolledBack), 3),
        "a person asked, and nothing is asked first"
    );
    assert_unharmed(&world);
}

#[test]
fn the_named_number_is_the_first() {
    let mut world = begin(1);
    world.stage.resource.spec.rotation.as_mut().unwrap().canary_phone_number_id = Some("3".into());
    (0..2).for_each(|target| load(&mut world, target, NEW));
    world.pass_until("the canary has the key", |world| world.holds(NEW) > 0);
    assert!(world.meta.line("3").is_valid(NEW));
    assert_eq!(world.holds(NEW), 1);
}

#[test]
fn a_resource_without_the_new_fields_has_no_rotation() {
    let (mut stage, mut meta) = Stage::settled(&IDS);
    stage.set_key(Ok(key(NEW)));
    let read = stage.observe(stage.work(), &mut meta);
    assert_eq!((read.course.direction, &read.course.status), (Direction::Forward, &None));
    stage.reconcile(&mut meta);
    assert_eq!((stage.ready(), &stage.status().rotation), ("AllNumbersValid", &None));
}
