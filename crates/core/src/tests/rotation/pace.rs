//! A rotation that cannot go on asks Meta no more often than the backoffs allow.

use super::super::meta::Fault;
use super::super::*;
use super::world::{IDS, NEW, OLD, World, policy};
use crate::api::crd::{ABORT_ANNOTATION, RotationPhase as Phase};
use crate::reconcile::work_due::with_rotation;

/// A rotation that both targets are ready for.
fn begin() -> World {
    let mut world = World::new(1, policy());
    world.targets.iter_mut().for_each(|target| target.keys.push(NEW));
    world.change(|stage| stage.set_key(Ok(key(NEW))));
    world
}

/// Calls to Meta in one hour.
fn calls_in_an_hour(world: &mut World) -> usize {
    let calls = |world: &World| world.meta.reads() + world.meta.uploads();
    let before = calls(world);
    world.pass(HOUR);
    calls(world) - before
}

#[test]
fn a_rotation_that_meta_holds_up_is_stalled_after_the_deadline_and_keeps_its_backoff() {
    let mut world = begin();
    world.meta.line("3").fault = Some(Fault::UploadFails);
    world.pass_until("two numbers have the key", |world| world.holds(NEW) == 2);
    world.pass(22 * HOUR);
    assert_eq!((world.phase(), world.stage.ready()), (Some(Phase::RollingOut), "KeyOutdated"));
    let before = calls_in_an_hour(&mut world);
    world.pass(3 * HOUR);
    assert_eq!((world.phase(), world.stage.ready()), (Some(Phase::RollingOut), "RotationPaused"));
    let message = &world.stage.condition(ConditionType::Stalled).unwrap().message;
    assert!(message.starts_with("Phone number ID 3: ") && message.contains("progressDeadline, until"), "{message}");
    let after = calls_in_an_hour(&mut world);
    assert!(before > 0 && after <= before + IDS.len(), "{before} calls in an hour, and {after} after the deadline");

    world.meta.line("3").fault = None;
    world.pass_until("all numbers have the key", |world| world.holds(NEW) == IDS.len());
    world.pass(MINUTE);
    assert_eq!((world.phase(), world.stage.ready()), (Some(Phase::Overlap), "AllNumbersValid"));
    assert!(world.stage.condition(ConditionType::Stalled).is_none());
}

#[test]
fn an_old_key_that_meta_does_not_sign_goes_to_one_number_and_causes_no_reads_beside_the_checks() {
    let mut world = begin();
    world.pass_until("all numbers have the key", |world| world.holds(NEW) == IDS.len());
    world.meta.lines.values_mut().for_each(|line| line.is_unsigned = true);
    world.annotate(ABORT_ANNOTATION, "now");
    // Until the time of the next upload is later than the next check.
    world.pass(12 * HOUR);
    assert_eq!((world.phase(), world.holds(OLD), world.holds(NEW)), (Some(Phase::RolledBack), 0, IDS.len() - 1));
    let checks = usize::try_from(HOUR.as_secs() / world.stage.interval.as_secs()).unwrap();
    let calls = calls_in_an_hour(&mut world);
    assert!(calls <= (checks + 1) * IDS.len(), "{calls} calls in an hour with {checks} checks");
}

/// Otherwise every proof, and every word about a refused token, would queue the resource again at once.
#[test]
fn an_overdue_rotation_calls_for_nothing_while_the_resource_is_suspended_or_a_secret_is_missing() {
    let changes: [fn(&mut Stage); 2] = [
        |stage| stage.resource.spec.suspend = Some(true),
        |stage| stage.credentials = Err(because(Reason::SecretNotFound)),
    ];
    for change in changes {
        let mut world = World::new(1, policy());
        world.change(|stage| stage.set_key(Ok(key(NEW))));
        world.pass(HOUR);
        world.change(change);
        world.annotate(crate::api::crd::SYNC_ANNOTATION, "now");
        world.pass(25 * HOUR);
        assert_eq!(world.phase(), Some(Phase::Staged));
        world.stage.now = world.now;
        let resource = Arc::new(world.stage.resource.clone());
        let proof = world.proof.as_ref();
        let schedule = with_rotation(world.stage.due(), &resource, proof, Waits::default(), world.now);
        assert!(matches!(schedule, Schedule::Later(_)), "{schedule:?} while {}", world.stage.ready());
    }
}
